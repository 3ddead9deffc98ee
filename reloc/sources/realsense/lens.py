"""From the intrinsics of a RealSense stream to a lens.

The formulas are those of librealsense's rsutil.h, in which pixel (0, 0) is the centre of the top-left pixel, as ours is.
Coefficients come as (k1, k2, p1, p2, k3). `brown_conrady` is OpenCV's model. `modified_brown_conrady` applies the tangential
part to the already bent ray instead. `inverse_brown_conrady`, which D400 colour streams state, is by its name the opposite
mapping, but librealsense projects with it just as with the modified one (since version 2.45 deprojection inverts that), and
so do we.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from reloc.errors import CalibrationError
from reloc.geometry.lens import LensCamera, LensModel

if TYPE_CHECKING:
    from pyrealsense2 import intrinsics

Array = NDArray[np.float64]

# A lens that is fitted to another model's formula may be off by this at the worst pixel.
_FITTED_PX = 0.02
_FIT_GRID = 24


def lens_from_intrinsics(given: intrinsics) -> LensCamera:
    """Return the lens that a RealSense stream states.

    Raises `CalibrationError` for the F-theta model, and for coefficients that none of our models reproduces.
    """
    import pyrealsense2 as rs

    k1, k2, p1, p2, k3 = (float(value) for value in given.coeffs)
    model = given.model
    if model == rs.distortion.kannala_brandt4:
        return _lens(given, LensModel.OPENCV_FISHEYE, k1, k2, p1, p2)
    if model == rs.distortion.none or not any((k1, k2, p1, p2, k3)):
        return _lens(given, LensModel.PINHOLE)
    if model == rs.distortion.brown_conrady or (model in _modified() and not (p1 or p2)):
        return (
            _lens(given, LensModel.FULL_OPENCV, k1, k2, p1, p2, k3, 0, 0, 0)
            if k3
            else _lens(given, LensModel.OPENCV, k1, k2, p1, p2)
        )
    if model in _modified():
        return _fitted(given, (k1, k2, p1, p2, k3))
    raise CalibrationError(
        f"The camera states the distortion model {model.name}, which is not known here. Calibrate it with `reloc calibrate` and "
        "give the file with --camera."
    )


def _modified() -> tuple[object, object]:
    import pyrealsense2 as rs

    return rs.distortion.modified_brown_conrady, rs.distortion.inverse_brown_conrady


def _lens(given: intrinsics, model: LensModel, *distortion: float) -> LensCamera:
    return LensCamera(model, given.width, given.height, given.fx, given.fy, given.ppx, given.ppy, distortion)


def _fitted(given: intrinsics, coefficients: tuple[float, float, float, float, float]) -> LensCamera:
    """Return the rational lens that follows the modified formula over the whole image."""
    k1, k2, p1, p2, k3 = coefficients
    rays = _rays(given)
    wanted = _bent_modified(rays, coefficients)
    scale = np.array([given.fx, given.fy])

    def off_px(distortion: Array) -> Array:
        return np.ravel((_bent_rational(rays, distortion) - wanted) * scale)

    solved = least_squares(off_px, [k1, k2, p1, p2, k3, 0.0, 0.0, 0.0], x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    worst_px = float(np.abs(solved.fun).max())
    if not worst_px <= _FITTED_PX:
        raise CalibrationError(
            f"The camera states the distortion {given.model.name} {list(coefficients)}, which differs by {worst_px:.2g} pixels "
            "from every lens known here. Calibrate it with `reloc calibrate` and give the file with --camera."
        )
    return _lens(given, LensModel.FULL_OPENCV, *(float(value) for value in solved.x))


def _rays(given: intrinsics) -> Array:
    """Return rays (N, 2) on z = 1 that fill the image and a little more."""
    x = (np.linspace(-0.05, 1.05, _FIT_GRID) * given.width - given.ppx) / given.fx
    y = (np.linspace(-0.05, 1.05, _FIT_GRID) * given.height - given.ppy) / given.fy
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _bent_modified(rays: Array, coefficients: tuple[float, float, float, float, float]) -> Array:
    """Bend rays (N, 2) as rs2_project_point_to_pixel does for the modified and the inverse model."""
    k1, k2, p1, p2, k3 = coefficients
    s = (rays**2).sum(axis=1)
    x, y = (rays * (1 + s * (k1 + s * (k2 + s * k3)))[:, None]).T
    return np.stack([x + 2 * p1 * x * y + p2 * (s + 2 * x * x), y + 2 * p2 * x * y + p1 * (s + 2 * y * y)], axis=1)


def _bent_rational(rays: Array, distortion: Array) -> Array:
    """Bend rays (N, 2) by (k1, k2, p1, p2, k3, k4, k5, k6) as OpenCV does."""
    k1, k2, p1, p2, k3, k4, k5, k6 = distortion
    x, y = rays.T
    s = x * x + y * y
    factor = (1 + s * (k1 + s * (k2 + s * k3))) / (1 + s * (k4 + s * (k5 + s * k6)))
    return np.stack(
        [x * factor + 2 * p1 * x * y + p2 * (s + 2 * x * x), y * factor + p1 * (s + 2 * y * y) + 2 * p2 * x * y], axis=1
    )
