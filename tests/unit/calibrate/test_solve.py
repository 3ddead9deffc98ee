from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.calibrate import Board, BoardKind, calibrate_frames
from reloc.calibrate.board import Detection
from reloc.calibrate.coverage import Coverage, advice, count_cells, coverage_of
from reloc.calibrate.pictures import coverage_text, save_coverage
from reloc.calibrate.run import Progress, grey_of
from reloc.calibrate.solve import SolvedView, solve
from reloc.calibrate.views import View, Views
from reloc.errors import CalibrationError
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3, rotation_exp
from tests.tolerances import BOARD_FOCAL, BOARD_PRINCIPAL_PX, BOARD_REPROJECTION_PX
from tests.unit.calibrate.boards import photographs, poses

BOARD = Board(BoardKind.CHARUCO, 9, 7, 0.03)
CHESSBOARD = Board(BoardKind.CHESSBOARD, 8, 6, 0.03)
SIZE = (480, 360)
PINHOLE = (*SIZE, 400.0, 396.0, 243.0, 177.0)
ONE_FOCAL = (*SIZE, 400.0, 400.0, 243.0, 177.0)
LENSES = {
    LensModel.PINHOLE: LensCamera(LensModel.PINHOLE, *PINHOLE),
    LensModel.SIMPLE_RADIAL: LensCamera(LensModel.SIMPLE_RADIAL, *ONE_FOCAL, (-0.1,)),
    LensModel.RADIAL: LensCamera(LensModel.RADIAL, *ONE_FOCAL, (-0.12, 0.05)),
    LensModel.OPENCV: LensCamera(LensModel.OPENCV, *PINHOLE, (-0.12, 0.05, 0.001, -0.0008)),
    LensModel.FULL_OPENCV: LensCamera(LensModel.FULL_OPENCV, *PINHOLE, (0.2, 0.1, 0.001, -0.0008, 0.02, 0.3, 0.05, 0.01)),
    LensModel.OPENCV_FISHEYE: LensCamera(
        LensModel.OPENCV_FISHEYE, *SIZE, 230.0, 231.0, 242.0, 181.0, (0.02, -0.01, 0.003, -0.001)
    ),
}
REACH = {LensModel.OPENCV_FISHEYE: 0.8}


def _view(lens: LensCamera, pose: SE3, noise_px: float = 0.0, seed: int = 0, board: Board = BOARD) -> View:
    """What a perfect detector, or one with noise, sees of the board: the corners inside the image."""
    x, y = np.meshgrid(np.arange(1.0, board.columns), np.arange(1.0, board.rows))
    points = board.square_m * np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    pixels = lens.project(pose.apply(points))
    seen = ((pixels > 0) & (pixels < (lens.width - 1, lens.height - 1))).all(axis=1)
    noise = np.random.default_rng(seed).normal(0, noise_px, (int(seen.sum()), 2))
    return View(f"{seed}", Detection(points[seen], pixels[seen] + noise), 1.0, np.zeros(6))


def _views(lens: LensCamera, count: int = 20, noise_px: float = 0.0, tilt_rad: float = 0.6) -> list[View]:
    made = poses(BOARD, 2 * count, depth_m=(0.25, 0.5), reach=REACH.get(lens.model, 0.3), tilt_rad=tilt_rad)
    views = [_view(lens, pose, noise_px, seed) for seed, pose in enumerate(made)]
    return [view for view in views if len(view.detection.pixels) >= 15][:count]


@pytest.mark.parametrize("model", list(LensModel))
def test_every_lens_is_recovered_from_exact_corners(model: LensModel) -> None:
    lens = LENSES[model]
    solution = solve(_views(lens), SIZE, model)
    assert solution.error_px < BOARD_REPROJECTION_PX / 100
    assert not solution.dropped
    x, y = np.meshgrid(np.linspace(5, 475, 12), np.linspace(5, 355, 9))
    rays = lens.unproject(np.stack([x.ravel(), y.ravel()], axis=1))
    # The parameters of the rational model trade off against each other; what it does to rays is what counts.
    np.testing.assert_allclose(solution.camera.project(rays), lens.project(rays), atol=BOARD_PRINCIPAL_PX / 10)
    assert solution.camera.fx == pytest.approx(lens.fx, rel=BOARD_FOCAL / 10)


