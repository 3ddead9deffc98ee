from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reloc.calibrate.board import DICTIONARIES, Board, BoardKind
from reloc.calibrate.printing import draw_page, pattern, save_board
from reloc.errors import CalibrationError
from reloc.geometry.lens import LensCamera, LensModel
from tests.tolerances import BOARD_CORNER_PX, BOARD_PRINT_PX
from tests.unit.calibrate.boards import Photographer, poses

CHARUCO = Board(BoardKind.CHARUCO, 7, 5, 0.03)
CHESSBOARD = Board(BoardKind.CHESSBOARD, 7, 6, 0.03)
LENS = LensCamera(LensModel.OPENCV, 480, 360, 400.0, 396.0, 243.0, 177.0, (-0.12, 0.05, 0.001, -0.0008))


def _on_white(board: Board, square_px: int) -> np.ndarray:
    return cv2.copyMakeBorder(pattern(board, square_px), *(square_px,) * 4, cv2.BORDER_CONSTANT, value=255)


@pytest.mark.parametrize(
    "board", [CHARUCO, CHESSBOARD, Board(BoardKind.CHARUCO, 7, 6, 0.03, legacy=True)], ids=["charuco", "chess", "old"]
)
def test_a_board_as_drawn_has_its_corners_where_the_squares_meet(board: Board) -> None:
    found = board.detect(_on_white(board, 60))
    assert found is not None
    assert len(found.pixels) == board.corners
    # Square k of 60 pixels, behind a rim of one square, begins at the edge between pixels 60 + 60 k − 1 and 60 + 60 k.
    expected = found.points_in_board[:, :2] / board.square_m * 60 + 60 - 0.5
    flipped = np.array([board.columns, board.rows]) * 60 + 120 - 1 - expected  # a chessboard looks the same upside down
    worst = min(np.abs(found.pixels - drawn).max() for drawn in (expected, flipped))
    assert worst < BOARD_PRINT_PX
    assert not found.points_in_board[:, 2].any()


@pytest.mark.parametrize("board", [CHARUCO, CHESSBOARD], ids=["charuco", "chess"])
def test_corners_in_a_photograph_are_where_the_lens_shows_them(board: Board) -> None:
    photographer, errors = Photographer(LENS, board), []
    for pose in poses(board, 4, depth_m=(0.3, 0.45), reach=0.15, tilt_rad=0.4):
        found = board.detect(photographer.take(pose))
        assert found is not None
        # Upside down counts as the same: a turn by 180° about the middle, and back.
        middle = np.array([board.columns, board.rows, 0.0]) * board.square_m
        seen = [LENS.project(pose.apply(points)) for points in (found.points_in_board, middle - found.points_in_board)]
        errors.append(min((found.pixels - true for true in seen), key=lambda off: float(np.abs(off).mean())))
    off = np.concatenate(errors)
    assert np.sqrt((off**2).sum(axis=1).mean()) < BOARD_CORNER_PX
    assert np.abs(off.mean(axis=0)).max() < BOARD_CORNER_PX / 4


def test_a_charuco_board_may_be_half_hidden_and_a_chessboard_may_not() -> None:
    picture = _on_white(CHARUCO, 60)
    whole = CHARUCO.detect(picture)
    picture[:, 280:] = 128
    half = CHARUCO.detect(picture)
    assert whole is not None
    assert half is not None
    assert 8 <= len(half.pixels) < len(whole.pixels)
    for point, pixel in zip(half.points_in_board, half.pixels, strict=True):
        same = np.flatnonzero((whole.points_in_board == point).all(axis=1))
        assert np.linalg.norm(whole.pixels[same[0]] - pixel) < 0.5
    chess = _on_white(CHESSBOARD, 60)
    chess[:, 280:] = 128
    assert CHESSBOARD.detect(chess) is None


