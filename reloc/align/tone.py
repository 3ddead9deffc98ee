"""The tone curve of an image against the map's: a power (gamma), which changes contrast in the dark more than in the bright."""

from __future__ import annotations

import numpy as np
from numba import njit

from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.geometry.se3 import SE3

_TONE_POINTS = 4
"""Every so many points are asked for the tone."""
_LIT = (0.02, 0.98)
"""Between these neither noise nor the sensor's limits tell of the tone."""
_FEWEST_PAIRS = 50
_OUTLIER = 4.0
"""Points whose logarithms are off by more than this many times the median do not tell of it."""
_LEAST_TONE = 1.65
"""Exponents below this are none: a shadow's edge makes up to 1.6, and those below 1 hardly matter, normalised locally."""
_LEAST_CORRELATION = 0.3
"""What correlates less shows something else."""


def image_tone(keyframe: Keyframe, frame: Layers, pose: SE3) -> float:
    """Return the exponent that gives the rendering the image's contrast between dark and bright; 1 where it hardly matters."""
    points, drawn, image = keyframe.references[0][frame.kind].in_world, keyframe.layers.image, frame.image
    here, camera = keyframe.camera_from_world, keyframe.rendering.camera.intrinsics
    wanted = _looked_up(points, drawn if drawn.ndim == 3 else drawn[:, :, None], here.rotation, here.translation, camera)
    found = _looked_up(points, image if image.ndim == 3 else image[:, :, None], pose.rotation, pose.translation, camera)
    return float(_exponent(wanted, found))


@njit(cache=True, nogil=True, error_model="numpy")
def _looked_up(points, image, rotation, translation, intrinsics):  # type: ignore[no-untyped-def]
    """Return (M, C) what some of the points look like at the pixel nearest to them; NaN out of view."""
    fx, fy, cx, cy = intrinsics
    height, width, channels = image.shape
    result = np.full((len(points) // _TONE_POINTS, channels), np.nan)
    for k in range(len(result)):
        px, py, pz = points[k * _TONE_POINTS]
        z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + translation[2]
        u = fx * (rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + translation[0]) / z + cx
        v = fy * (rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + translation[1]) / z + cy
        if z > 0.0 and u >= 0.0 and v >= 0.0 and u <= width - 1 and v <= height - 1:
            for channel in range(channels):
                result[k, channel] = image[int(v + 0.5), int(u + 0.5), channel]
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def _exponent(wanted, found):  # type: ignore[no-untyped-def]
    """Return the slope of the reduced major axis of logarithms, without outliers; 1 where it hardly matters or cannot be told."""
    wanted, found = wanted.reshape(-1), found.reshape(-1)
    lit = (np.minimum(wanted, found) > _LIT[0]) & (np.maximum(wanted, found) < _LIT[1])  # false for NaN
    x, y = np.log(wanted[lit]), np.log(found[lit])
    slope = 1.0
    for _ in range(3):
        if len(x) < _FEWEST_PAIRS:
            return 1.0
        a, b = x - x.mean(), y - y.mean()
        of_a, of_b, shared = (a * a).sum(), (b * b).sum(), (a * b).sum()
        if not shared > _LEAST_CORRELATION * np.sqrt(of_a * of_b):
            return 1.0
        slope = np.sqrt(of_b / of_a)
        off = np.abs(b - slope * a)
        kept = off <= _OUTLIER * np.median(off)
        x, y = x[kept], y[kept]
    return slope if slope >= _LEAST_TONE else 1.0
