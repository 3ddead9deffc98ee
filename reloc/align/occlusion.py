"""Trust by region: what hides the map covers a patch of the image, so a patch full of misfits is distrusted as a whole.

A robust cost judges each point alone, and on a noisy or richly textured occluder some points fit by chance and pull. Their
neighbours give them away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.align.photometric import Samples
from reloc.geometry.camera import PinholeCamera

Array = NDArray[np.float64]

_REGIONS = (4, 5)
"""Rows and columns that the image is divided into."""
_FEWEST = 4
"""A region with fewer points cannot be judged and is trusted."""
_TYPICAL_RANK = 0.4
"""The region at this rank of misfit stands for the unoccluded ones."""
_TRUSTED, _DISTRUSTED = 1.2, 1.8
"""Misfit, in multiples of the typical one, up to which a region is trusted fully and from which not at all."""
_WORST = 6.0
"""A residual counts for at most this many times the scale, lest one outlier condemn its region."""


def regional_trust(samples: Samples, camera: PinholeCamera, scale: float) -> Array:
    """Return (N,) trust 0..1 in each point, from the mean residual of its region of the image; points out of view get 1."""
    misfit = np.abs(samples.residual).mean(axis=1)
    seen = ~np.isnan(misfit)
    rows, columns = _REGIONS
    row = np.clip(samples.pixel[seen, 1] / camera.height * rows, 0, rows - 1).astype(int)
    column = np.clip(samples.pixel[seen, 0] / camera.width * columns, 0, columns - 1).astype(int)
    region = row * columns + column
    count = np.bincount(region, minlength=rows * columns)
    total = np.bincount(region, np.minimum(misfit[seen], _WORST * scale), minlength=rows * columns)
    judged = count >= _FEWEST
    trust = np.ones(len(misfit))
    if not judged.any():
        return trust
    mean = total / np.maximum(count, 1)
    ranked = np.sort(mean[judged])
    typical = max(float(ranked[int(len(ranked) * _TYPICAL_RANK)]), np.finfo(float).tiny)
    of_region = np.where(judged, np.clip((_DISTRUSTED - mean / typical) / (_DISTRUSTED - _TRUSTED), 0, 1), 1.0)
    trust[seen] = of_region[region]
    return trust
