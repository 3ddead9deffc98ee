"""How far trajectories are from a ground truth."""
