from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reloc.errors import CalibrationError
from reloc.geometry.lens import LensCamera, LensModel
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, LENS_INVERSE

PARAMETERS = {
    LensModel.PINHOLE: (),
    LensModel.SIMPLE_RADIAL: (-0.11,),
    LensModel.RADIAL: (-0.21, 0.07),
    LensModel.OPENCV: (-0.28, 0.09, 0.002, -0.0013),
    LensModel.FULL_OPENCV: (0.31, -0.12, 0.0011, -0.0007, 0.021, 0.45, -0.09, 0.031),
    LensModel.OPENCV_FISHEYE: (0.021, -0.011, 0.004, -0.0009),
}
POLYNOMIAL = [model for model in LensModel if model is not LensModel.OPENCV_FISHEYE]


def lens_of(model: LensModel) -> LensCamera:
    return LensCamera(model, 640, 480, 420.0, 431.0, 311.3, 247.9, PARAMETERS[model])


LENSES = [pytest.param(lens_of(model), id=model.value) for model in LensModel]


def points_in_view(count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(5)
    depth = rng.uniform(0.3, 9.0, count)
    return np.stack([rng.uniform(-0.7, 0.7, count) * depth, rng.uniform(-0.5, 0.5, count) * depth, depth], axis=1)


def project_by_hand(lens: LensCamera, point: np.ndarray) -> tuple[float, float]:
    """The textbook, one scalar at a time, with nothing in common with the code under test."""
    x, y = point[0] / point[2], point[1] / point[2]
    r = math.sqrt(x * x + y * y)
    match lens.model:
        case LensModel.OPENCV_FISHEYE:
            k1, k2, k3, k4 = lens.distortion
            theta = math.atan2(r, 1.0)
            bent = theta + k1 * theta**3 + k2 * theta**5 + k3 * theta**7 + k4 * theta**9
            return lens.fx * x * bent / r + lens.cx, lens.fy * y * bent / r + lens.cy
        case LensModel.PINHOLE:
            return lens.fx * x + lens.cx, lens.fy * y + lens.cy
        case LensModel.SIMPLE_RADIAL:
            k = {"k1": lens.distortion[0]}
        case LensModel.RADIAL:
            k = {"k1": lens.distortion[0], "k2": lens.distortion[1]}
        case LensModel.OPENCV:
            k = dict(zip(("k1", "k2", "p1", "p2"), lens.distortion, strict=True))
        case LensModel.FULL_OPENCV:
            k = dict(zip(("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"), lens.distortion, strict=True))
    get = k.get
    above = 1 + get("k1", 0) * r**2 + get("k2", 0) * r**4 + get("k3", 0) * r**6
    below = 1 + get("k4", 0) * r**2 + get("k5", 0) * r**4 + get("k6", 0) * r**6
    p1, p2 = get("p1", 0), get("p2", 0)
    bent_x = x * above / below + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2)
    bent_y = y * above / below + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y
    return lens.fx * bent_x + lens.cx, lens.fy * bent_y + lens.cy


@pytest.mark.parametrize("lens", LENSES)
def test_projection_agrees_with_the_textbook(lens: LensCamera) -> None:
    points = points_in_view()
    expected = np.array([project_by_hand(lens, point) for point in points])
    np.testing.assert_allclose(lens.project(points), expected, rtol=0, atol=ALGEBRA * 1000)


@pytest.mark.parametrize("model", POLYNOMIAL)
def test_projection_agrees_with_opencv(model: LensModel) -> None:
    lens = lens_of(model)
    points = points_in_view()
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), lens.pinhole.matrix, lens.opencv_distortion)
    np.testing.assert_allclose(lens.project(points), expected[:, 0], rtol=0, atol=ALGEBRA * 1000)


def test_fisheye_projection_agrees_with_opencv() -> None:
    lens = lens_of(LensModel.OPENCV_FISHEYE)
    points = points_in_view()
    expected, _ = cv2.fisheye.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), lens.pinhole.matrix, lens.opencv_distortion
    )
    np.testing.assert_allclose(lens.project(points), expected[:, 0], rtol=0, atol=ALGEBRA * 1000)


def test_unprojection_agrees_with_opencv() -> None:
    lens = lens_of(LensModel.OPENCV)
    pixels = lens.project(points_in_view())
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14)
    expected = cv2.undistortPoints(pixels[:, None], lens.pinhole.matrix, lens.opencv_distortion, criteria=criteria)
    np.testing.assert_allclose(lens.unproject(pixels)[:, :2], expected[:, 0], rtol=0, atol=LENS_INVERSE)


