from __future__ import annotations

import numpy as np
import pytest

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)  # without libusb it is there and cannot be loaded

from reloc.errors import CalibrationError  # noqa: E402
from reloc.geometry.lens import LensModel  # noqa: E402
from reloc.sources.realsense.lens import lens_from_intrinsics  # noqa: E402
from tests.tolerances import FITTED_LENS_PX, FLOAT32_PX  # noqa: E402

_WEAK = [-0.055, 0.065, -0.0008, 0.0005, -0.021]  # of a D455
_RADIAL = [-0.055, 0.065, 0.0, 0.0, -0.021]
_FISHEYE = [-0.006, 0.043, -0.04, 0.007, 0.0]  # of a T265


def _intrinsics(model: str, coefficients: list[float]) -> rs.intrinsics:
    given = rs.intrinsics()
    given.width, given.height, given.fx, given.fy, given.ppx, given.ppy = 1280, 720, 640.5, 639.25, 650.5, 352.25
    given.model, given.coeffs = getattr(rs.distortion, model), coefficients
    return given


@pytest.mark.parametrize(
    ("model", "coefficients", "expected", "tolerance"),
    [
        ("none", [0.0] * 5, LensModel.PINHOLE, FLOAT32_PX),
        ("brown_conrady", [0.0] * 5, LensModel.PINHOLE, FLOAT32_PX),
        ("inverse_brown_conrady", [0.0] * 5, LensModel.PINHOLE, FLOAT32_PX),
        ("brown_conrady", [*_WEAK[:4], 0.0], LensModel.OPENCV, FLOAT32_PX),
        ("brown_conrady", _WEAK, LensModel.FULL_OPENCV, FLOAT32_PX),
        ("modified_brown_conrady", _RADIAL, LensModel.FULL_OPENCV, FLOAT32_PX),
        ("inverse_brown_conrady", [*_RADIAL[:4], 0.0], LensModel.OPENCV, FLOAT32_PX),
        ("inverse_brown_conrady", _WEAK, LensModel.FULL_OPENCV, FITTED_LENS_PX),
        ("modified_brown_conrady", _WEAK, LensModel.FULL_OPENCV, FITTED_LENS_PX),
        ("kannala_brandt4", _FISHEYE, LensModel.OPENCV_FISHEYE, FLOAT32_PX),
    ],
)
def test_the_lens_projects_as_the_library_does(
    model: str, coefficients: list[float], expected: LensModel, tolerance: float
) -> None:
    given = _intrinsics(model, coefficients)
    lens = lens_from_intrinsics(given)
    assert lens.model is expected
    pixels = np.random.default_rng(0).uniform([0, 0], [1280, 720], (200, 2))
    rays = lens.unproject(pixels)
    projected = [rs.rs2_project_point_to_pixel(given, ray.tolist()) for ray in rays]
    np.testing.assert_allclose(projected, pixels, atol=tolerance)


def test_a_lens_of_the_inverse_model_also_unprojects_as_the_library_does() -> None:
    given = _intrinsics("inverse_brown_conrady", _WEAK)
    lens = lens_from_intrinsics(given)
    pixels = np.random.default_rng(1).uniform([0, 0], [1280, 720], (100, 2))
    rays = np.array([rs.rs2_deproject_pixel_to_point(given, pixel.tolist(), 1.0) for pixel in pixels])
    np.testing.assert_allclose(lens.project(rays), pixels, atol=FITTED_LENS_PX)


@pytest.mark.parametrize(
    ("model", "coefficients"), [("ftheta", [0.9, 0, 0, 0, 0]), ("inverse_brown_conrady", [0.3, -0.2, 0.03, -0.04, 0.05])]
)
def test_what_no_lens_here_reproduces_is_refused(model: str, coefficients: list[float]) -> None:
    with pytest.raises(CalibrationError, match=f"{model}.*reloc calibrate"):
        lens_from_intrinsics(_intrinsics(model, coefficients))
