"""What the map looks like from a pose: which face covers a pixel, at what depth, in what colour."""
