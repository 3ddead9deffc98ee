"""How well the views of a calibration cover the image and the tilts, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.solve import Solution, SolvedView

Array = NDArray[np.float64]

COLUMNS, ROWS = 16, 12
# Below these a person is told to take more views. A focal length that is 0.5 % off puts the camera 0.5 % of the depth off.
_GOOD_SHARE = 0.6
_GOOD_BORDER_SHARE = 0.3
_TILTED_RAD = np.deg2rad(15.0)
_FEWEST_TILTED = 3
_GOOD_FOCAL_SIGMA = 0.002
_GOOD_ERROR_PX = 0.5
_MOST_DROPPED_SHARE = 0.15


@dataclass(frozen=True, eq=False)
class Coverage:
    """What part of the image has shown corners, and how the board was tilted."""

    cells: NDArray[np.int64]
    """(ROWS, COLUMNS) how many corners lay in each cell of the image."""
    tilted: tuple[int, int]
    """How many views were tilted by 15° or more about the vertical, and about the horizontal axis."""

    @property
    def share(self) -> float:
        """Share 0..1 of the cells in which there were corners."""
        return float((self.cells > 0).mean())

    @property
    def border_share(self) -> float:
        """The same of the outermost cells, where a lens bends the most."""
        inner = np.zeros(self.cells.shape, dtype=bool)
        inner[1:-1, 1:-1] = True
        return float((self.cells[~inner] > 0).mean())


def coverage_of(views: Sequence[SolvedView], size: tuple[int, int]) -> Coverage:
    """Return the coverage of images of `size` (width, height) by the corners of the views."""
    pixels = np.concatenate([one.view.detection.pixels for one in views])
    tilts = np.abs([one.tilt_rad for one in views]) >= _TILTED_RAD
    about_vertical, about_horizontal = (int(count) for count in tilts.sum(axis=0))
    return Coverage(count_cells(pixels, size), (about_vertical, about_horizontal))


def count_cells(pixels: Array, size: tuple[int, int]) -> NDArray[np.int64]:
    """Return (ROWS, COLUMNS) how many of the pixels (N, 2) lie in each cell of the image; its first pixel begins at −0.5."""
    share = (pixels + 0.5) / size
    column, row = np.clip((share * (COLUMNS, ROWS)).astype(np.int64), 0, (COLUMNS - 1, ROWS - 1)).T
    return np.bincount(row * COLUMNS + column, minlength=ROWS * COLUMNS).reshape(ROWS, COLUMNS)


def advice(solution: Solution, coverage: Coverage) -> Iterator[str]:
    """Yield what makes the calibration doubtful and what would mend it, in sentences; nothing if all is well."""
    if coverage.share < _GOOD_SHARE:
        yield f"Corners were seen in only {coverage.share:.0%} of the image: show the board in the empty parts as well."
    elif coverage.border_share < _GOOD_BORDER_SHARE:
        yield f"Only {coverage.border_share:.0%} of the image's rim showed corners: bring the board to the edges and corners."
    for count, way in zip(coverage.tilted, ("left and right", "up and down"), strict=True):
        if count < _FEWEST_TILTED:
            yield f"Only {count} views were tilted {way} by 15° or more: only tilt tells focal length from distance."
    if not solution.focal_sigma <= _GOOD_FOCAL_SIGMA:
        yield f"The focal length is known to {solution.focal_sigma:.2%} only: take more views, tilted and near."
    if solution.error_px > _GOOD_ERROR_PX:
        yield (
            f"The reprojection error of {solution.error_px:.2f} pixels is high: is the board flat, --model right, and the image "
            "free of motion blur and rolling shutter?"
        )
    given = len(solution.views) + len(solution.dropped)
    if len(solution.dropped) > _MOST_DROPPED_SHARE * given:
        yield f"{len(solution.dropped)} of {given} views did not fit the others: hold the board still, and check that it is flat."