def test_a_board_of_old_is_another_one() -> None:
    old, new = (Board(BoardKind.CHARUCO, 7, 6, 0.03, legacy=legacy) for legacy in (True, False))
    assert new.detect(_on_white(old, 60)) is None
    assert old.detect(_on_white(new, 60)) is None


def test_corners_on_one_line_are_no_view() -> None:
    board = Board(BoardKind.CHARUCO, 16, 3, 0.03)
    picture = _on_white(board, 60)
    assert board.detect(picture) is not None
    picture[60 + 60 + 50 :] = 128  # leaves the upper of two rows of corners
    pixels, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco).detectBoard(picture)
    assert set(ids.ravel()) <= set(range(15))
    assert len(pixels) >= 8
    assert board.detect(picture) is None
    assert CHARUCO.detect(np.full((100, 100), 255, np.uint8)) is None
    assert CHESSBOARD.detect(np.full((100, 100), 255, np.uint8)) is None


def test_markers_are_counted_even_if_they_make_up_another_board() -> None:
    picture = _on_white(CHARUCO, 60)
    assert Board(BoardKind.CHARUCO, 9, 9, 0.03).count_markers(picture) == 17
    assert Board(BoardKind.CHARUCO, 7, 5, 0.03, dictionary="DICT_6X6_50").count_markers(picture) == 0
    assert CHESSBOARD.count_markers(picture) == 0


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize("square_m", [0.03, 0.0123])
def test_a_printed_millimetre_is_a_millimetre(tmp_path: Path, suffix: str, square_m: float) -> None:
    board = Board(BoardKind.CHARUCO, 7, 5, square_m)
    path = tmp_path / f"board{suffix}"
    width_mm, height_mm = save_board(board, path)
    page, dpi = draw_page(board)
    found = board.detect(np.asarray(page.convert("L")))
    assert found is not None
    assert len(found.pixels) == board.corners
    step_px = np.ptp(found.pixels[:, 0]) / 5
    assert step_px / dpi * 25.4 == pytest.approx(square_m * 1000, rel=1e-3)
    assert width_mm == pytest.approx(7 * square_m * 1000 + 20, abs=0.2)
    assert height_mm > 5 * square_m * 1000 + 20
    said = {".png": _png_size_mm, ".pdf": _pdf_size_mm}[suffix](path)
    assert said == pytest.approx((width_mm, height_mm), rel=1e-3)


def _png_size_mm(path: Path) -> tuple[float, ...]:
    with Image.open(path) as image:
        return tuple(size / dpi * 25.4 for size, dpi in zip(image.size, image.info["dpi"], strict=True))


def _pdf_size_mm(path: Path) -> tuple[float, ...]:
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", path.read_bytes())
    assert box is not None
    return tuple(float(points) / 72 * 25.4 for points in box.groups())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": 2}, "3 to 100 squares"),
        ({"rows": 101}, "3 to 100 squares"),
        ({"square_m": float("nan")}, "positive number of metres"),
        ({"marker_m": 0.03}, "smaller than its square"),
        ({"marker_m": -0.01}, "larger than nothing"),
        ({"dictionary": "DICT_4x4"}, "DICT_4X4_50"),
        ({"columns": 12, "rows": 12}, "needs 72 markers.*holds 50.*DICT_5X5_250"),
    ],
)
def test_boards_that_cannot_be_made_are_refused(change: dict[str, object], message: str) -> None:
    given = {"columns": 7, "rows": 5, "square_m": 0.03, **change}
    with pytest.raises(CalibrationError, match=message):
        Board(BoardKind.CHARUCO, **given)  # type: ignore[arg-type]


def test_drawings_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"\.png or \.pdf"):
        save_board(CHARUCO, tmp_path / "board.svg")
    with pytest.raises(CalibrationError, match="too large"):
        save_board(Board(BoardKind.CHARUCO, 7, 5, 1.0), tmp_path / "board.png")


def test_every_dictionary_is_there_once() -> None:
    assert len({name.upper() for name in DICTIONARIES}) == len(DICTIONARIES) >= 20
