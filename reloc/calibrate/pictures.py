"""Coverage as a picture, and as characters for a terminal."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.coverage import COLUMNS, ROWS
from reloc.calibrate.solve import Solution
from reloc.files import write_atomically

_SHADES = " ░▒▓█"
_FULL = 8  # corners in a cell that count as plenty
_WIDTH_PX = 960
_WORST_PX = 1.0
_EMPTY = (225, 225, 255)  # BGR, as cv2 draws


def coverage_text(cells: NDArray[np.int64]) -> str:
    """Return a map of the image in characters, darker where more corners were seen."""
    steps = np.clip(np.ceil(cells / _FULL * (len(_SHADES) - 1)), 0, len(_SHADES) - 1).astype(int)
    rows = ("".join(2 * _SHADES[step] for step in row) for row in steps)
    rim = "─" * (2 * cells.shape[1])
    return "\n".join([f"┌{rim}┐", *(f"│{row}│" for row in rows), f"└{rim}┘"])


def save_coverage(path: Path, solution: Solution, cells: NDArray[np.int64]) -> None:
    """Write a picture of the image plane: cells without corners in red, each corner by how well its view fits.

    Green corners are of views that fit well, those towards red of views that are a pixel off. Raises `OutputError` where it
    cannot be written.
    """
    camera = solution.camera
    scale = _WIDTH_PX / camera.width
    width, height = _WIDTH_PX, max(round(camera.height * scale), 1)
    empty = cv2.resize((cells == 0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    picture[empty > 0] = _EMPTY
    for x in np.linspace(0, width - 1, COLUMNS + 1):
        cv2.line(picture, (round(x), 0), (round(x), height), (220, 220, 220))
    for y in np.linspace(0, height - 1, ROWS + 1):
        cv2.line(picture, (0, round(y)), (width, round(y)), (220, 220, 220))
    for one in solution.views:
        badness = min(one.error_px / _WORST_PX, 1.0)
        color = (0, round(160 * (1 - badness)), round(220 * badness))
        for x, y in (one.view.detection.pixels + 0.5) * scale:
            cv2.circle(picture, (round(x), round(y)), 3, color, -1, cv2.LINE_AA)
    good, data = cv2.imencode(".png", picture)
    assert good, "a picture of 8 bits can always be encoded"
    write_atomically(path, data.tobytes())
