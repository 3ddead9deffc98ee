"""Calibration boards: what they look like, and where their corners are in an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import CalibrationError

Array = NDArray[np.float64]

# Markers in their squares, where nobody says otherwise: wide enough to be read, and a white rim to be found by.
_USUAL_MARKER_SHARE = 0.75
# A view with fewer corners says little, and some methods need that many.
FEWEST_CORNERS = 8
_MOST_SQUARES = 100
# How thin a cloud of corners may be, as the ratio of its two extents, and still hold a plane.
_THINNEST = 0.02
# In which a chessboard corner is refined. Squares of less than 8 pixels are not found, so it holds no other corner.
_HALF_WINDOW_PX = 5


class BoardKind(StrEnum):
    """The kinds of boards."""

    CHARUCO = "charuco"
    """A chessboard with a marker in each white square: it may be partly hidden or reach beyond the image."""
    CHESSBOARD = "chessboard"
    """Bare squares: all inner corners must be in the image."""


DICTIONARIES: tuple[str, ...] = tuple(
    sorted(name for name in vars(cv2.aruco) if name.startswith("DICT_") and not name.endswith(("h5", "h9", "h10", "h11", "h12")))
)
"""The names of OpenCV's sets of markers, each once."""


@dataclass(frozen=True, eq=False)
class Detection:
    """The corners of a board that were seen in one image."""

    points_in_board: Array
    """(N, 3) in metres, z = 0."""
    pixels: Array
    """(N, 2) where they were seen; the centre of the first pixel is (0, 0)."""


@dataclass(frozen=True)
class Board:
    """A calibration board. Raises `CalibrationError` for one that cannot be made."""

    kind: BoardKind
    columns: int
    """Squares in a row, not inner corners."""
    rows: int
    square_m: float
    marker_m: float | None = None
    """The side of a marker; None is three quarters of a square. A chessboard has none."""
    dictionary: str = "DICT_4X4_50"
    legacy: bool = False
    """Whether the board was made by OpenCV before 4.6, which began even numbers of rows with another colour."""

    def __post_init__(self) -> None:
        if not (3 <= self.columns <= _MOST_SQUARES and 3 <= self.rows <= _MOST_SQUARES):
            raise CalibrationError(f"A board has 3 to {_MOST_SQUARES} squares a side, not {self.columns}x{self.rows}")
        if not (math.isfinite(self.square_m) and self.square_m > 0):
            raise CalibrationError(f"The side of a square must be a positive number of metres, not {self.square_m}")
        if self.kind is BoardKind.CHARUCO:
            self._check_markers()

    def _check_markers(self) -> None:
        if self.dictionary not in DICTIONARIES:
            raise CalibrationError(f"There is no dictionary of markers “{self.dictionary}”. Known: {', '.join(DICTIONARIES)}")
        if not 0 < self.marker_side_m < self.square_m:
            raise CalibrationError(
                f"A marker must be smaller than its square of {self.square_m:g} m, and larger than nothing, not "
                f"{self.marker_side_m:g} m"
            )
        needed, held = self.columns * self.rows // 2, len(self._markers.bytesList)
        if needed > held:
            raise CalibrationError(
                f"A board of {self.columns}x{self.rows} squares needs {needed} markers, but {self.dictionary} holds {held}. "
                "Choose a larger one, such as DICT_5X5_250 or DICT_5X5_1000"
            )

    @property
    def marker_side_m(self) -> float:
        """The side of a marker in metres."""
        return _USUAL_MARKER_SHARE * self.square_m if self.marker_m is None else self.marker_m

    @property
    def corners(self) -> int:
        """How many inner corners the board has."""
        return (self.columns - 1) * (self.rows - 1)

    @cached_property
    def _markers(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    @cached_property
    def charuco(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's board, in metres."""
        board = cv2.aruco.CharucoBoard((self.columns, self.rows), self.square_m, self.marker_side_m, self._markers)
        board.setLegacyPattern(self.legacy)
        return board

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        return cv2.aruco.CharucoDetector(self.charuco)

    def detect(self, grey: NDArray[np.uint8]) -> Detection | None:
        """Return the corners seen in a grey image (H, W), or None if there are too few to say anything."""
        find: Callable[[NDArray[np.uint8]], Detection | None]
        find = self._charuco_corners if self.kind is BoardKind.CHARUCO else self._chessboard_corners
        found = find(grey)
        return found if found is not None and _spread_out(found.pixels) else None

    def count_markers(self, grey: NDArray[np.uint8]) -> int:
        """Return how many markers of the dictionary are seen, whether they make up this board or not."""
        if self.kind is not BoardKind.CHARUCO:
            return 0
        _, ids, _ = cv2.aruco.ArucoDetector(self._markers).detectMarkers(grey)
        return 0 if ids is None else len(ids)

    def _charuco_corners(self, grey: NDArray[np.uint8]) -> Detection | None:
        pixels, ids, _, _ = self._detector.detectBoard(grey)
        if ids is None or len(ids) < FEWEST_CORNERS:
            return None
        # OpenCV 4 gives (N, 1, 2), OpenCV 5 gives (N, 2).
        points = np.asarray(self.charuco.getChessboardCorners(), dtype=np.float64)[ids.ravel()]
        return Detection(points, pixels.reshape(-1, 2).astype(np.float64))

    def _chessboard_corners(self, grey: NDArray[np.uint8]) -> Detection | None:
        found, pixels = cv2.findChessboardCornersSB(grey, (self.columns - 1, self.rows - 1))
        if not found:
            return None
        x, y = np.meshgrid(np.arange(1.0, self.columns), np.arange(1.0, self.rows))
        points = self.square_m * np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
        return Detection(points, _refined(grey, pixels.reshape(-1, 2)))


def _refined(grey: NDArray[np.uint8], pixels: NDArray[np.float32]) -> Array:
    """Return chessboard corners to a twentieth of a pixel: the search itself is three times as far off."""
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)
    refined = cv2.cornerSubPix(grey, pixels[:, None].copy(), (_HALF_WINDOW_PX, _HALF_WINDOW_PX), (-1, -1), criteria)
    return np.asarray(refined, dtype=np.float64).reshape(-1, 2)


def _spread_out(pixels: Array) -> bool:
    """Tell whether corners cover an area: those on one line leave the plane of the board open."""
    if len(pixels) < FEWEST_CORNERS or not np.isfinite(pixels).all():
        return False
    wide, narrow = np.linalg.svd(pixels - pixels.mean(axis=0), compute_uv=False)
    return bool(narrow > _THINNEST * wide)
