"""Known views of a map, and how to find a camera among them without knowing anything of where it is."""
