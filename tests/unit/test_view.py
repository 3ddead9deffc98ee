"""What is measured of a view, on photographs of the painted corner whose occluder, blur and light are known."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Kind, build_layers
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.render.software import SoftwareRenderer
from reloc.undistort import Undistorter
from reloc.view import View, _add_up, _correlation, _regions, _sharpness, _Sums, measure_view, surprise_share
from tests.scenes import painted_corner, photograph_of_the_corner, view_of_the_corner
from tests.tolerances import FLOAT32_RATIO

LENS = LensCamera(LensModel.PINHOLE, 160, 120, 130.0, 131.0, 79.1, 60.3, ())
ALIGN = AlignConfig()
POSE = view_of_the_corner()


@cache
def _keyframe() -> Keyframe:
    return make_keyframe(SoftwareRenderer(painted_corner()), LENS.pinhole, POSE, ALIGN, KeyframeConfig())


@cache
def _photograph() -> np.ndarray:
    return np.asarray(photograph_of_the_corner(LENS.pinhole, POSE)[0])


def _seen(picture: np.ndarray, pose: SE3 = POSE) -> View:
    raw = RawFrame(0, 0, np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8))
    frame = Undistorter(LENS, working_width=160, color=False)(raw)
    layers = build_layers(frame.image, frame.valid, frame.camera, ALIGN)
    return measure_view(frame, layers, _keyframe(), pose, inlier_share=0.5, black=0.03)


def test_at_its_pose_a_photograph_is_sharp_lit_and_agrees_everywhere() -> None:
    found = _seen(_photograph())
    assert found.sharpness == pytest.approx(1.0, abs=0.06)
    assert (found.unlit_share, found.occluded_share) == (0, 0)
    assert found.best_regions > 0.95
    assert found.correlation > 0.95
    assert found.points == pytest.approx(0.5 * len(_keyframe().references[0][Kind.LOCAL]), rel=0.02)


def test_what_hides_a_part_is_measured_and_the_rest_still_agrees() -> None:
    hidden = _photograph().copy()
    # Two of five columns of regions: two fifths of the image.
    hidden[:, :64] = np.random.default_rng(0).random((120, 64, 3))
    found = _seen(hidden)
    assert found.occluded_share == pytest.approx(0.4, abs=0.06)
    assert found.best_regions > 0.9


def test_at_a_wrong_pose_the_map_is_nowhere() -> None:
    found = _seen(np.ascontiguousarray(_photograph()[::-1, ::-1]))
    assert found.occluded_share > 0.7
    assert found.best_regions < 0.5


@pytest.mark.parametrize("kernel", [(13, 1), (1, 13)])
def test_a_camera_that_moved_during_the_exposure_is_blurred_in_one_direction(kernel: tuple[int, int]) -> None:
    # A box as long as the shortest waves leaves next to nothing of them, and of the longer ones a part.
    assert _seen(cv2.blur(_photograph(), kernel)).sharpness < 0.7
    assert _seen(_photograph() * 0.4).sharpness == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("gain", "bias"), [(0.04, 0.0), (0.0, 1.0)])
def test_black_and_burnt_out_images_are_not_lit_and_show_nothing_else(gain: float, bias: float) -> None:
    found = _seen(gain * _photograph() + bias)
    assert found.unlit_share > 0.95
    assert found.occluded_share < 0.05


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_the_sensor_cuts_off_does_not_count_against_the_rest(value: float) -> None:
    # Two of five columns of regions: a window into the sun, a hand on the lens.
    cut = _photograph().copy()
    cut[:, :64] = value
    found = _seen(cut)
    assert found.unlit_share == pytest.approx(0.4, abs=0.06)
    # Of the points beside the edge the windows of the normalisation reach across it.
    assert found.correlation > 0.8
    assert found.best_regions > 0.95
    assert found.occluded_share < 0.05
    assert _seen(np.full((120, 160, 3), value)).correlation == 0


def test_half_an_image_in_the_dark_is_half_unlit() -> None:
    dark = _photograph().copy()
    dark[60:] = 0
    assert _seen(dark).unlit_share == pytest.approx(0.5, abs=0.08)


def test_a_view_of_nothing_has_no_point() -> None:
    found = _seen(_photograph(), SE3.exp([0, 0, 0, 0, np.pi, 0]) @ POSE)
    assert (found.points, found.unlit_share, found.best_regions) == (0, 1, 0)
    assert np.isnan([found.sharpness, found.occluded_share]).all()


def test_a_surprise_is_counted_in_widths_of_the_image() -> None:
    keyframe = _keyframe()
    # Sideways by a tenth of the depth, and turned by 0.1: each moves the image by a tenth of the focal length.
    shifted, turned = SE3.exp([0.1 * keyframe.depth, 0, 0, 0, 0, 0]), SE3.exp([0, 0, 0, 0, 0.1, 0])
    for motion in (shifted, turned):
        assert surprise_share(POSE, motion @ POSE, keyframe) == pytest.approx(13.0 / 160)
    assert surprise_share(POSE, POSE, keyframe) == pytest.approx(0)


# The sums that are made in one compiled pass, against array arithmetic


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sums_are_what_arrays_say(channels: int) -> None:
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.random((60, 80, channels), dtype=np.float32), (5, 5), 1.0).reshape(60, 80, channels)
    pixel = np.stack([rng.uniform(2, 77, 900), rng.uniform(2, 57, 900)], axis=1)
    column, row = np.rint(pixel).astype(int).T
    value = 2 * image[row, column] + 0.1 * rng.standard_normal((900, channels)) + 0.3
    value[column >= 40] = rng.random((np.count_nonzero(column >= 40), channels))
    gradient = rng.standard_normal((900, channels, 2))
    residual = image[row, column] - value
    residual[::7, 0] = np.nan
    luminance = np.where(np.arange(80) < 48, np.float32(0.01), image.mean(axis=2))
    luminance[20:26] = 1.0

    sums = _Sums.zero(channels)
    arrays = image, luminance, value, gradient, residual, pixel
    count, lit = _add_up(*arrays, 0.03, (4, 5), (0.001, 0.99), sums.spread, sums.slope, sums.region)

    seen = ~np.isnan(residual).any(axis=1)
    shown = seen & (luminance[row, column] > 0.03) & (luminance[row, column] < 0.97)
    assert (count, lit) == (seen.sum(), shown.sum())
    along_v, along_u = (np.gradient(image, axis=axis)[row, column][seen] for axis in (0, 1))
    contrast = np.sqrt(value[seen].var(axis=0).mean() / image[row, column][seen].var(axis=0).mean())
    shares = [contrast * _rms(found) / _rms(gradient[seen, :, axis]) for axis, found in enumerate((along_u, along_v))]
    assert _sharpness(sums) == pytest.approx(min(shares), rel=FLOAT32_RATIO)

    region = row * 4 // 60 * 5 + column * 5 // 80
    wanted, found = value.mean(axis=1), image[row, column].mean(axis=1)
    whole = seen & (luminance[row, column] < 0.99)
    correlation = [np.corrcoef(wanted[whole & (region == k)], found[whole & (region == k)])[0, 1] for k in range(20)]
    hidden = np.isin(region, np.flatnonzero(np.array(correlation) < 0.25))
    assert _correlation(sums) == pytest.approx(np.corrcoef(wanted[whole], found[whole])[0, 1], rel=FLOAT32_RATIO)
    assert _regions(sums, count) == pytest.approx(
        ((hidden & shown).sum() / seen.sum(), np.mean(sorted(correlation)[-5:])), rel=FLOAT32_RATIO
    )
    assert (hidden & shown).any()


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))
