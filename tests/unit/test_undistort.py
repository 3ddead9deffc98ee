from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.errors import CalibrationError, ConfigError, SourceError
from reloc.frame import Frame, RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.undistort import Undistorter
from tests.tolerances import BLOB_CENTRE_PX, GREY_LEVEL, REDUCED_FIRST_MEAN, REDUCED_FIRST_SHIFT_PX, REDUCED_FIRST_SMOOTH

BARREL = LensCamera(LensModel.OPENCV, 640, 480, 420.0, 431.0, 311.3, 247.9, (-0.21, 0.05, 0.002, -0.0013))
PINCUSHION = LensCamera(LensModel.RADIAL, 640, 480, 420.0, 431.0, 311.3, 247.9, (0.15, 0.02))
RATIONAL = LensCamera(
    LensModel.FULL_OPENCV, 640, 480, 420.0, 431.0, 311.3, 247.9, (0.31, -0.12, 0.001, -0.0007, 0.02, 0.45, -0.09, 0.03)
)
FISHEYE = LensCamera(LensModel.OPENCV_FISHEYE, 640, 480, 420.0, 431.0, 311.3, 247.9, (0.021, -0.011, 0.004, -0.0009))
PINHOLE = LensCamera(LensModel.PINHOLE, 640, 480, 420.0, 431.0, 311.3, 247.9)
POLYNOMIAL = [BARREL, PINCUSHION, RATIONAL, PINHOLE]
BENT = [BARREL, PINCUSHION, RATIONAL, FISHEYE]


def name(lens: LensCamera) -> str:
    return lens.model.value


def raw_of(image: np.ndarray, ignore: np.ndarray | None = None, index: int = 0) -> RawFrame:
    return RawFrame(index, 40_000_000 * index, image, "image.png", ignore)


