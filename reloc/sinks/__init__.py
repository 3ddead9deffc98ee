"""Where estimates go: one file a sink."""
