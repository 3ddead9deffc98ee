"""Making images smaller by averaging areas, which keeps every edge where it was.

A pixel of the small image is the mean of the part of the large one that it covers; pixels cut by its border count by their
share. The camera of the result is `PinholeCamera.area_scaled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[Any]
Cells = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

# A share of a pixel below this is a rounding of the border, not a share.
_NO_SHARE = 1e-9


@dataclass(frozen=True)
class AreaReduction:
    """Averages images of `source_width` × `source_height` pixels down to `width` × `height`, which must not be larger."""

    source_width: int
    source_height: int
    width: int
    height: int

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Return the averages (h, w) or (h, w, C), in the units of `image` (H, W) or (H, W, C), 8 or 16 bits.

        Where a whole number of pixels falls on one, the mean is rounded to a whole number: OpenCV does that ten times faster.
        """
        if self._is_whole:
            size = (self.width, self.height)
            reduced = (
                image
                if size == (self.source_width, self.source_height)
                else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            )
            return np.asarray(reduced, dtype=np.float32)
        return self.exactly(image)

    def exactly(self, image: Image) -> NDArray[np.float32]:
        """Return the averages without rounding: zero exactly where all the pixels beneath are zero."""
        channels = image.shape[2:]
        result = np.empty((self.height, self.width, *channels), dtype=np.float32)
        rows = np.ascontiguousarray(image).reshape(self.source_height, -1)
        _average(rows, *self._down, *self._across, result.reshape(self.height, self.width, -1))
        return result

    @property
    def _is_whole(self) -> bool:
        return self.source_width % self.width == 0 and self.source_height % self.height == 0

    @cached_property
    def _across(self) -> Cells:
        return _cells(self.source_width, self.width)

    @cached_property
    def _down(self) -> Cells:
        return _cells(self.source_height, self.height)


def _cells(source: int, target: int) -> Cells:
    """Return for each of `target` cells its first pixel (T,), the number of its pixels (T,) and their weights (T, K)."""
    edges = np.arange(target + 1) * (source / target)
    first = np.floor(edges[:-1] + _NO_SHARE).astype(np.int64)
    count = np.minimum(np.ceil(edges[1:] - _NO_SHARE).astype(np.int64), source) - first
    pixels = first[:, None] + np.arange(count.max())
    shares = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    shares = np.where(np.arange(count.max()) < count[:, None], shares, 0.0)
    return first, count, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def _average(  # pragma: no cover - compiled
    rows: Image,
    row_first: NDArray[np.int64],
    row_count: NDArray[np.int64],
    row_weights: NDArray[np.float32],
    first: NDArray[np.int64],
    count: NDArray[np.int64],
    weights: NDArray[np.float32],
    result: NDArray[np.float32],
) -> None:
    """Average `rows` (H, W * C) into `result` (h, w, C): first the rows, along which the processor reads, then the columns."""
    height, width, channels = result.shape
    band = np.empty(rows.shape[1], np.float32)
    for v in range(height):
        band[:] = 0
        for k in range(row_count[v]):
            weight, row = row_weights[v, k], rows[row_first[v] + k]
            for i in range(band.size):
                band[i] += weight * np.float32(row[i])
        for u in range(width):
            for c in range(channels):
                total = np.float32(0)
                for k in range(count[u]):
                    total += weights[u, k] * band[(first[u] + k) * channels + c]
                result[v, u, c] = total
