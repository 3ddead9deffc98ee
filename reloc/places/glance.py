"""What an image looks like as a whole: one vector an image, so that two can be compared at a glance.

Histograms of gradient orientations in a grid of cells, as in HOG (Dalal and Triggs, CVPR 2005), but with roots of shares in place
of block normalisation: exposure does not matter, and no single edge decides. Local features tell places apart far better; a
glance still says something where blur or a plain wall leaves too few of them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PICTURE_PX = (160, 120)
"""Width and height of the small pictures that are looked at."""
_CELLS, _CELL_PX, _ORIENTATIONS = 6, 20, 8
GLANCE_SIZE = _CELLS * _CELLS * _ORIENTATIONS
# Added to every cell, in grey levels a pixel: the noise of a blank wall says nothing.
_NOISE = 1.0 * _CELL_PX**2


def small_picture(image: NDArray[np.uint8], valid: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return an image and its valid pixels, both (H, W), at the size that is looked at; black where not valid."""
    picture = cv2.resize(np.where(valid, image, 0).astype(np.uint8), PICTURE_PX, interpolation=cv2.INTER_AREA)
    small = cv2.resize(valid.astype(np.uint8), PICTURE_PX, interpolation=cv2.INTER_NEAREST)
    return np.asarray(picture, dtype=np.uint8), small.astype(np.bool_)


def glance(picture: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Floats:
    """Return (288,) of length 1 for the middle square of a small picture (120, 160); products of two say how alike they are."""
    left = (PICTURE_PX[0] - PICTURE_PX[1]) // 2
    square = np.s_[:, left : left + PICTURE_PX[1]]
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.float32)
    along_x, along_y = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3, scale=1 / 8)[square] for order in ((1, 0), (0, 1)))
    inside = cv2.erode(valid.astype(np.uint8), np.ones((7, 7), dtype=np.uint8))[square] > 0
    strength = np.where(inside, np.hypot(along_x, along_y), 0)
    # Opposite directions count as one: an object may be darker or brighter than what is behind it.
    orientation = np.arctan2(along_y, along_x) / np.pi % 1.0 * _ORIENTATIONS
    lower = np.floor(orientation).astype(np.int64)
    row, column = np.indices(strength.shape) // _CELL_PX
    cell = row * _CELLS + column
    bins = np.zeros(GLANCE_SIZE)
    for number, share in ((lower, 1 - (orientation - lower)), (lower + 1, orientation - lower)):
        bins += np.bincount((cell * _ORIENTATIONS + number % _ORIENTATIONS).ravel(), (strength * share).ravel(), GLANCE_SIZE)
    cells = bins.reshape(-1, _ORIENTATIONS)
    shares = np.sqrt(cells / (cells.sum(axis=1, keepdims=True) + _NOISE)).ravel()
    return np.asarray(shares / max(float(np.linalg.norm(shares)), 1e-9), dtype=np.float32)


def turned(one: Floats) -> Floats:
    """Return (4, 288) the glances at an image turned by none to three quarters, for a view may stand on its side or its head."""
    grid = one.reshape(_CELLS, _CELLS, _ORIENTATIONS)
    quarter = _ORIENTATIONS // 2
    turns = [np.roll(np.rot90(grid, number), number * quarter, axis=2) for number in range(4)]
    return np.stack([turn.ravel() for turn in turns])
