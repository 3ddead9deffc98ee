"""Calibrating a camera from images of a board."""

from reloc.calibrate.board import Board, BoardKind
from reloc.calibrate.run import Calibration, calibrate_frames
from reloc.calibrate.solve import Solution

__all__ = ["Board", "BoardKind", "Calibration", "Solution", "calibrate_frames"]