def smooth_image(width: int = 640, height: int = 480) -> np.ndarray:
    """An RGB image whose grey changes by at most 3 levels a pixel at 640 pixels, so that interpolation hardly matters."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red = 127 + 60 * np.sin(9 * x + 4 * y) + 60 * np.cos(8 * y - 3 * x)
    return np.stack([red, 255 - red, 60 + 100 * x], axis=-1).round().astype(np.uint8)


def blobs_seen_through(lens: LensCamera, centres_px: np.ndarray) -> np.ndarray:
    """The picture through the lens of Gaussian blobs around `centres_px` of the undistorted image (16 bits)."""
    u, v = np.meshgrid(np.arange(lens.width, dtype=float), np.arange(lens.height, dtype=float))
    ideal = lens.pinhole.project(lens.unproject(np.stack([u, v], axis=-1)))
    distance = np.linalg.norm(ideal[:, :, None] - centres_px, axis=-1)
    light = np.nan_to_num(np.exp(-0.5 * (distance / 5.0) ** 2)).sum(axis=-1)
    return (light * 60_000).round().astype(np.uint16)


def centroid(frame: Frame, near: np.ndarray, reach: int = 14) -> np.ndarray:
    u, v = np.round(near).astype(int)
    window = np.s_[v - reach : v + reach + 1, u - reach : u + reach + 1]
    weight = frame.image[window].astype(float)
    vs, us = np.mgrid[window]
    return np.array([(us * weight).sum(), (vs * weight).sum()]) / weight.sum()


# The image


@pytest.mark.parametrize("lens", POLYNOMIAL, ids=name)
def test_full_size_image_is_that_of_opencv(lens: LensCamera) -> None:
    grey = cv2.cvtColor(smooth_image(), cv2.COLOR_RGB2GRAY)
    expected = cv2.undistort(grey, lens.pinhole.matrix, lens.opencv_distortion)
    frame = Undistorter(lens, working_width=640)(raw_of(grey))
    np.testing.assert_allclose(frame.image[frame.valid], expected[frame.valid] / 255, rtol=0, atol=GREY_LEVEL)
    assert frame.camera == lens.pinhole


def test_full_size_fisheye_image_is_that_of_opencv() -> None:
    grey = cv2.cvtColor(smooth_image(), cv2.COLOR_RGB2GRAY)
    K = FISHEYE.pinhole.matrix
    expected = cv2.fisheye.undistortImage(grey, K, FISHEYE.opencv_distortion, Knew=K)
    frame = Undistorter(FISHEYE, working_width=640)(raw_of(grey))
    np.testing.assert_allclose(frame.image[frame.valid], expected[frame.valid] / 255, rtol=0, atol=GREY_LEVEL)


@pytest.mark.parametrize("lens", [*BENT, PINHOLE], ids=name)
@pytest.mark.parametrize("size", [(480, 360, 240), (480, 360, 120), (472, 354, 160), (480, 360, 480)])
def test_points_are_where_the_working_camera_projects_them(lens: LensCamera, size: tuple[int, int, int]) -> None:
    width, height, working_width = size
    scaled = lens.scaled_to(width, height)
    centres_px = np.array([[0.25, 0.3], [0.5, 0.5], [0.7, 0.35], [0.3, 0.7], [0.72, 0.7]]) * (width, height)
    frame = Undistorter(scaled, working_width=working_width)(raw_of(blobs_seen_through(scaled, centres_px)))
    expected = frame.camera.project(scaled.pinhole.unproject(centres_px))
    found = np.array([centroid(frame, centre, reach=round(0.055 * working_width)) for centre in expected])
    np.testing.assert_allclose(found, expected, rtol=0, atol=BLOB_CENTRE_PX)


@pytest.mark.parametrize("lens", BENT, ids=name)
def test_reducing_first_gives_the_image_of_undistorting_first(lens: LensCamera) -> None:
    grey = cv2.cvtColor(smooth_image(), cv2.COLOR_RGB2GRAY)
    full = Undistorter(lens, working_width=640)(raw_of(grey))
    frame = Undistorter(lens, working_width=320)(raw_of(grey))
    expected = cv2.resize(full.image, (320, 240), interpolation=cv2.INTER_AREA)
    sure = cv2.erode(frame.valid.astype(np.uint8), np.ones((3, 3)), borderValue=0) > 0
    np.testing.assert_allclose(frame.image[sure], expected[sure], rtol=0, atol=REDUCED_FIRST_SMOOTH)


def test_reducing_first_is_good_enough_on_a_real_image(kitchen: Path) -> None:
    lens = load_calibration(kitchen / "query" / "camera.yaml")
    grey = cv2.imread(str(kitchen / "query" / "images" / "000000.jpg"), cv2.IMREAD_GRAYSCALE)
    full = Undistorter(lens, working_width=640)(raw_of(grey))
    frame = Undistorter(lens, working_width=320)(raw_of(grey))
    expected = cv2.resize(full.image, (320, 240), interpolation=cv2.INTER_AREA)
    difference = frame.image - expected
    assert np.abs(difference[2:-2, 2:-2]).mean() < REDUCED_FIRST_MEAN
    # No shift between the two: regress the difference on the gradient of the image.
    gradient = np.stack([g[2:-2, 2:-2].ravel() for g in np.gradient(expected)], axis=1)
    shift_px, *_ = np.linalg.lstsq(gradient, difference[2:-2, 2:-2].ravel(), rcond=None)
    np.testing.assert_allclose(shift_px, 0, atol=REDUCED_FIRST_SHIFT_PX)


def test_a_pinhole_image_is_only_reduced() -> None:
    image = cv2.cvtColor(smooth_image(), cv2.COLOR_RGB2GRAY)
    frame = Undistorter(PINHOLE)(raw_of(image))
    expected = cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(frame.image, expected / 255, rtol=0, atol=1e-7)
    assert frame.valid.all()


def test_a_lens_with_zeros_is_a_pinhole() -> None:
    zeros = replace(PINHOLE, model=LensModel.OPENCV, distortion=(0.0,) * 4)
    image = smooth_image()
    np.testing.assert_array_equal(Undistorter(zeros)(raw_of(image)).image, Undistorter(PINHOLE)(raw_of(image)).image)


# What may be used of it


@pytest.mark.parametrize("lens", POLYNOMIAL, ids=name)
@pytest.mark.parametrize("working_width", [640, 320, 301])
def test_valid_pixels_are_those_that_the_lens_shows(lens: LensCamera, working_width: int) -> None:
    frame = Undistorter(lens, working_width=working_width)(raw_of(smooth_image()))
    height, width = frame.image.shape
    s = np.array([width / 640, height / 480])
    f, c = np.array([420.0, 431.0]) * s, (np.array([311.3, 247.9]) + 0.5) * s - 0.5
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([(u - c[0]) / f[0], (v - c[1]) / f[1], np.ones(u.shape)], axis=-1).reshape(-1, 1, 3)
    K = np.array([[f[0], 0, c[0]], [0, f[1], c[1]], [0, 0, 1]])
    x, y = (
        cv2.projectPoints(rays, np.zeros(3), np.zeros(3), K, lens.opencv_distortion)[0]
        .reshape(height, width, 2)
        .transpose(2, 0, 1)
    )
    outside_px = np.maximum.reduce([-x, -y, x - (width - 1), y - (height - 1)])
    assert frame.valid[outside_px < 0].all()
    assert not frame.valid[outside_px > 0.01].any()


def test_barrel_is_valid_everywhere_and_pincushion_is_not() -> None:
    image = smooth_image()
    assert Undistorter(BARREL)(raw_of(image)).valid.all()
    valid = Undistorter(PINCUSHION)(raw_of(image)).valid
    assert 0.5 < valid.mean() < 0.99
    assert not valid[0].any()
    assert valid[100:140, 140:180].all()


def test_white_stays_white_where_valid_and_repeats_the_border_elsewhere() -> None:
    frame = Undistorter(PINCUSHION)(raw_of(np.full((480, 640), 255, np.uint8)))
    np.testing.assert_allclose(frame.image, 1.0, rtol=0, atol=1e-6)


def test_beyond_the_fold_of_the_polynomial_nothing_is_valid() -> None:
    lens = LensCamera(LensModel.SIMPLE_RADIAL, 640, 480, 200.0, 200.0, 319.5, 239.5, (-0.2,))
    frame = Undistorter(lens, working_width=640)(raw_of(smooth_image()))
    u, v = np.meshgrid(np.arange(640), np.arange(480))
    radius = np.hypot(u - 319.5, v - 239.5) / 200.0
    fold = np.sqrt(1 / (3 * 0.2))
    assert (radius > fold).any()
    assert not frame.valid[radius > fold + 1e-6].any()
    assert frame.valid[radius < fold - 1e-6].all()


@given(
    lens=st.sampled_from([*BENT, PINHOLE]),
    working_width=st.sampled_from([160, 80, 75, 40]),
    x=st.integers(0, 159),
    y=st.integers(0, 119),
)
def test_an_ignored_pixel_changes_no_valid_one(lens: LensCamera, working_width: int, x: int, y: int) -> None:
    undistorter = Undistorter(lens.scaled_to(160, 120), working_width=working_width)
    dark = np.zeros((120, 160), np.uint16)
    ignore = np.zeros((120, 160), bool)
    ignore[y, x] = True
    lit = dark.copy()
    lit[ignore] = 65535
    frame = undistorter(raw_of(lit, ignore))
    assert not frame.image[frame.valid].any()
    lost = undistorter(raw_of(dark)).valid & ~frame.valid
    assert lost.sum() <= 16


def test_everything_but_the_ignored_stays_valid() -> None:
    ignore = np.zeros((480, 640), bool)
    ignore[200:280, 300:340] = True
    undistorter = Undistorter(PINHOLE)
    expected = np.ones((240, 320), bool)
    expected[100:140, 150:170] = False
    np.testing.assert_array_equal(undistorter(raw_of(smooth_image(), ignore)).valid, expected)
    assert undistorter(raw_of(smooth_image())).valid.all()


def test_each_frame_gets_its_own_mask() -> None:
    undistorter, image = Undistorter(BARREL), smooth_image()
    left, right = np.zeros((480, 640), bool), np.zeros((480, 640), bool)
    left[:, :100], right[:, 500:] = True, True
    first = undistorter(raw_of(image, left)).valid
    second = undistorter(raw_of(image, right)).valid
    again = undistorter(raw_of(image, left)).valid
    np.testing.assert_array_equal(first, again)
    assert not first[:, :30].any()
    assert first[:, 280:].all()
    assert not second[:, 280:].any()
    assert second[:, :30].all()


def test_masks_that_frames_share_cannot_be_written_to() -> None:
    frame = Undistorter(BARREL)(raw_of(smooth_image()))
    with pytest.raises(ValueError, match="read-only"):
        frame.valid[0, 0] = False


# Types and sizes


def test_grey_rgb_8_and_16_bits_agree() -> None:
    grey = cv2.cvtColor(smooth_image(), cv2.COLOR_RGB2GRAY)
    undistorter = Undistorter(BARREL)
    expected = undistorter(raw_of(grey)).image
    for image in (cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), grey.astype(np.uint16) * 257):
        np.testing.assert_allclose(undistorter(raw_of(image)).image, expected, rtol=0, atol=GREY_LEVEL)
    assert expected.shape == (240, 320)
    assert expected.dtype == np.float32


def test_white_is_one_and_black_is_zero_in_8_and_16_bits() -> None:
    for dtype in (np.uint8, np.uint16):
        white = np.full((480, 640, 3), np.iinfo(dtype).max, dtype)
        assert Undistorter(PINHOLE)(raw_of(white)).image.max() == pytest.approx(1.0, abs=1e-6)
        assert Undistorter(PINHOLE)(raw_of(white // 255 * 0)).image.max() == 0.0


def test_luminance_weighs_red_green_and_blue() -> None:
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        image = np.zeros((480, 640, 3), np.uint8)
        image[..., channel] = 255
        frame = Undistorter(PINHOLE)(raw_of(image))
        np.testing.assert_allclose(frame.image, weight, rtol=0, atol=GREY_LEVEL)


@pytest.mark.parametrize("working_width", [320, 301])
def test_color_keeps_the_channels_apart(working_width: int) -> None:
    image = smooth_image()
    frame = Undistorter(BARREL, working_width=working_width, color=True)(raw_of(image))
    for channel in range(3):
        alone = Undistorter(BARREL, working_width=working_width)(raw_of(np.ascontiguousarray(image[..., channel])))
        np.testing.assert_allclose(frame.image[..., channel], alone.image, rtol=0, atol=1e-6)
    assert frame.image.dtype == np.float32
    assert Undistorter(BARREL, working_width=working_width, color=True)(raw_of(image[..., 0])).image.shape == frame.image.shape


def test_a_reversed_view_of_bgr_is_read_as_rgb() -> None:
    image = smooth_image()
    reversed_twice = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
    np.testing.assert_array_equal(Undistorter(BARREL)(raw_of(reversed_twice)).image, Undistorter(BARREL)(raw_of(image)).image)


@pytest.mark.parametrize(
    ("size", "working_width", "expected"),
    [
        ((640, 480), 320, (320, 240)),
        ((640, 480), 640, (640, 480)),
        ((640, 480), 4000, (640, 480)),
        ((320, 240), 320, (320, 240)),
        ((160, 120), 320, (160, 120)),
        ((1280, 960), 320, (320, 240)),
        ((640, 480), 301, (301, 226)),
    ],
)
def test_frames_are_as_wide_as_asked_but_never_enlarged(
    size: tuple[int, int], working_width: int, expected: tuple[int, int]
) -> None:
    frame = Undistorter(BARREL, working_width=working_width)(raw_of(smooth_image(*size)))
    assert (frame.camera.width, frame.camera.height) == expected
    assert frame.image.shape == frame.valid.shape == expected[::-1]
    assert frame.camera == BARREL.scaled_to(*size).pinhole.area_scaled(*expected)


def test_the_same_scene_in_two_sizes_gives_the_same_frame() -> None:
    undistorter = Undistorter(BARREL, working_width=320)
    large = smooth_image(1280, 960)
    small = cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA)
    one, other = undistorter(raw_of(small)), undistorter(raw_of(large))
    np.testing.assert_allclose(one.image, other.image, rtol=0, atol=GREY_LEVEL)
    np.testing.assert_allclose(one.camera.intrinsics, other.camera.intrinsics, rtol=1e-12)
    np.testing.assert_array_equal(one.valid, other.valid)


def test_cameras_are_known_before_the_first_frame() -> None:
    undistorter = Undistorter(BARREL, working_width=320)
    assert undistorter.full_camera == BARREL.pinhole
    assert undistorter.working_camera == undistorter(raw_of(smooth_image())).camera


def test_the_same_frame_gives_the_same_result_whatever_came_before() -> None:
    undistorter, image = Undistorter(BARREL), smooth_image()
    first = undistorter(raw_of(image))
    undistorter(raw_of(255 - image, np.ones((480, 640), bool), index=1))
    undistorter(raw_of(smooth_image(320, 240), index=2))
    again = undistorter(raw_of(image))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.valid, again.valid)


def test_a_frame_carries_its_time_and_its_raw_image() -> None:
    raw = raw_of(smooth_image(), index=7)
    frame = Undistorter(BARREL)(raw)
    assert (frame.index, frame.timestamp_ns, frame.raw) == (7, 280_000_000, raw)


# For people


@pytest.mark.parametrize("lens", POLYNOMIAL, ids=name)
def test_rectified_image_is_that_of_opencv(lens: LensCamera) -> None:
    image = smooth_image()
    camera, rectified = Undistorter(lens)(raw_of(image)).rectify()
    expected = cv2.undistort(image, lens.pinhole.matrix, lens.opencv_distortion)
    inside = cv2.erode((expected.sum(axis=2) > 0).astype(np.uint8), np.ones((3, 3)), borderValue=1) > 0
    assert camera == lens.pinhole
    assert rectified.dtype == np.uint8
    np.testing.assert_allclose(rectified[inside].astype(int), expected[inside].astype(int), rtol=0, atol=1)


def test_rectified_image_is_8_bit_rgb_whatever_comes_in() -> None:
    grey = cv2.cvtColor(smooth_image(), cv2.COLOR_RGB2GRAY)
    undistorter = Undistorter(BARREL)
    _, expected = undistorter(raw_of(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))).rectify()
    for image in (grey, grey.astype(np.uint16) * 257, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB).astype(np.uint16) * 257):
        _, rectified = undistorter(raw_of(image)).rectify()
        np.testing.assert_array_equal(rectified, expected)


def test_rectified_image_has_the_size_of_the_frame() -> None:
    camera, rectified = Undistorter(BARREL)(raw_of(smooth_image(1280, 960))).rectify()
    assert rectified.shape == (960, 1280, 3)
    assert camera == BARREL.scaled_to(1280, 960).pinhole


# Errors


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((480, 640), np.float32), "float32"),
        (np.zeros((480, 640), np.int16), "int16"),
        (np.zeros((480, 640), bool), "bool"),
        (np.zeros((480, 640, 4), np.uint8), "480, 640, 4"),
        (np.zeros((480, 640, 1), np.uint8), "480, 640, 1"),
        (np.zeros((480,), np.uint8), "480,"),
        (np.zeros((0, 640), np.uint8), "empty"),
        (np.zeros((480, 0, 3), np.uint8), "empty"),
    ],
)
def test_what_no_camera_delivers_is_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        Undistorter(BARREL)(raw_of(image, index=3))
    assert "image 3 (image.png)" in str(caught.value)


@pytest.mark.parametrize("size", [(480, 640), (640, 360), (641, 480), (1280, 720)])
def test_images_of_another_shape_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CalibrationError, match=f"640x480.*{size[0]}x{size[1]}"):
        Undistorter(BARREL)(raw_of(smooth_image(*size)))


@pytest.mark.parametrize("ignore", [np.zeros((240, 320), bool), np.zeros((480, 640), np.uint8), np.zeros((480, 640, 3), bool)])
def test_masks_that_do_not_fit_are_refused(ignore: np.ndarray) -> None:
    with pytest.raises(SourceError, match=r"mask of image 0 \(image.png\)"):
        Undistorter(BARREL)(raw_of(smooth_image(), ignore))


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError):
        Undistorter(BARREL, working_width=0)