@pytest.mark.parametrize("model", [LensModel.OPENCV, LensModel.OPENCV_FISHEYE])
def test_the_stated_uncertainty_of_the_focal_length_is_that_of_repeated_calibrations(model: LensModel) -> None:
    lens, found, stated = LENSES[model], [], []
    exact = _views(lens, 10)
    for trial in range(16):
        rng = np.random.default_rng(trial)
        noisy = [
            replace(
                view,
                detection=replace(view.detection, pixels=view.detection.pixels + rng.normal(0, 0.2, view.detection.pixels.shape)),
            )
            for view in exact
        ]
        solution = solve(noisy, SIZE, model)
        found.append(solution.camera.fx / lens.fx - 1)
        stated.append(solution.focal_sigma)
    # The spread of 16 draws is itself known to 18 %; three times that.
    assert np.std(found) == pytest.approx(np.mean(stated), rel=0.54)


@pytest.mark.parametrize(
    ("board", "model", "depth_m", "reach"),
    [
        (BOARD, LensModel.OPENCV, (0.25, 0.45), 0.4),
        (CHESSBOARD, LensModel.OPENCV, (0.35, 0.6), 0.2),
        (BOARD, LensModel.OPENCV_FISHEYE, (0.15, 0.35), 0.7),
    ],
    ids=["charuco", "chessboard", "fisheye"],
)
def test_a_lens_is_recovered_from_photographs(board: Board, model: LensModel, depth_m: tuple[float, float], reach: float) -> None:
    lens, told = LENSES[model], list[Progress]()
    frames = photographs(lens, board, poses(board, 16, depth_m=depth_m, reach=reach))
    found = calibrate_frames(frames, board, model, progress=lambda progress: not told.append(progress))
    camera = found.solution.camera
    assert camera.fx == pytest.approx(lens.fx, rel=BOARD_FOCAL)
    assert camera.fy == pytest.approx(lens.fy, rel=BOARD_FOCAL)
    assert (camera.cx, camera.cy) == pytest.approx((lens.cx, lens.cy), abs=BOARD_PRINCIPAL_PX)
    assert found.solution.error_px < BOARD_REPROJECTION_PX
    assert [one.frames for one in told] == list(range(1, 17))
    assert found.progress == told[-1]
    assert found.progress.kept >= 12


@pytest.mark.parametrize("model", [LensModel.SIMPLE_RADIAL, LensModel.RADIAL])
def test_models_of_one_focal_length_have_one(model: LensModel) -> None:
    camera = solve(_views(LENSES[LensModel.OPENCV]), SIZE, model).camera
    assert camera.fx == camera.fy


def test_what_a_model_lacks_is_made_up_for_by_what_it_has() -> None:
    lens = replace(LENSES[LensModel.FULL_OPENCV], distortion=(-0.3, 0.12, 0.001, -0.0008, -0.2, 0.0, 0.0, 0.0))
    # Ten times the error if k3 were fitted along and then left out.
    assert solve(_views(lens), SIZE, LensModel.OPENCV).error_px < BOARD_REPROJECTION_PX / 3


def test_views_that_do_not_fit_are_left_out_and_named() -> None:
    lens = LENSES[LensModel.OPENCV]
    views = _views(lens, 20, noise_px=0.1)
    swapped = np.roll(views[3].detection.pixels, 3, axis=0)
    views[3] = replace(views[3], name="misread", detection=replace(views[3].detection, pixels=swapped))
    off = views[7].detection.pixels + np.random.default_rng(0).normal(0, 4, views[7].detection.pixels.shape)
    views[7] = replace(views[7], name="blurred", detection=replace(views[7].detection, pixels=off))
    solution = solve(views, SIZE, LensModel.OPENCV)
    assert {view.name for view in solution.dropped} == {"misread", "blurred"}
    assert solution.camera.fx == pytest.approx(lens.fx, rel=BOARD_FOCAL)
    assert len(solution.views) == 18
    assert max(one.error_px for one in solution.views) < 0.3
    # What OpenCV calls the reprojection error: over all corners, both coordinates together.
    squares = [one.error_px**2 * len(one.view.detection.pixels) for one in solution.views]
    assert solution.error_px == pytest.approx(
        np.sqrt(sum(squares) / sum(len(one.view.detection.pixels) for one in solution.views))
    )


