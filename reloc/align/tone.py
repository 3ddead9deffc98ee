"""The tone curve of an image against the map's: a power (gamma), which changes contrast in the dark more than in the bright."""

from __future__ import annotations

import numpy as np
from numba import njit

from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.align.probes import intensities
from reloc.geometry.se3 import SE3

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
    probes = keyframe.probes
    return float(_exponent(probes.intensity, intensities(probes.points, frame, pose)))


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
