"""The calibration of a camera, from its frames to its lens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.board import Board, BoardKind
from reloc.calibrate.coverage import Coverage, coverage_of
from reloc.calibrate.solve import Solution, solve
from reloc.calibrate.views import Views
from reloc.errors import CalibrationError
from reloc.frame import RawFrame
from reloc.geometry.lens import LensModel

DEFAULT_VIEWS = 40
# Frames without the board whose markers are counted, to tell a wrong board from none.
_LOOKED_AT = 20


@dataclass(frozen=True)
class Progress:
    """How far the collection of views has come."""

    frames: int
    """Frames looked at."""
    detected: int
    """Frames in which the board was found."""
    kept: int
    """Views that will be used."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibrated lens with all that tells whether it can be trusted."""

    solution: Solution
    coverage: Coverage
    progress: Progress


def calibrate_frames(
    frames: Iterable[RawFrame],
    board: Board,
    model: LensModel = LensModel.OPENCV,
    *,
    most_views: int = DEFAULT_VIEWS,
    progress: Callable[[Progress], bool] = lambda progress: True,
) -> Calibration:
    """Return the lens of the camera that took the frames.

    Args:
        frames: The images; of any number, since only the views that are kept take memory.
        board: The board that they show.
        model: The lens to fit.
        most_views: How many views to calibrate from at most.
        progress: Told after each frame; returns whether to go on.

    Raises:
        CalibrationError: The board was seen too seldom, the images change their size, or no lens fits.
    """
    collected, markers = _Collected(board, most_views), 0
    for frame in frames:
        found = collected.take(frame)
        if not found and collected.detected == 0 and collected.frames <= _LOOKED_AT:
            markers = max(markers, board.count_markers(grey_of(frame)))
        if not progress(collected.progress):
            break
    if collected.views is None or collected.detected == 0:
        raise CalibrationError(_nothing_found(board, collected.frames, markers))
    solution = solve(collected.views.kept, collected.size, model)
    return Calibration(solution, coverage_of(solution.views, collected.size), collected.progress)


class _Collected:
    """The views of a sequence, as they come."""

    def __init__(self, board: Board, most_views: int) -> None:
        self._board = board
        self._most_views = most_views
        self.views: Views | None = None
        self.size = (0, 0)
        self.frames = self.detected = 0

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(self.frames, self.detected, 0 if self.views is None else len(self.views.kept))

    def take(self, frame: RawFrame) -> bool:
        """Return whether the board was seen in a frame."""
        grey = grey_of(frame)
        size = (grey.shape[1], grey.shape[0])
        if self.views is None:
            self.size, self.views = size, Views(self._board, size, self._most_views)
        if size != self.size:
            raise CalibrationError(
                f"All images must have one size: {frame.name or f'frame {frame.index}'} has {size[0]}x{size[1]} pixels, the "
                f"first one {self.size[0]}x{self.size[1]}"
            )
        self.frames += 1
        detection = self._board.detect(grey)
        if detection is None:
            return False
        self.detected += 1
        self.views.offer(frame.name, grey, detection)
        return True


def grey_of(frame: RawFrame) -> NDArray[np.uint8]:
    """Return a frame as grey (H, W) with 8 bits, which is what the detectors take."""
    image = frame.image
    if image.dtype == np.uint16:
        image = np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257), dtype=np.uint8)
    return np.asarray(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _nothing_found(board: Board, frames: int, markers: int) -> str:
    if frames == 0:
        return "The source gave no images to calibrate from"
    seen = f"The board was found in none of {frames} images"
    if markers:
        return (
            f"{seen}, but up to {markers} of its markers were: check --squares (squares, not inner corners, columns first), "
            "--marker-size and --square-size, and try --legacy for boards made by OpenCV before 4.6"
        )
    if board.kind is BoardKind.CHARUCO:
        return f"{seen}, nor any marker of {board.dictionary}: check --dictionary and --board, focus and light"
    return (
        f"{seen}: check --squares (squares, not inner corners), that the whole board is in the image with a white rim, focus and "
        "light"
    )
