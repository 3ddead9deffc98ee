"""Trajectories in the formats and conventions of others: one file a format."""