@pytest.mark.parametrize("lens", LENSES)
def test_every_pixel_of_the_image_unprojects_to_the_ray_that_projects_to_it(lens: LensCamera) -> None:
    pixels = np.stack(np.meshgrid(np.arange(0, 640, 7.0), np.arange(0, 480, 7.0)), axis=-1)
    rays = lens.unproject(pixels)
    assert rays.shape == (*pixels.shape[:2], 3)
    assert np.all(rays[..., 2] == 1.0)
    np.testing.assert_allclose(lens.project(2.5 * rays), pixels, rtol=0, atol=LENS_INVERSE * 1000)


@given(
    k1=st.floats(-0.4, 0.4),
    k2=st.floats(-0.2, 0.3),
    p=st.tuples(st.floats(-0.01, 0.01), st.floats(-0.01, 0.01)),
    ray=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.5, 0.5)),
)
def test_rays_inside_the_fold_come_back(k1: float, k2: float, p: tuple[float, float], ray: tuple[float, float]) -> None:
    lens = LensCamera(LensModel.OPENCV, 640, 480, 420.0, 431.0, 311.3, 247.9, (k1, k2, *p))
    # The slope of the distorted radius stays well above zero up to this ray: nothing is invertible at the fold itself.
    radii = np.linspace(0, 1.05 * math.hypot(*ray) + 0.02, 50)
    assume(np.all(1 + 3 * k1 * radii**2 + 5 * k2 * radii**4 > 0.1))
    expected = np.array([[*ray, 1.0]])
    np.testing.assert_allclose(lens.unproject(lens.project(expected)), expected, rtol=0, atol=LENS_INVERSE)


def test_what_is_not_a_number_stays_so() -> None:
    lens = lens_of(LensModel.OPENCV)
    assert np.isnan(lens.unproject([[math.nan, 3.0]])[:, :2]).all()
    assert np.isnan(lens.project([[math.nan, 3.0, 1.0]])).all()
    assert lens.project(np.empty((0, 3))).shape == (0, 2)
    assert lens.unproject(np.empty((0, 2))).shape == (0, 3)


def test_points_behind_the_camera_have_no_pixel() -> None:
    lens = lens_of(LensModel.OPENCV)
    assert np.isnan(lens.project([[0.1, 0.2, -1.0], [0.1, 0.2, 0.0]])).all()
    assert np.isfinite(lens.project([0.1, 0.2, 1e-3 + 1.0])).all()


def test_polynomial_ends_where_it_turns_back() -> None:
    k1 = -0.3
    lens = LensCamera(LensModel.SIMPLE_RADIAL, 640, 480, 420.0, 420.0, 320.0, 240.0, (k1,))
    fold = math.sqrt(-1 / (3 * k1))  # d/dr (r + k1 r³) = 0
    inside, outside = lens.project([[fold - 1e-6, 0, 1], [fold + 1e-6, 0, 1]])
    assert np.isfinite(inside).all()
    assert np.isnan(outside).all()
    furthest_px = 320 + 420 * (fold + k1 * fold**3)
    assert np.isnan(lens.unproject([furthest_px + 0.1, 240.0])[:2]).all()
    assert np.isfinite(lens.unproject([furthest_px - 0.1, 240.0])).all()


def test_fisheye_ends_where_it_turns_back() -> None:
    k1 = -0.3
    lens = LensCamera(LensModel.OPENCV_FISHEYE, 640, 480, 420.0, 420.0, 320.0, 240.0, (k1, 0, 0, 0))
    theta = math.sqrt(-1 / (3 * k1))
    inside, outside = lens.project([[math.tan(theta - 1e-6), 0, 1], [math.tan(theta + 1e-6), 0, 1]])
    assert np.isfinite(inside).all()
    assert np.isnan(outside).all()
    furthest_px = 320 + 420 * (theta + k1 * theta**3)
    assert np.isnan(lens.unproject([furthest_px + 0.1, 240.0])[:2]).all()


def test_pixels_of_a_fisheye_beyond_a_right_angle_have_no_ray_at_z_1() -> None:
    lens = LensCamera(LensModel.OPENCV_FISHEYE, 640, 480, 150.0, 150.0, 320.0, 240.0, (0.0, 0.0, 0.0, 0.0))
    assert np.isnan(lens.unproject([320 + 150 * 1.6, 240.0])[:2]).all()
    np.testing.assert_allclose(lens.unproject([320 + 150 * 1.4, 240.0]), [math.tan(1.4), 0, 1], rtol=ALGEBRA)


@pytest.mark.parametrize("lens", LENSES)
def test_the_centre_of_the_lens_bends_nothing(lens: LensCamera) -> None:
    np.testing.assert_array_equal(lens.project([0.0, 0.0, 3.0]), [lens.cx, lens.cy])
    np.testing.assert_array_equal(lens.unproject([lens.cx, lens.cy]), [0.0, 0.0, 1.0])


