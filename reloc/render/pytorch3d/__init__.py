"""PyTorch3D draws the map, where it is installed: visibility like our z-buffer's, and pictures that can be differentiated."""
