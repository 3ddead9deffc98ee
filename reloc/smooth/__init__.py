"""The second pass over a recording, for which the future is known: gaps are walked back into, and all poses are smoothed."""
