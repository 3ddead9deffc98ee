"""Rigid motions, lenses, images and trajectories: what every later room measures with."""
