"""Which of the visible surface can be aligned (not at an edge, not at a grazing angle), and which points of it are best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Rendering

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SurfaceRule:
    """What disqualifies a pixel; see `KeyframeConfig` for the meaning of each."""

    grazing_cosine: float
    depth_step: float
    two_sided: bool


def usable_surface(rendering: Rendering, facing: NDArray[np.float32], rule: SurfaceRule) -> Mask:
    """Return (H, W), true where the surface is covered, faces the camera and continues to all eight neighbours."""
    cosine = np.abs(facing) if rule.two_sided else facing
    kernel = np.ones((3, 3), dtype=np.uint8)
    farthest, nearest = cv2.dilate(rendering.depth, kernel), cv2.erode(rendering.depth, kernel)
    # A hole has depth 0, so it makes a step as well.
    continuous = farthest - nearest <= rule.depth_step * rendering.depth
    usable: Mask = rendering.covered & continuous & (cosine >= rule.grazing_cosine)
    return usable


def away_from_rims(usable: Mask, level: int, rim_px: int) -> Mask:
    """Return the usable pixels of a level of cv2.pyrDown's pyramid, at least `rim_px` of its own pixels from an unusable one."""
    radius = rim_px * max(2**level // 2, 1)
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
    near_rim = cv2.dilate((~usable).astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    step = 2**level
    clear: Mask = near_rim[::step, ::step] == 0
    return clear


def strongest_in_cells(values: NDArray[np.float32], allowed: Mask, cell_px: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the steepest allowed pixel of every square cell: well spread, well textured points.

    Args:
        values: (H, W, C), NaN where nothing is known.
        allowed: (H, W).
        cell_px: Side of the cells.
    """
    height, width = allowed.shape
    best = np.full(math.ceil(height / cell_px) * math.ceil(width / cell_px), -1, dtype=np.int64)
    _strongest(values, allowed, cell_px, best)
    chosen = best[best >= 0]
    return chosen // width, chosen % width


@njit(cache=True, nogil=True)
def _strongest(values, allowed, cell, best):  # type: ignore[no-untyped-def]
    height, width, _ = values.shape
    across = (width + cell - 1) // cell
    top = np.zeros(len(best), dtype=np.float32)
    strength = np.empty(width, dtype=np.float32)
    for v in range(1, height - 1):
        _steepness(values[v - 1], values[v], values[v + 1], strength)
        for slot in range(across):
            here = (v // cell) * across + slot
            for u in range(max(slot * cell, 1), min((slot + 1) * cell, width - 1)):
                # False for NaN.
                if strength[u] > top[here] and allowed[v, u] and not np.isnan(values[v, u, 0]):
                    top[here] = strength[u]
                    best[here] = v * width + u


@njit(cache=True, nogil=True)
def _steepness(above, row, below, strength):  # type: ignore[no-untyped-def]
    """Write the squared central differences of a row (W, C), summed over the channels; loops that become vector instructions."""
    strength[:] = 0
    for c in range(row.shape[1]):
        for u in range(1, len(row) - 1):
            along_u, along_v = row[u + 1, c] - row[u - 1, c], below[u, c] - above[u, c]
            strength[u] += along_u * along_u + along_v * along_v


def cell_size(usable_pixels: int, points: int) -> int:
    """Return the side of the cells, in pixels, that makes about as many as `points` of them out of the usable pixels."""
    return max(1, math.ceil(math.sqrt(usable_pixels / points)))


def points_in_world(
    camera: PinholeCamera, camera_from_world: SE3, rows: NDArray[np.int64], columns: NDArray[np.int64], depth: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (N, 3) the surface points behind pixels of a camera, from their depth (N,) along z."""
    world_from_camera = camera_from_world.inverse()
    points = np.empty((len(rows), 3))
    rotation = np.ascontiguousarray(world_from_camera.rotation)
    _to_world(rows, columns, depth, camera.intrinsics, rotation, world_from_camera.translation, points)
    return points


@njit(cache=True, nogil=True, error_model="numpy")
def _to_world(rows, columns, depth, intrinsics, rotation, translation, points):  # type: ignore[no-untyped-def]
    fx, fy, cx, cy = intrinsics
    for i in range(len(points)):
        z = np.float64(depth[i])
        x, y = (columns[i] - cx) / fx * z, (rows[i] - cy) / fy * z
        for k in range(3):
            points[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z + translation[k]
