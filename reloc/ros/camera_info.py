"""sensor_msgs/CameraInfo and our lenses. Both put the centre of the first pixel at (0, 0)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from reloc.errors import CalibrationError
from reloc.geometry.calibration.opencv import fisheye_lens, polynomial_lens
from reloc.geometry.lens import LensCamera, LensModel

_POLYNOMIAL = ("plumb_bob", "rational_polynomial", "")
_FISHEYE = ("equidistant", "fisheye")


class CameraInfoMessage(Protocol):
    """What a sensor_msgs/CameraInfo holds, whoever decoded it."""

    height: int
    width: int
    distortion_model: str
    d: Sequence[float]
    k: Sequence[float]
    p: Sequence[float]
    binning_x: int
    binning_y: int
    roi: Any


def lens_from_camera_info(message: CameraInfoMessage, *, rectified: bool = False) -> LensCamera | None:
    """Return the lens that a message describes, or None if it says that the camera is not calibrated (K[0] = 0).

    For `rectified` images that is the ideal camera of P. Raises `CalibrationError` for a lens that is not known here, and for a
    part of an image or a binned one, whose K would be that of another image.
    """
    matrix = tuple(float(value) for value in message.k)
    if not matrix or matrix[0] == 0.0:
        return None
    if message.binning_x > 1 or message.binning_y > 1 or message.roi.width > 0 or message.roi.height > 0:
        raise CalibrationError(
            "the CameraInfo is that of a binned image or a region of interest; only whole images are supported"
        )
    size = int(message.width), int(message.height)
    if rectified:
        p = tuple(float(value) for value in message.p)
        return polynomial_lens(size, (*p[0:3], *p[4:7], *p[8:11]), ())
    coefficients = tuple(float(value) for value in message.d)
    if message.distortion_model in _POLYNOMIAL:
        return polynomial_lens(size, matrix, coefficients)
    if message.distortion_model in _FISHEYE:
        return fisheye_lens(size, matrix, coefficients)
    raise CalibrationError(
        f"the CameraInfo has the distortion model {message.distortion_model[:40]!r}; plumb_bob, rational_polynomial and "
        "equidistant are supported"
    )


def camera_info_fields(lens: LensCamera) -> dict[str, Any]:
    """Return the fields of a sensor_msgs/CameraInfo, all but its header. Rectified images would keep K."""
    fx, fy, cx, cy = lens.fx, lens.fy, lens.cx, lens.cy
    name, coefficients = _ros_distortion(lens)
    return {
        "height": lens.height,
        "width": lens.width,
        "distortion_model": name,
        "d": coefficients,
        "k": [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    }


def _ros_distortion(lens: LensCamera) -> tuple[str, list[float]]:
    """Return ROS's name of the lens model, and as many coefficients as it wants."""
    if lens.model is LensModel.OPENCV_FISHEYE:
        return "equidistant", list(lens.distortion)
    if lens.model is LensModel.FULL_OPENCV:
        return "rational_polynomial", list(lens.distortion)
    return "plumb_bob", [*lens.distortion, *(0.0,) * (5 - len(lens.distortion))]
