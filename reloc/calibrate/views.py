"""Choosing views to calibrate from: few, sharp, and different from each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.board import Board, Detection

Array = NDArray[np.float64]

# Two views nearer than this, in the measures of `_placed`, count as the same one.
_SAME = 0.08


@dataclass(frozen=True, eq=False)
class View:
    """A board as one image showed it."""

    name: str
    detection: Detection
    sharpness: float
    """Contrast of the edges at the corners, to compare views of one place; without a unit."""
    placed: Array
    """(6,) where the board is in the image, how large and how slanted, each from about 0 to 1."""


class Views:
    """Keeps at most `capacity` views that differ as much as possible; of two alike, the sharper one.

    What is kept hardly depends on how long the board was held still: a minute in one place is one view.
    """

    def __init__(self, board: Board, size: tuple[int, int], capacity: int) -> None:
        self._board = board
        self._size = size
        self._capacity = capacity
        self._views: list[View] = []

    @property
    def kept(self) -> tuple[View, ...]:
        """The views kept so far, in the order in which they came."""
        return tuple(self._views)

    def offer(self, name: str, grey: NDArray[np.uint8], detection: Detection) -> bool:
        """Return whether the view of an image was taken in, in place of another or not."""
        view = View(name, detection, _sharpness(grey, detection.pixels), _placed(self._board, detection, self._size))
        distances = [float(np.linalg.norm(view.placed - other.placed)) for other in self._views]
        nearest = int(np.argmin(distances)) if distances else -1
        if distances and distances[nearest] < _SAME:
            return self._replace_duller(nearest, view)
        self._views.append(view)
        if len(self._views) > self._capacity:
            return self._drop_least_different() is not view
        return True

    def _replace_duller(self, index: int, view: View) -> bool:
        kept = self._views[index]
        better = (len(view.detection.pixels), view.sharpness) > (len(kept.detection.pixels), kept.sharpness)
        if better:
            self._views[index] = replace(view)
        return better

    def _drop_least_different(self) -> View:
        """Drop, of the two views that are most alike, the one with fewer corners or the duller."""
        places = np.array([view.placed for view in self._views])
        distances = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        pair = np.unravel_index(int(distances.argmin()), distances.shape)
        dropped = min((int(i) for i in pair), key=lambda i: (len(self._views[i].detection.pixels), self._views[i].sharpness))
        return self._views.pop(dropped)


def _placed(board: Board, detection: Detection, size: tuple[int, int]) -> Array:
    """Measure the outline of the whole board in the image: centre, size, and how its opposite sides differ."""
    width, height = size
    outline = _outline(board, detection) / (width, height)
    center = outline.mean(axis=0)
    sides = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1)
    top, right, bottom, left = np.maximum(sides, 1e-6)
    slant = np.array([np.log(top / bottom), np.log(left / right)])
    turn = outline[1] - outline[0]
    angle = float(np.arctan2(turn[1], turn[0])) / np.pi
    return np.array([*np.clip(center, -1, 2), min(float(sides.mean()), 2.0), *np.clip(slant, -1, 1), 0.5 * abs(angle)])


def _outline(board: Board, detection: Detection) -> Array:
    """Return the four outer corners (4, 2) in pixels by a homography: near enough to compare views."""
    homography, _ = cv2.findHomography(detection.points_in_board[:, :2], detection.pixels)
    width, height = board.columns * board.square_m, board.rows * board.square_m
    corners = np.array([[[0.0, 0.0]], [[width, 0.0]], [[width, height]], [[0.0, height]]])
    if homography is None:
        return np.asarray(cv2.boxPoints(cv2.minAreaRect(detection.pixels.astype(np.float32))), dtype=np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, homography)).reshape(4, 2)


def _sharpness(grey: NDArray[np.uint8], pixels: Array) -> float:
    """Return the median gradient at the corners' surroundings, relative to the contrast there."""
    x0, y0 = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.ceil(pixels.max(axis=0)).astype(int) + 3
    patch = grey[y0:y1, x0:x1].astype(np.float32)
    dx, dy = cv2.Sobel(patch, cv2.CV_32F, 1, 0), cv2.Sobel(patch, cv2.CV_32F, 0, 1)
    contrast = float(np.percentile(patch, 95) - np.percentile(patch, 5))
    return float(np.percentile(np.hypot(dx, dy), 95)) / max(contrast, 1.0)