def test_newton_uses_the_true_derivative() -> None:
    distortion = lens_of(LensModel.FULL_OPENCV)._distortion
    ideal, step = points_in_view()[:, :2] * 0.1, 1e-6
    columns = [
        (distortion.distort(ideal + step * axis) - distortion.distort(ideal - step * axis)) / (2 * step) for axis in np.eye(2)
    ]
    xx, yy, xy = distortion._jacobian(ideal)  # type: ignore[attr-defined]
    jacobian = np.stack([np.stack([xx, xy], axis=1), np.stack([xy, yy], axis=1)], axis=2)
    np.testing.assert_allclose(jacobian, np.stack(columns, axis=-1), rtol=0, atol=FINITE_DIFFERENCE)


def test_pinhole_of_a_lens_has_the_same_matrix() -> None:
    pinhole = lens_of(LensModel.OPENCV).pinhole
    np.testing.assert_array_equal(pinhole.matrix, [[420.0, 0, 311.3], [0, 431.0, 247.9], [0, 0, 1]])
    assert (pinhole.width, pinhole.height) == (640, 480)


@pytest.mark.parametrize(
    ("model", "distortion", "expected"),
    [
        (LensModel.PINHOLE, (), True),
        (LensModel.OPENCV, (0, 0, 0, 0), True),
        (LensModel.OPENCV, (0, 0, 0, 1e-9), False),
        (LensModel.OPENCV_FISHEYE, (0, 0, 0, 0), False),
    ],
)
def test_only_lenses_that_bend_nothing_are_pinholes(model: LensModel, distortion: tuple[float, ...], expected: bool) -> None:
    assert LensCamera(model, 640, 480, 400, 400, 320, 240, distortion).is_pinhole is expected


# Scaling


@pytest.mark.parametrize("lens", LENSES)
def test_scaled_lens_sees_points_where_the_averaged_image_shows_them(lens: LensCamera) -> None:
    points = points_in_view()
    full, half = lens.project(points), lens.scaled_to(320, 240).project(points)
    np.testing.assert_allclose(half, (full + 0.5) / 2 - 0.5, rtol=0, atol=ALGEBRA * 1000)


@pytest.mark.parametrize("size", [(320, 240), (1280, 960), (213, 160), (427, 320), (640, 480)])
def test_sizes_of_the_same_shape_are_scaled_to(size: tuple[int, int]) -> None:
    scaled = lens_of(LensModel.OPENCV).scaled_to(*size)
    assert (scaled.width, scaled.height) == size
    assert scaled.distortion == PARAMETERS[LensModel.OPENCV]


@pytest.mark.parametrize("size", [(640, 479), (480, 640), (640, 360), (1280, 961), (321, 240), (0, 0)])
def test_other_shapes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CalibrationError, match=f"{size[0]}x{size[1]}"):
        lens_of(LensModel.OPENCV).scaled_to(*size)


def test_scaling_there_and_back_changes_nothing() -> None:
    lens = lens_of(LensModel.RADIAL)
    back = lens.scaled_to(1280, 960).scaled_to(640, 480)
    np.testing.assert_allclose([back.fx, back.fy, back.cx, back.cy], [lens.fx, lens.fy, lens.cx, lens.cy], rtol=ALGEBRA)


# Validation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0.0}, "focal length fx"),
        ({"fy": -400.0}, "focal length fy"),
        ({"fx": math.nan}, "focal length fx"),
        ({"fy": math.inf}, "focal length fy"),
        ({"fx": 0.66, "fy": 0.9}, "pixels"),
        ({"cx": math.nan}, "principal point cx"),
        ({"cy": -481.0}, "principal point cy"),
        ({"cx": 1281.0}, "principal point cx"),
        ({"width": 0}, "image size"),
        ({"height": -480}, "image size"),
        ({"width": 10**9}, "image size"),
        ({"distortion": (0.1, 0.2)}, "k1 k2 p1 p2"),
        ({"distortion": (0.1, 0.2, 0.3, 0.4, 0.5)}, "found 5"),
        ({"distortion": (0.1, math.nan, 0.0, 0.0)}, "finite"),
        ({"model": LensModel.PINHOLE}, "no distortion"),
    ],
)
def test_numbers_that_no_camera_has_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        replace(lens_of(LensModel.OPENCV), **change)  # type: ignore[arg-type]


def test_distortion_given_as_a_list_is_kept_as_a_tuple() -> None:
    lens = LensCamera(LensModel.RADIAL, 640, 480, 400.0, 400.0, 320.0, 240.0, [0.1, 0.2])  # type: ignore[arg-type]
    assert lens.distortion == (0.1, 0.2)
    assert hash(lens) == hash(replace(lens))
