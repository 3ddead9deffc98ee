from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.config import AlignConfig
from reloc.align.layers import Kind, build_layers, image_pyramid, level_count, normalized_locally, window_px
from reloc.geometry.camera import PinholeCamera
from tests.tolerances import CENTROID_PX, FLOAT32_INTENSITY, LOCAL_NORMALISATION

CAMERA = PinholeCamera(160, 120, 130.0, 131.0, 78.3, 61.1)
CONFIG = AlignConfig()


def random_image(seed: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(seed).random((120, 160, *channels)).astype(np.float32)


def all_valid(height: int = 120, width: int = 160) -> np.ndarray:
    return np.ones((height, width), bool)


# The pyramid


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("size", [(120, 160), (61, 83)])
def test_a_valid_image_is_halved_as_by_opencv(channels: tuple[int, ...], size: tuple[int, int]) -> None:
    image = random_image(0, *channels)[: size[0], : size[1]]
    levels = image_pyramid(image, all_valid(*size), CAMERA, 4)
    expected = image
    for values, valid, _ in levels:
        np.testing.assert_array_equal(values, expected)
        assert valid.all()
        assert valid.shape == expected.shape[:2]
        expected = cv2.pyrDown(expected)


def test_each_level_has_its_decimated_camera() -> None:
    camera = CAMERA
    for values, _, level_camera in image_pyramid(random_image(0), all_valid(), CAMERA, 4):
        assert level_camera == camera
        assert values.shape == (camera.height, camera.width)
        camera = camera.decimated()


@pytest.mark.parametrize("point", [[0.1, -0.05, 1.0], [-0.13, 0.08, 1.0], [0.0, 0.0, 1.0]])
def test_a_blob_is_found_where_the_camera_of_each_level_projects_it(point: list[float]) -> None:
    # A slip of half a pixel anywhere in the pyramid would move it by 0.25 to 0.5 px a level.
    big = PinholeCamera(320, 240, 260.0, 262.0, 157.3, 123.1)
    in_camera = np.array(point)
    u, v = big.project(in_camera)
    rows, columns = np.mgrid[:240, :320]
    image = np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 14.0**2)).astype(np.float32)
    for values, _, camera in image_pyramid(image, all_valid(240, 320), big, 4):
        rows, columns = np.mgrid[: camera.height, : camera.width]
        centroid = np.array([(values * columns).sum(), (values * rows).sum()]) / values.sum(dtype=np.float64)
        np.testing.assert_allclose(centroid, camera.project(in_camera), rtol=0, atol=CENTROID_PX)


def holed(seed: int = 3) -> np.ndarray:
    valid = all_valid()
    valid[30:70, 50:91] = False
    valid[:9] = False
    return valid & (np.random.default_rng(seed).random(valid.shape) > 0.03)


