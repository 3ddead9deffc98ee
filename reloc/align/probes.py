"""A few points of a keyframe that are asked, in every frame, what the camera has done to the map, and what they look like in it.

What does not change from frame to frame is looked up once: of so many scattered pixels each costs a wait for the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.layers import Layers
from reloc.align.photometric import ReferencePoints
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Rendering

Array = NDArray[np.float64]
Image = NDArray[np.float32]

GRID_PX = 8
"""Every so many pixels an image is asked whether the sensor is at its limits."""
AT_LIMIT = 0.01
"""So close to 0 or 1 it is: averaging takes some pixels a little off it."""
_APART = 3
"""Every so many points of the finest level are enough."""


@dataclass(frozen=True, eq=False)
class Probes:
    """What a keyframe's rendering looks like at some of its points."""

    points: ReferencePoints
    """Of the finest level and the kind that decides."""
    intensity: Array
    """(M, C) of the rendering; NaN where it shows nothing."""
    limited_share: float
    """Share 0..1 of the rendering that is black or white."""


def make_probes(points: ReferencePoints, layers: Layers, rendering: Rendering) -> Probes:
    """Return the probes of a keyframe from the points of its finest level, its layers and the rendering they were made from."""
    some = ReferencePoints(*(np.ascontiguousarray(one[::_APART]) for one in (points.in_world, points.value, points.gradient)))
    intensity = intensities(some, layers, rendering.camera_from_world)
    return Probes(some, intensity, share_at_limits(layers.image, rendering.covered))


def intensities(points: ReferencePoints, layers: Layers, camera_from_world: SE3) -> Array:
    """Return (M, C) what points look like at the pixels nearest to them in the image of some layers; NaN out of view."""
    rotation = np.ascontiguousarray(camera_from_world.rotation)
    result = np.full((len(points), channels_last(layers.image).shape[2]), np.nan)
    camera = layers.main[0].camera
    _look_up(points.in_world, channels_last(layers.image), rotation, camera_from_world.translation, camera.intrinsics, result)
    return result


def share_at_limits(image: Image, known: NDArray[np.bool_] | None = None) -> float:
    """Return the share of the pixels of an image (H, W) or (H, W, C) that are known and black or white, asked on a grid."""
    step = np.s_[::GRID_PX, ::GRID_PX]
    limited = np.abs(channels_last(image)[step] - 0.5) >= 0.5 - AT_LIMIT
    if known is not None:
        limited &= known[step][:, :, None]
    return float(np.count_nonzero(limited) / limited.size)


def channels_last(image: Image) -> Image:
    """Return an image (H, W) or (H, W, C) as (H, W, C)."""
    return image if image.ndim == 3 else image[:, :, None]


@njit(cache=True, nogil=True, error_model="numpy")
def _look_up(points, image, rotation, translation, intrinsics, result):  # type: ignore[no-untyped-def]
    """Write the pixels nearest to the points that are in view."""
    fx, fy, cx, cy = intrinsics
    height, width, channels = image.shape
    for k in range(len(points)):
        px, py, pz = points[k]
        z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + translation[2]
        u = fx * (rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + translation[0]) / z + cx
        v = fy * (rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + translation[1]) / z + cy
        if z > 0.0 and u >= 0.0 and v >= 0.0 and u <= width - 1 and v <= height - 1:
            for channel in range(channels):
                result[k, channel] = image[int(v + 0.5), int(u + 0.5), channel]
