"""Lens models, with the names and parameter orders of COLMAP and OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True)
class LensCamera:
    """A real camera: a pinhole behind a lens. Pixel (0, 0) is the centre of the top-left pixel."""

    model: LensModel
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    """As many parameters as the model has, in its order."""
