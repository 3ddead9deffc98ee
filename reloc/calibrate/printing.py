"""A board to print: an image or a PDF in which a millimetre is a millimetre."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.calibrate.board import Board, BoardKind
from reloc.errors import CalibrationError
from reloc.files import write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

_MM_PER_INCH = 25.4
_DPI = 300
_MARGIN_MM = 10.0  # a quiet rim, without which the outer markers are not found
_TEXT_MM = 3.0
_FEWEST_SQUARE_PX = 16
_MOST_PIXELS = 200_000_000
_FORMATS = {".png": "PNG", ".pdf": "PDF"}


def save_board(board: Board, path: Path) -> tuple[float, float]:
    """Write the board as PNG or PDF, as the suffix says, and return the width and height of the page in millimetres.

    Raises `CalibrationError` for another suffix or a board too large to draw, `OutputError` where it cannot be written.
    """
    from io import BytesIO

    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise CalibrationError("A board is written as .png or .pdf", path)
    page, dpi = draw_page(board)
    data = BytesIO()
    if form == "PNG":
        page.save(data, form, dpi=(dpi, dpi))
    else:
        page.save(data, form, resolution=dpi)
    write_atomically(path, data.getvalue())
    return page.width / dpi * _MM_PER_INCH, page.height / dpi * _MM_PER_INCH


def draw_page(board: Board) -> tuple[Image, float]:
    """Return the page as a black and white picture, and its pixels per inch: a square gets a whole number of pixels."""
    from PIL import Image, ImageDraw

    square_px = max(round(board.square_m * 1000 / _MM_PER_INCH * _DPI), _FEWEST_SQUARE_PX)
    dpi = square_px / (board.square_m * 1000) * _MM_PER_INCH
    margin_px, text_px = (round(mm / _MM_PER_INCH * dpi) for mm in (_MARGIN_MM, _TEXT_MM))
    width, height = board.columns * square_px + 2 * margin_px, board.rows * square_px + 2 * margin_px
    if width * height > _MOST_PIXELS:
        raise CalibrationError(f"A board of {board.columns}x{board.rows} squares of {board.square_m:g} m is too large to draw")
    lines = _caption(board)
    page = Image.new("1", (width, height + 2 * text_px * len(lines)), 1)
    page.paste(
        Image.fromarray(pattern(board, square_px)).point(lambda grey: 255 * (grey >= 128), mode="1"), (margin_px, margin_px)
    )
    draw = ImageDraw.Draw(page)
    for i, line in enumerate(lines):
        draw.text((margin_px, height + 2 * text_px * i), line, fill=0, font=_fitting_font(line, text_px, width - 2 * margin_px))
    return page, dpi


def _fitting_font(line: str, size_px: int, width_px: int) -> FreeTypeFont | ImageFont:
    """Return the font in which a line is as high as wanted, or less so that it fits."""
    from PIL import ImageFont

    length_px = ImageFont.load_default(size=size_px).getlength(line)
    return ImageFont.load_default(size=max(size_px * min(1.0, width_px / length_px), 4))


def pattern(board: Board, square_px: int) -> NDArray[np.uint8]:
    """Return the board alone as grey pixels, each square `square_px` wide."""
    if board.kind is BoardKind.CHARUCO:
        size = (board.columns * square_px, board.rows * square_px)
        return np.asarray(board.charuco.generateImage(size, marginSize=0, borderBits=1), dtype=np.uint8)
    dark = np.indices((board.rows, board.columns)).sum(axis=0) % 2 == 0
    return np.asarray(
        cv2.resize(np.where(dark, 0, 255).astype(np.uint8), None, fx=square_px, fy=square_px, interpolation=cv2.INTER_NEAREST)
    )


def _caption(board: Board) -> list[str]:
    """Return what a person needs to know who has the sheet in hand."""
    square_mm, width_mm = board.square_m * 1000, board.columns * board.square_m * 1000
    options = f"--board {board.kind} --squares {board.columns}x{board.rows} --square-size {board.square_m:g}"
    if board.kind is BoardKind.CHARUCO:
        options += f" --marker-size {board.marker_side_m:g} --dictionary {board.dictionary}{' --legacy' * board.legacy}"
    return [
        f"Print at 100 %, glue it to something flat and measure: a square is {square_mm:g} mm, the board {width_mm:g} mm wide.",
        f"reloc calibrate SOURCE {options} --out camera.yaml",
    ]