def slow_halved(image: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The twin: the weighted mean of the valid pixels under the 5 × 5 kernel of Burt and Adelson, at the even pixels."""
    binomial = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(binomial, binomial)
    height, width = (image.shape[0] + 1) // 2, (image.shape[1] + 1) // 2
    padded = np.pad(np.where(valid, image, 0).astype(float), 2, mode="reflect")
    share = np.pad(valid.astype(float), 2, mode="reflect")
    halved, enough = np.full((height, width), np.nan), np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            window = np.s_[2 * row : 2 * row + 5, 2 * column : 2 * column + 5]
            weight = (kernel * share[window]).sum()
            enough[row, column] = weight >= 0.5
            halved[row, column] = (kernel * padded[window]).sum() / max(weight, 1e-9)
    return halved, enough


def test_what_is_not_valid_does_not_leak_into_coarser_levels() -> None:
    image, valid = random_image(4), holed()
    poisoned = np.where(valid, image, np.float32(50))
    (_, _, _), (values, mask, _) = image_pyramid(poisoned, valid, CAMERA, 2)
    expected, enough = slow_halved(image, valid)
    np.testing.assert_array_equal(mask, enough)
    np.testing.assert_allclose(values[mask], expected[mask], rtol=0, atol=FLOAT32_INTENSITY)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_an_even_image_with_holes_stays_even(channels: tuple[int, ...]) -> None:
    image = np.full((120, 160, *channels), 0.6, np.float32)
    image[~holed()] = 0.0
    for values, valid, _ in image_pyramid(image, holed(), CAMERA, 4):
        assert 0.2 < valid.mean() < 1
        np.testing.assert_allclose(values[valid], 0.6, rtol=0, atol=FLOAT32_INTENSITY)


# Local normalisation


def slow_normalized(image: np.ndarray, valid: np.ndarray, window: int, floor: float) -> np.ndarray:
    """The twin: mean and deviation of the valid pixels of the window around each pixel, mirrored at the border of the image."""
    half = window // 2
    padded, known = (np.pad(a, half, mode="symmetric") for a in (image.astype(float), valid))
    result = np.zeros(image.shape)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            around = np.s_[row : row + window, column : column + window]
            values = padded[around][known[around]]
            deviation = np.sqrt(values.var() + floor**2) if values.size else np.inf
            result[row, column] = (image[row, column] - values.mean()) / deviation if values.size else 0
    return result


@pytest.mark.parametrize("window", [3, 7, 15])
@pytest.mark.parametrize("floor", [0.02, 0.3])
def test_pixels_are_normalised_by_the_mean_and_deviation_of_their_window(window: int, floor: float) -> None:
    image = random_image(5)[:40, :50]
    expected = slow_normalized(image, all_valid(40, 50), window, floor)
    np.testing.assert_allclose(
        normalized_locally(image, all_valid(40, 50), window, floor), expected, rtol=0, atol=LOCAL_NORMALISATION
    )


@pytest.mark.parametrize("window", [3, 7, 15])
def test_pixels_that_are_not_valid_have_no_part_in_the_window(window: int) -> None:
    image, valid = random_image(6)[:40, :50], holed()[20:60, 30:80]
    poisoned = np.where(valid, image, np.float32(9))
    expected = slow_normalized(image, valid, window, 0.02)
    found = normalized_locally(poisoned, valid, window, 0.02)
    np.testing.assert_allclose(found[valid], expected[valid], rtol=0, atol=LOCAL_NORMALISATION)


@given(st.floats(0.2, 3), st.floats(-0.3, 0.3))
def test_gain_and_bias_fall_out(gain: float, bias: float) -> None:
    image, valid = random_image(7)[:40, :50], holed()[20:60, 30:80]
    changed = (gain * image + bias).astype(np.float32)
    a, b = normalized_locally(image, valid, 9, 0.01), normalized_locally(changed, valid, 9, 0.01 * gain)
    np.testing.assert_allclose(a[valid], b[valid], rtol=0, atol=LOCAL_NORMALISATION * 10)


def test_a_blank_wall_is_not_blown_up() -> None:
    noise = 0.002 * np.random.default_rng(8).standard_normal((120, 160)).astype(np.float32)
    assert np.abs(normalized_locally(0.5 + noise, all_valid(), 15, 0.02)).max() < 0.6


def test_an_even_image_is_zero() -> None:
    np.testing.assert_allclose(normalized_locally(np.full((40, 50), 0.3, np.float32), all_valid(40, 50), 7, 0.02), 0, atol=1e-3)


# The layers


@pytest.mark.parametrize("width", [28, 40, 55, 56, 112, 320, 480, 640, 1920])
def test_the_coarsest_level_is_as_small_as_it_may_be(width: int) -> None:
    levels = level_count(width, CONFIG)
    assert width >> (levels - 1) >= CONFIG.coarsest_width_px
    assert width >> levels < CONFIG.coarsest_width_px


@given(st.integers(8, 4000))
def test_windows_are_odd_and_local(width: int) -> None:
    window = window_px(width, CONFIG)
    assert window % 2 == 1
    assert window <= max(CONFIG.window_px, 0.38 * width + 1)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("residual", ["local", "intensity"])
def test_invalid_pixels_are_nan_and_no_others(channels: tuple[int, ...], residual: str) -> None:
    layers = build_layers(random_image(9, *channels), holed(), CAMERA, replace(CONFIG, residual=residual))
    pyramid = image_pyramid(random_image(9, *channels), holed(), CAMERA, len(layers))
    for level, (_, valid, camera) in enumerate(pyramid):
        for kind in layers.kinds_at(level):
            layer = layers.at(level, kind)
            assert layer.camera == camera
            assert layer.values.shape == (*valid.shape, *(channels or (1,)))
            np.testing.assert_array_equal(np.isnan(layer.values).any(axis=2), ~valid)
            np.testing.assert_array_equal(np.isnan(layer.values).all(axis=2), ~valid)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_layers_hold_the_pyramid_as_it_is_and_normalised(channels: tuple[int, ...]) -> None:
    image, valid = random_image(10, *channels), holed()
    local = build_layers(image, valid, CAMERA, CONFIG)
    raw = build_layers(image, valid, CAMERA, replace(CONFIG, residual="intensity"))
    for level, (values, mask, camera) in enumerate(image_pyramid(image, valid, CAMERA, len(local))):
        stacked = values.reshape(*mask.shape, -1)
        np.testing.assert_array_equal(raw.at(level, Kind.INTENSITY).values[mask], stacked[mask])
        for channel in range(stacked.shape[2]):
            plane = np.ascontiguousarray(stacked[:, :, channel])
            expected = normalized_locally(plane, mask, window_px(camera.width, CONFIG), CONFIG.noise_floor)
            np.testing.assert_array_equal(local.at(level, Kind.LOCAL).values[:, :, channel][mask], expected[mask])


def test_coarse_levels_also_hold_raw_intensities() -> None:
    layers = build_layers(random_image(11), all_valid(), CAMERA, CONFIG)
    assert [layers.kinds_at(level) for level in range(len(layers))] == [
        (Kind.LOCAL,),
        (Kind.LOCAL,),
        (Kind.LOCAL, Kind.INTENSITY),
    ]
    raw = build_layers(random_image(11), all_valid(), CAMERA, replace(CONFIG, residual="intensity"))
    assert {raw.kinds_at(level) for level in range(len(raw))} == {(Kind.INTENSITY,)}
