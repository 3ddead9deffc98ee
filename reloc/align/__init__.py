"""Bring the map and the image into register: residual terms, a solver that knows no images, and the coarse-to-fine aligner."""
