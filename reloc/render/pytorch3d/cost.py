"""How long PyTorch3D will take for a picture, told from small ones."""

from __future__ import annotations

import time
from collections.abc import Callable

from reloc.geometry.camera import PinholeCamera

# By how much the pictures are smaller that tell how long one takes.
_PROBE_SHRINKS = (16, 16, 6)


def seconds_a_picture(draw: Callable[[PinholeCamera], object], camera: PinholeCamera) -> float:
    """Return how long drawing a camera's picture will about take: the time is a constant, and grows with the pixels."""
    pixels, seconds = [], []
    for shrink in _PROBE_SHRINKS:
        small = camera.area_scaled(max(camera.width // shrink, 1), max(camera.height // shrink, 1))
        start = time.perf_counter()
        draw(small)
        seconds.append(time.perf_counter() - start)
        pixels.append(small.width * small.height)
    # The first is there to load what is loaded once.
    a_pixel = max(seconds[2] - seconds[1], 0.0) / max(pixels[2] - pixels[1], 1)
    return seconds[1] + a_pixel * (camera.width * camera.height - pixels[1])
