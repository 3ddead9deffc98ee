from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.geometry.camera import PinholeCamera
from tests.tolerances import ALGEBRA, CENTROID_PX

CAMERA = PinholeCamera(640, 480, 420.0, 431.0, 311.3, 247.9)


def blob(width: int, height: int, centre_px: np.ndarray, sigma_px: float) -> np.ndarray:
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    return np.exp(-0.5 * ((u - centre_px[0]) ** 2 + (v - centre_px[1]) ** 2) / sigma_px**2).astype(np.float32)


def centroid(image: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image.astype(np.float64)
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


def test_projection_agrees_with_opencv() -> None:
    points = np.random.default_rng(0).uniform([-2, -2, 0.5], [2, 2, 9], (100, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), CAMERA.matrix, None)
    np.testing.assert_allclose(CAMERA.project(points), expected[:, 0], rtol=0, atol=ALGEBRA * 1000)


def test_matrix_and_intrinsics_are_those_of_the_textbook() -> None:
    np.testing.assert_array_equal(CAMERA.matrix, [[420.0, 0, 311.3], [0, 431.0, 247.9], [0, 0, 1]])
    np.testing.assert_array_equal(CAMERA.intrinsics, [420.0, 431.0, 311.3, 247.9])
    u, v, w = CAMERA.matrix @ [0.3, -0.2, 2.0]
    np.testing.assert_allclose(CAMERA.project(np.array([0.3, -0.2, 2.0])), [u / w, v / w], rtol=ALGEBRA)


@given(st.tuples(st.floats(-100, 800), st.floats(-100, 800)), st.floats(0.01, 100))
def test_unprojection_gives_the_ray_that_projects_there(pixel: tuple[float, float], depth: float) -> None:
    ray = CAMERA.unproject(np.array(pixel))
    assert ray[2] == 1.0
    np.testing.assert_allclose(CAMERA.project(depth * ray), pixel, rtol=0, atol=ALGEBRA * 1000)


def test_unprojection_agrees_with_opencv() -> None:
    pixels = np.random.default_rng(1).uniform(0, 480, (50, 2))
    expected = cv2.undistortPoints(pixels[:, None], CAMERA.matrix, None)[:, 0]
    np.testing.assert_allclose(CAMERA.unproject(pixels)[:, :2], expected, rtol=0, atol=ALGEBRA)


def test_arrays_of_any_shape_keep_it() -> None:
    assert CAMERA.project(np.ones((2, 5, 3))).shape == (2, 5, 2)
    assert CAMERA.unproject(np.ones((2, 5, 2))).shape == (2, 5, 3)
    assert CAMERA.unproject([3, 4]).shape == (3,)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(320, 240), (160, 120), (213, 160), (128, 96), (301, 226), (640, 480)])
def test_area_scaled_camera_sees_a_point_where_the_averaged_image_shows_it(size: tuple[int, int]) -> None:
    width, height = size
    scaled = CAMERA.area_scaled(width, height)
    for pixel in ([100.0, 80.0], [320.25, 200.75], [511.5, 399.0]):
        ray = CAMERA.unproject(np.array(pixel))
        image = cv2.resize(blob(640, 480, np.array(pixel), 9.0), size, interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(centroid(image), scaled.project(ray), rtol=0, atol=CENTROID_PX)
    assert (scaled.width, scaled.height) == size


@pytest.mark.parametrize("size", [(640, 480), (641, 481), (639, 480)])
def test_decimated_camera_sees_a_point_where_the_pyramid_shows_it(size: tuple[int, int]) -> None:
    width, height = size
    camera = PinholeCamera(width, height, 420.0, 431.0, 311.3, 247.9)
    half = camera.decimated()
    for pixel in ([100.0, 80.0], [320.25, 200.75], [511.5, 399.0]):
        image = cv2.pyrDown(blob(width, height, np.array(pixel), 9.0))
        assert (half.height, half.width) == image.shape
        np.testing.assert_allclose(centroid(image), half.project(camera.unproject(np.array(pixel))), rtol=0, atol=CENTROID_PX)


def test_the_two_ways_to_halve_an_image_differ_by_a_quarter_of_a_pixel() -> None:
    averaged, decimated = CAMERA.area_scaled(320, 240), CAMERA.decimated()
    np.testing.assert_allclose(averaged.intrinsics[:2], decimated.intrinsics[:2], rtol=ALGEBRA)
    np.testing.assert_allclose(decimated.intrinsics[2:] - averaged.intrinsics[2:], 0.25, rtol=0, atol=ALGEBRA)


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_area_scaling_maps_corners_to_corners(width: int, height: int) -> None:
    """The image covers −0.5 to size − 0.5: its corners see the same rays before and after."""
    scaled = CAMERA.area_scaled(width, height)
    corners = np.array([[-0.5, -0.5], [639.5, 479.5]])
    scaled_corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    np.testing.assert_allclose(scaled.unproject(scaled_corners), CAMERA.unproject(corners), rtol=0, atol=ALGEBRA)


def test_area_scaling_in_two_steps_is_area_scaling_in_one() -> None:
    twice, once = CAMERA.area_scaled(320, 240).area_scaled(80, 60), CAMERA.area_scaled(80, 60)
    np.testing.assert_allclose(twice.intrinsics, once.intrinsics, rtol=ALGEBRA)