def test_poses_of_the_board_are_recovered_with_its_tilt() -> None:
    lens = LENSES[LensModel.OPENCV]
    made = poses(BOARD, 30, depth_m=(0.35, 0.5), reach=0.15, tilt_rad=0.5)
    solution = solve([_view(lens, pose, seed=i) for i, pose in enumerate(made)], SIZE, LensModel.OPENCV)
    for one in solution.views:
        true = made[int(one.view.name)]
        np.testing.assert_allclose(one.camera_from_board.matrix, true.matrix, atol=1e-3)
    flat = SolvedView(solution.views[0].view, SE3(rotation_exp([0, 0, 1.0]), np.array([0, 0, 1.0])), 0.1)
    np.testing.assert_allclose(flat.tilt_rad, [0, 0], atol=1e-12)
    # Turned about the vertical axis by 20°, its normal leans sideways; about the horizontal one, up or down.
    for axis, lean in (([0, np.deg2rad(20), 0], 0), ([np.deg2rad(20), 0, 0], 1)):
        tilted = replace(flat, camera_from_board=SE3(rotation_exp(axis), np.array([0, 0, 1.0])))
        assert abs(tilted.tilt_rad[lean]) == pytest.approx(np.deg2rad(20))
        assert tilted.tilt_rad[1 - lean] == pytest.approx(0, abs=1e-12)


def test_too_few_views_and_views_that_show_nothing_are_refused() -> None:
    lens = LENSES[LensModel.OPENCV]
    with pytest.raises(CalibrationError, match=r"needs 6 different views.*found 5"):
        solve(_views(lens, 5), SIZE, LensModel.OPENCV)


def test_a_board_whose_squares_are_no_squares_never_passes_for_a_good_calibration() -> None:
    lens = LENSES[LensModel.OPENCV]
    views = [
        replace(view, detection=replace(view.detection, points_in_board=view.detection.points_in_board * (1.0, 1.15, 1.0)))
        for view in _views(lens, 20, noise_px=0.1)
    ]
    solution = solve(views, SIZE, LensModel.RADIAL)
    assert any("reprojection error" in sentence for sentence in advice(solution, coverage_of(solution.views, SIZE)))


def test_of_views_alike_the_sharper_is_kept_and_of_many_those_that_differ() -> None:
    lens, views = LENSES[LensModel.OPENCV], Views(BOARD, SIZE, 5)
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (360, 480), np.uint8)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    still = _view(lens, poses(BOARD, 1, depth_m=(0.4, 0.4), reach=0.0)[0]).detection
    assert views.offer("blurred", blurred, still)
    assert not views.offer("blurred again", blurred, still)
    assert views.offer("sharp", sharp, still)
    assert [view.name for view in views.kept] == ["sharp"]
    for i, pose in enumerate(poses(BOARD, 40, depth_m=(0.3, 0.6), reach=0.25)):
        views.offer(f"{i}", sharp, _view(lens, pose).detection)
        views.offer("still", blurred, still)
        assert len(views.kept) <= 5
    centers = np.array([view.detection.pixels.mean(axis=0) for view in views.kept])
    # Five views that were chosen to differ reach further than five at random would: over a third of the image each way.
    assert np.ptp(centers[:, 0]) > 160
    assert np.ptp(centers[:, 1]) > 100


def test_cells_are_counted_from_the_edge_of_the_first_pixel_to_that_of_the_last() -> None:
    cells = count_cells(np.array([[-0.5, -0.5], [29.4, 29.4], [29.6, 0.0], [479.4, 359.4], [500.0, -3.0]]), SIZE)
    assert cells.shape == (12, 16)
    assert cells[0, 0] == 2
    assert cells[0, 1] == 1
    assert cells[11, 15] == 1
    assert cells[0, 15] == 1
    assert cells.sum() == 5


def test_coverage_and_tilts_are_those_of_the_views() -> None:
    lens = LENSES[LensModel.OPENCV]
    views = _views(lens, 12)
    found = coverage_of(solve(views, SIZE, LensModel.OPENCV).views, SIZE)
    assert found.cells.sum() == sum(len(view.detection.pixels) for view in views)
    rim = np.ones((12, 16), bool)
    rim[1:-1, 1:-1] = False
    assert Coverage(rim.astype(np.int64), (3, 3)).border_share == 1.0
    assert Coverage((~rim).astype(np.int64), (3, 3)).border_share == 0.0
    assert Coverage((~rim).astype(np.int64), (3, 3)).share == 140 / 192


