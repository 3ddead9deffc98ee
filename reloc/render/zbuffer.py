"""A z-buffer for one core: face and depth at every pixel centre, with clipping at the near plane.

A serial kernel, because a multi-threaded one stalls as soon as another process wants the cores. Faces are drawn without
culling by orientation: a wall seen from behind still hides what lies beyond it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.render.clusters import FACES_PER_CLUSTER


@njit(cache=True, nogil=True)
def rasterize(
    corners: NDArray[np.float32],
    order: NDArray[np.int32],
    centers: NDArray[np.float32],
    radii: NDArray[np.float32],
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    near: float,
    face_id: NDArray[np.int32],
    inverse_depth: NDArray[np.float32],
) -> None:
    """Draw clusters of faces into `face_id` (H, W), filled with -1, and `inverse_depth` (H, W), filled with 0.

    `rotation` (3, 3) and `translation` (3,) are camera_from_world, `intrinsics` is (fx, fy, cx, cy).
    """
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    # Inward normals of the four sides of the view frustum, through the outer rims of the border pixels.
    left, right, top, bottom = (cx + 0.5) / fx, (width - 0.5 - cx) / fx, (cy + 0.5) / fy, (height - 0.5 - cy) / fy
    left_n, right_n = math.sqrt(1 + left * left), math.sqrt(1 + right * right)
    top_n, bottom_n = math.sqrt(1 + top * top), math.sqrt(1 + bottom * bottom)
    polygon = np.empty((4, 3))
    triangle = np.empty((3, 3))
    for cluster in range(len(radii)):
        x, y, z = _to_camera(rotation, translation, centers[cluster])
        radius = radii[cluster]
        if (
            z < near - radius
            or (x + left * z) < -radius * left_n
            or (right * z - x) < -radius * right_n
            or (y + top * z) < -radius * top_n
            or (bottom * z - y) < -radius * bottom_n
        ):
            continue
        first = cluster * FACES_PER_CLUSTER
        for face in range(first, min(first + FACES_PER_CLUSTER, len(corners))):
            behind = 0
            for i in range(3):
                triangle[i, 0], triangle[i, 1], triangle[i, 2] = _to_camera(rotation, translation, corners[face, i])
                behind += triangle[i, 2] < near
            if behind == 3:
                continue
            if behind == 0:
                _project_in_place(triangle, 3, fx, fy, cx, cy)
                _fill(triangle[0], triangle[1], triangle[2], order[face], face_id, inverse_depth)
                continue
            count = _clip_near(triangle, near, polygon)
            _project_in_place(polygon, count, fx, fy, cx, cy)
            for i in range(1, count - 1):
                _fill(polygon[0], polygon[i], polygon[i + 1], order[face], face_id, inverse_depth)


@njit(cache=True, nogil=True, inline="always")
def _to_camera(rotation, translation, point):  # type: ignore[no-untyped-def]
    x, y, z = point[0], point[1], point[2]
    return (
        rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0],
        rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1],
        rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2],
    )


@njit(cache=True, nogil=True)
def _clip_near(triangle, near, polygon):  # type: ignore[no-untyped-def]
    """Write the part of `triangle` beyond z = near into `polygon` and return its number of corners (Sutherland and Hodgman)."""
    count = 0
    for i in range(3):
        a, b = triangle[i], triangle[(i + 1) % 3]
        if a[2] >= near:
            polygon[count, 0], polygon[count, 1], polygon[count, 2] = a[0], a[1], a[2]
            count += 1
        if (a[2] >= near) != (b[2] >= near):
            s = (near - a[2]) / (b[2] - a[2])
            polygon[count, 0] = a[0] + s * (b[0] - a[0])
            polygon[count, 1] = a[1] + s * (b[1] - a[1])
            polygon[count, 2] = near
            count += 1
    return count


@njit(cache=True, nogil=True, inline="always")
def _project_in_place(points, count, fx, fy, cx, cy):  # type: ignore[no-untyped-def]
    """Turn (x, y, z) into (u, v, 1/z)."""
    for i in range(count):
        inverse = 1.0 / points[i, 2]
        points[i, 0] = fx * points[i, 0] * inverse + cx
        points[i, 1] = fy * points[i, 1] * inverse + cy
        points[i, 2] = inverse


@njit(cache=True, nogil=True)
def _fill(a, b, c, label, face_id, inverse_depth):  # type: ignore[no-untyped-def]
    """Draw one projected triangle; 1/z is affine in the image, so it is stepped along the rows."""
    height, width = face_id.shape
    u_low, u_high = max(0.0, min(a[0], b[0], c[0])), min(width - 1.0, max(a[0], b[0], c[0]))
    v_low, v_high = max(0.0, min(a[1], b[1], c[1])), min(height - 1.0, max(a[1], b[1], c[1]))
    if u_low > u_high or v_low > v_high:
        return
    first_u, last_u = math.ceil(u_low), math.floor(u_high)
    first_v, last_v = math.ceil(v_low), math.floor(v_high)
    if first_u > last_u or first_v > last_v:
        return
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if area == 0.0:
        return
    # Weights of b and c as affine functions of (u, v); that of a is what is left.
    inverse_area = 1.0 / area
    bu, bv = (c[1] - a[1]) * inverse_area, -(c[0] - a[0]) * inverse_area
    cu, cv = -(b[1] - a[1]) * inverse_area, (b[0] - a[0]) * inverse_area
    zb, zc = b[2] - a[2], c[2] - a[2]
    du = bu * zb + cu * zc
    tolerance = -1e-9  # a pixel centre on an edge that two faces share must not fall between them
    for v in range(first_v, last_v + 1):
        weight_b = bu * (first_u - a[0]) + bv * (v - a[1])
        weight_c = cu * (first_u - a[0]) + cv * (v - a[1])
        inverse = a[2] + weight_b * zb + weight_c * zc
        for u in range(first_u, last_u + 1):
            inside = weight_b >= tolerance and weight_c >= tolerance and weight_b + weight_c <= 1.0 - tolerance
            if inside and inverse > inverse_depth[v, u]:
                inverse_depth[v, u] = inverse
                face_id[v, u] = label
            weight_b += bu
            weight_c += cu
            inverse += du
