"""Many painted patches on one square texture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reloc.synthetic.paint import Paint

# So wide a rim of repeated texels keeps neighbours from bleeding in over the first three coarser texture levels.
GUTTER = 8

# Rectangles are packed in units of so many texels.
_CELL = 8

Place = tuple[int, int, int, int]
"""Left, top, width and height in texels."""


def pack(sizes: Sequence[tuple[float, float]], side: int) -> tuple[list[Place], float]:
    """Return where rectangles lie on a `side`² texture, with `GUTTER` texels around each, and the scale: the largest that fits.

    `sizes` are widths and heights in any unit; times the scale they are texels.
    """
    low, high = 0.0, float(side)
    best = _placed(sizes, low, side)
    for _ in range(24):
        scale = (low + high) / 2
        places = _placed(sizes, scale, side)
        if places is None:
            high = scale
        else:
            low, best = scale, places
    if best is None:
        raise ValueError(f"{len(sizes)} rectangles do not fit on {side} × {side} texels at any scale")
    return best, low


def _placed(sizes: Sequence[tuple[float, float]], scale: float, side: int) -> list[Place] | None:
    """Put each rectangle, the tallest first, where its top comes to lie highest under those before; None if they do not fit."""
    texels = [(max(4, round(width * scale)), max(4, round(height * scale))) for width, height in sizes]
    skyline = np.zeros(side // _CELL, dtype=np.int64)  # how far down each column of cells is taken
    places: list[Place] = [(0, 0, 0, 0)] * len(sizes)
    for number in sorted(range(len(sizes)), key=lambda n: (-texels[n][1], -texels[n][0], n)):
        width, height = texels[number]
        columns, rows = -(-(width + 2 * GUTTER) // _CELL), -(-(height + 2 * GUTTER) // _CELL)
        if columns > len(skyline):
            return None
        tops = sliding_window_view(skyline, columns).max(axis=1)
        x = int(np.argmin(tops))
        y = int(tops[x])
        if y + rows > len(skyline):
            return None
        skyline[x : x + columns] = y + rows
        places[number] = (x * _CELL + GUTTER, y * _CELL + GUTTER, width, height)
    return places


def draw(atlas: NDArray[np.uint8], place: Place, picture: Paint) -> None:
    """Write a picture (H, W, 3) in 0..1 to its place on the atlas, with its rim repeated into the gutter."""
    x, y, width, height = place
    texels = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    framed = cv2.copyMakeBorder(texels, *(GUTTER,) * 4, cv2.BORDER_REPLICATE)
    atlas[y - GUTTER : y + height + GUTTER, x - GUTTER : x + width + GUTTER] = framed


def atlas_uv(st: NDArray[np.float64], place: Place, side: int) -> NDArray[np.float64]:
    """Return uv (..., 2), from the top-left corner of the atlas, of coordinates (s, t) in 0..1 on a picture at `place`."""
    x, y, width, height = place
    return np.asarray((np.array([x, y]) + st * np.array([width, height])) / side)