def test_advice_is_given_where_it_is_due_and_nowhere_else() -> None:
    lens = LENSES[LensModel.OPENCV]
    good = solve(_views(lens, 30, noise_px=0.1), SIZE, LensModel.OPENCV)
    full = np.ones((12, 16), np.int64)
    assert list(advice(good, Coverage(full, (5, 5)))) == []
    middle = np.pad(np.ones((10, 14), np.int64), 1)
    small = np.pad(np.ones((4, 6), np.int64), ((4, 4), (5, 5)))
    cases = [
        (good, Coverage(middle, (5, 5)), "rim"),
        (good, Coverage(small, (5, 5)), "12% of the image"),
        (good, Coverage(full, (2, 5)), "2 views were tilted left and right"),
        (good, Coverage(full, (5, 0)), "0 views were tilted up and down"),
        (replace(good, focal_sigma=0.004), Coverage(full, (5, 5)), "known to 0.40% only"),
        (replace(good, focal_sigma=float("nan")), Coverage(full, (5, 5)), "focal length"),
        (replace(good, views=[replace(one, error_px=0.8) for one in good.views]), Coverage(full, (5, 5)), "0.80 pixels is high"),
        (replace(good, dropped=[good.views[0].view] * 8), Coverage(full, (5, 5)), "8 of 38 views"),
    ]
    for solution, coverage, words in cases:
        (sentence,) = advice(solution, coverage)
        assert words in sentence


def test_a_calibration_without_tilt_is_warned_of() -> None:
    lens = LENSES[LensModel.OPENCV]
    solution = solve(_views(lens, 20, noise_px=0.2, tilt_rad=0.02), SIZE, LensModel.OPENCV)
    sentences = " ".join(advice(solution, coverage_of(solution.views, SIZE)))
    assert "tilted left and right" in sentences
    assert "tilted up and down" in sentences


def test_coverage_is_shown_as_text_and_as_a_picture(tmp_path: Path) -> None:
    cells = np.zeros((12, 16), np.int64)
    cells[0, 0], cells[5, 3], cells[11, 15] = 1, 5, 100
    lines = coverage_text(cells).splitlines()
    assert (len(lines), {len(line) for line in lines}) == (14, {34})
    assert lines[1].startswith("│░░  ")
    assert lines[12].endswith("  ██│")
    assert lines[6][7:9] == "▓▓"
    solution = solve(_views(LENSES[LensModel.OPENCV], 8), SIZE, LensModel.OPENCV)
    save_coverage(tmp_path / "a.png", solution, coverage_of(solution.views, SIZE).cells)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture.shape == (720, 960, 3)
    x, y = ((solution.views[0].view.detection.pixels[0] + 0.5) * 2).round().astype(int)
    assert picture[y, x, 1] > picture[y, x, 2]


def test_frames_of_any_kind_are_looked_at_in_grey() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (30, 40), np.uint8)
    for image in (grey, np.repeat(grey[..., None], 3, axis=2), grey.astype(np.uint16) * 257):
        np.testing.assert_allclose(grey_of(RawFrame(0, 0, image)).astype(int), grey, atol=1)


def test_what_went_wrong_is_explained() -> None:
    lens = LENSES[LensModel.OPENCV]
    shown = list(photographs(lens, BOARD, poses(BOARD, 2, depth_m=(0.35, 0.4), reach=0.1)))
    with pytest.raises(CalibrationError, match=r"none of 2 images, but up to \d+ of its markers were: check --squares"):
        calibrate_frames(shown, Board(BoardKind.CHARUCO, 5, 9, 0.03))
    with pytest.raises(CalibrationError, match="nor any marker of DICT_6X6_50: check --dictionary"):
        calibrate_frames(shown, replace(BOARD, dictionary="DICT_6X6_50"))
    with pytest.raises(CalibrationError, match="white rim"):
        calibrate_frames(shown, CHESSBOARD)
    with pytest.raises(CalibrationError, match="gave no images"):
        calibrate_frames([], BOARD)
    with pytest.raises(CalibrationError, match="one size: small has 100x80 pixels, the first one 480x360"):
        calibrate_frames([shown[0], RawFrame(1, 1, np.zeros((80, 100), np.uint8), "small")], BOARD)
    with pytest.raises(CalibrationError, match=r"needs 6 different views.*found 2"):
        calibrate_frames(shown, BOARD)
