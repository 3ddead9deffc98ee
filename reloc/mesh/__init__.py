"""The map: a textured triangle mesh, read, checked and kept ready."""
