"""Trust by neighbourhood: where the image does not look like the map around a point, it shows something else there.

Normalising locally lifts the noise of an occluder into full contrast, so that many of its points fit by chance, and a robust
cost, which judges each point alone, lets them pull. What does not follow the map has no correlation with it, however many of its
points fit. Only near the pose does that tell anything: far from it nothing correlates, and `occlusion.py` judges by misfits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.photometric import Samples
from reloc.geometry.camera import PinholeCamera

Array = NDArray[np.float64]

_CELLS = (8, 10)
"""Rows and columns that the image is divided into. Each is judged together with the eight around it: enough points to judge by,
and no more of the map lost beside an occluder than half a cell."""
_FEWEST = 12
"""Of so few points the correlation is left to chance: they are trusted."""
_TYPICAL_RANK = 0.6
"""The correlation at this rank stands for the cells that show the map: blur and noise lower that of all alike."""
_DISTRUSTED, _TRUSTED = 0.3, 0.7
"""Correlation, in shares of the typical one, up to which a cell is not trusted at all and from which fully."""


def neighbourhood_trust(samples: Samples, value: Array, camera: PinholeCamera) -> Array:
    """Return (N,) trust 0..1 in each point, from how the image around it correlates with the map; out of view it is 1.

    Args:
        samples: The residuals at neutral exposure, and where they are.
        value: (N, C) how the points look in the rendering.
        camera: Of the image.
    """
    sums, cell = np.zeros((*_CELLS, 6)), np.full(len(value), -1)
    _add_up(samples.residual, samples.pixel, value, camera.width, camera.height, sums, cell)
    return np.asarray(_trust(_correlations(sums).reshape(-1), cell))


@njit(cache=True, nogil=True, error_model="numpy")
def _add_up(residual, pixel, value, width, height, sums, cell):  # type: ignore[no-untyped-def]
    """Add up, in each cell, number, values of rendering and image, their squares and their product; write which cell is whose."""
    rows, columns = sums.shape[:2]
    for i in range(len(value)):
        if np.isnan(residual[i, 0]):  # as are then all its channels
            continue
        row = min(max(int(pixel[i, 1] / height * rows), 0), rows - 1)
        column = min(max(int(pixel[i, 0] / width * columns), 0), columns - 1)
        cell[i] = row * columns + column
        here = sums[row, column]
        for channel in range(value.shape[1]):
            wanted = value[i, channel]
            found = wanted + residual[i, channel]
            here[0] += 1
            here[1] += wanted
            here[2] += found
            here[3] += wanted * wanted
            here[4] += found * found
            here[5] += wanted * found


@njit(cache=True, nogil=True, error_model="numpy")
def _correlations(sums):  # type: ignore[no-untyped-def]
    """Return Pearson's correlation of rendering and image in each cell and its neighbours; NaN where none can be told."""
    rows, columns = sums.shape[:2]
    result, total = np.full((rows, columns), np.nan), np.empty(6)
    for row in range(rows):
        for column in range(columns):
            total[:] = 0.0
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    for k in range(6):
                        total[k] += sums[r, c, k]
            if sums[row, column, 0] == 0 or total[0] < _FEWEST:
                continue
            wanted, found = total[3] - total[1] ** 2 / total[0], total[4] - total[2] ** 2 / total[0]
            shared = total[5] - total[1] * total[2] / total[0]
            result[row, column] = shared / np.sqrt(wanted * found) if wanted * found > 0 else 0.0
    return result


@njit(cache=True, nogil=True)
def _trust(correlation, cell):  # type: ignore[no-untyped-def]
    """Return (N,) the trust in points from the correlation (R,) of their cells, by the typical one."""
    trust = np.ones(len(cell))
    judged = np.sort(correlation[~np.isnan(correlation)])
    if len(judged) == 0:
        return trust
    typical = judged[int(_TYPICAL_RANK * len(judged))]
    if typical <= 0.0:
        return trust
    for i in range(len(cell)):
        if cell[i] >= 0 and not np.isnan(correlation[cell[i]]):
            share = correlation[cell[i]] / typical
            trust[i] = min(max((share - _DISTRUSTED) / (_TRUSTED - _DISTRUSTED), 0.0), 1.0)
    return trust
