"""Lens models, with the names and parameter orders of COLMAP and OpenCV."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reloc.errors import CalibrationError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.distortion import BrownConrady, Distortion, KannalaBrandt

Array = NDArray[np.float64]

# A fisheye that sees 180° across its width has a focal length of a third of it. A twentieth is a slip of units.
_SHORTEST_FOCAL_LENGTH = 0.05
# How far outside the image the principal point may lie, in image sizes: crops do that, but not by more.
_PRINCIPAL_POINT_MARGIN = 1.0
_LARGEST_SIDE_PX = 32_767  # the maps of cv2.remap count in 16 bits


class LensModel(StrEnum):
    """How a lens bends rays. Parameters after (fx, fy, cx, cy) in the order given."""

    PINHOLE = "PINHOLE"
    """No distortion."""
    SIMPLE_RADIAL = "SIMPLE_RADIAL"
    """k1; one focal length."""
    RADIAL = "RADIAL"
    """k1 k2; one focal length."""
    OPENCV = "OPENCV"
    """k1 k2 p1 p2."""
    FULL_OPENCV = "FULL_OPENCV"
    """k1 k2 p1 p2 k3 k4 k5 k6."""
    OPENCV_FISHEYE = "OPENCV_FISHEYE"
    """k1 k2 k3 k4 (Kannala and Brandt)."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the distortion parameters, in their order."""
        return _PARAMETER_NAMES[self]


_PARAMETER_NAMES: dict[LensModel, tuple[str, ...]] = {
    LensModel.PINHOLE: (),
    LensModel.SIMPLE_RADIAL: ("k1",),
    LensModel.RADIAL: ("k1", "k2"),
    LensModel.OPENCV: ("k1", "k2", "p1", "p2"),
    LensModel.FULL_OPENCV: ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    LensModel.OPENCV_FISHEYE: ("k1", "k2", "k3", "k4"),
}


@dataclass(frozen=True)
class LensCamera:
    """A real camera: a pinhole behind a lens. Pixel (0, 0) is the centre of the top-left pixel.

    Raises `CalibrationError` for numbers that no camera has.
    """

    model: LensModel
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    """As many parameters as the model has, in its order."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "distortion", tuple(float(value) for value in self.distortion))
        _check_size(self.width, self.height)
        _check_distortion(self.model, self.distortion)
        for name, focal, center, size in (("x", self.fx, self.cx, self.width), ("y", self.fy, self.cy, self.height)):
            _check_focal_length(f"f{name}", focal, size)
            _check_principal_point(f"c{name}", center, size)

    @property
    def pinhole(self) -> PinholeCamera:
        """The ideal camera with the same size and the same K: the camera of the undistorted image."""
        return PinholeCamera(self.width, self.height, self.fx, self.fy, self.cx, self.cy)

    @property
    def is_pinhole(self) -> bool:
        """Whether the lens bends nothing. A fisheye whose parameters are all zero still does."""
        return self.model is not LensModel.OPENCV_FISHEYE and not any(self.distortion)

    @property
    def opencv_distortion(self) -> Array:
        """The coefficients (4,) or (8,) that OpenCV takes beside `pinhole.matrix`; for a fisheye those of cv2.fisheye."""
        result = np.zeros(max(4, len(self.distortion)))
        result[: len(self.distortion)] = self.distortion
        return result

    def project(self, points_in_camera: ArrayLike) -> Array:
        """Project points (..., 3) in camera space through the lens to pixels (..., 2); NaN where the lens cannot see.

        It sees neither what lies behind it (z ≤ 0) nor rays beyond the fold of its polynomial (see `distortion`).
        """
        points = np.asarray(points_in_camera, dtype=np.float64)
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        ideal = (points[..., :2] / depth).reshape(-1, 2)
        pixels = self._distortion.distort(ideal) * (self.fx, self.fy) + (self.cx, self.cy)
        return pixels.reshape(*points.shape[:-1], 2)

    def unproject(self, pixels: ArrayLike) -> Array:
        """Return the rays (..., 3) with z = 1 that the lens shows at pixels (..., 2); NaN where it shows none."""
        given = np.asarray(pixels, dtype=np.float64)
        distorted = ((given - (self.cx, self.cy)) / (self.fx, self.fy)).reshape(-1, 2)
        ideal = self._distortion.undistort(distorted).reshape(given.shape)
        return np.concatenate([ideal, np.ones((*given.shape[:-1], 1))], axis=-1)

    def scaled_to(self, width: int, height: int) -> LensCamera:
        """Return the lens of this camera's image after area-averaging it to `width` × `height` pixels, or enlarging it so.

        Raises `CalibrationError` for another aspect ratio, beyond the half pixel to which a size is rounded.
        """
        _check_size(width, height)
        sx, sy = width / self.width, height / self.height
        off_px = min(abs(height - self.height * sx), abs(width - self.width * sy))
        if off_px > 0.5 + 1e-9:
            raise CalibrationError(
                f"The calibration does not fit the image: it is for {self.width}x{self.height} pixels, and an image of the same "
                f"shape is expected, but this one has {width}x{height}. Calibrate for this size, or give the images uncropped."
            )
        scaled = self.pinhole.area_scaled(width, height)
        return replace(self, width=width, height=height, fx=scaled.fx, fy=scaled.fy, cx=scaled.cx, cy=scaled.cy)

    @cached_property
    def _distortion(self) -> Distortion:
        if self.model is LensModel.OPENCV_FISHEYE:
            k1, k2, k3, k4 = self.distortion
            return KannalaBrandt((k1, k2, k3, k4))
        k1, k2, p1, p2, k3, k4, k5, k6 = (*self.distortion, *(0.0,) * (8 - len(self.distortion)))
        return BrownConrady((k1, k2, k3, k4, k5, k6), (p1, p2))


def _check_size(width: int, height: int) -> None:
    if not (1 <= width <= _LARGEST_SIDE_PX and 1 <= height <= _LARGEST_SIDE_PX):
        raise CalibrationError(f"The image size must be from 1x1 to {_LARGEST_SIDE_PX} pixels a side, found {width}x{height}.")


def _check_distortion(model: LensModel, distortion: tuple[float, ...]) -> None:
    names = model.parameter_names
    if len(distortion) != len(names):
        wanted = f"{len(names)} distortion parameters ({' '.join(names)})" if names else "no distortion parameters"
        raise CalibrationError(f"The lens model {model} takes {wanted}, found {len(distortion)}: {list(distortion)[:20]}.")
    if not all(math.isfinite(value) for value in distortion):
        raise CalibrationError(f"The distortion parameters must be finite numbers, found {list(distortion)}.")


def _check_focal_length(name: str, focal_px: float, size_px: int) -> None:
    if not (math.isfinite(focal_px) and focal_px > 0):
        raise CalibrationError(f"The focal length {name} must be a positive number of pixels, found {focal_px}.")
    if focal_px < _SHORTEST_FOCAL_LENGTH * size_px:
        raise CalibrationError(
            f"The focal length {name} = {focal_px:g} is far too short for an image of {size_px} pixels. Focal lengths "
            "are expected in pixels: multiply normalised ones by the image size, and millimetres by the sensor's pixels per mm."
        )


def _check_principal_point(name: str, center_px: float, size_px: int) -> None:
    margin = _PRINCIPAL_POINT_MARGIN * size_px
    if not (math.isfinite(center_px) and -margin <= center_px <= size_px + margin):
        raise CalibrationError(
            f"The principal point {name} = {center_px:g} lies far outside the image of {size_px} pixels. Check that it is in "
            "pixels and belongs to this image size."
        )
