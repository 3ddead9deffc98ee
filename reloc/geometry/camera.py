"""Cameras: the ideal pinhole that the alignment works with, and the lens that a real camera has.

Pixel (0, 0) is the centre of the top-left pixel. Area-averaging an image by a factor s therefore maps a centre c to
(c + 0.5)·s − 0.5; keeping every second pixel (cv2.pyrDown) maps it to c / 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PinholeCamera:
    """An ideal camera without distortion: u = fx x/z + cx, v = fy y/z + cy."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def matrix(self) -> Array:
        """The (3, 3) calibration matrix K, in pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @cached_property
    def intrinsics(self) -> Array:
        """(fx, fy, cx, cy) as an array (4,) for the compiled kernels, which only read it."""
        return np.array([self.fx, self.fy, self.cx, self.cy])

    def project(self, points_in_camera: Array) -> Array:
        """Project points (..., 3) in camera space to pixels (..., 2); points at z = 0 give infinities."""
        x, y, z = np.moveaxis(points_in_camera, -1, 0)
        return np.stack([self.fx * x / z + self.cx, self.fy * y / z + self.cy], axis=-1)

    def unproject(self, pixels: Array) -> Array:
        """Return the rays (..., 3) with z = 1 through pixels (..., 2)."""
        u, v = np.moveaxis(np.asarray(pixels, dtype=np.float64), -1, 0)
        return np.stack([(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones_like(u)], axis=-1)

    def area_scaled(self, width: int, height: int) -> PinholeCamera:
        """Return the camera of this camera's image after area-averaging it to `width` × `height` pixels."""
        sx, sy = width / self.width, height / self.height
        return PinholeCamera(width, height, self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)

    def decimated(self) -> PinholeCamera:
        """Return the camera of this camera's image after cv2.pyrDown, which keeps the even pixels."""
        return replace(
            self,
            width=(self.width + 1) // 2,
            height=(self.height + 1) // 2,
            fx=self.fx / 2,
            fy=self.fy / 2,
            cx=self.cx / 2,
            cy=self.cy / 2,
        )
