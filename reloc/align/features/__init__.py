"""Feature-metric alignment: beside intensities, what a convolutional network makes of image and rendering should agree."""
