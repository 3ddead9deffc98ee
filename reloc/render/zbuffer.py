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

# A pixel centre on an edge that two faces share must not fall between them.
_EDGE = -1e-9


@njit(cache=True, nogil=True, error_model="numpy")
def rasterize(
    vertices: NDArray[np.float32],
    first_vertex: NDArray[np.int64],
    corners: NDArray[np.uint8],
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

    The first six arguments are those of `FaceClusters`. `rotation` (3, 3) and `translation` (3,) are camera_from_world,
    `intrinsics` is (fx, fy, cx, cy).
    """
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    in_camera = np.empty((3 * FACES_PER_CLUSTER, 3))
    projected = np.empty((3 * FACES_PER_CLUSTER, 3))
    triangle, polygon = np.empty((3, 3)), np.empty((4, 3))
    for cluster in range(len(radii)):
        center = _to_camera(rotation, translation, centers, cluster)
        if _out_of_sight(center, radii[cluster], near, width, height, fx, fy, cx, cy):
            continue
        start = first_vertex[cluster]
        for k in range(first_vertex[cluster + 1] - start):
            in_camera[k, 0], in_camera[k, 1], in_camera[k, 2] = _to_camera(rotation, translation, vertices, start + k)
            _project(in_camera, k, projected, fx, fy, cx, cy)
        first = cluster * FACES_PER_CLUSTER
        for face in range(first, min(first + FACES_PER_CLUSTER, len(corners))):
            i, j, k = corners[face, 0], corners[face, 1], corners[face, 2]
            behind = (in_camera[i, 2] < near) + (in_camera[j, 2] < near) + (in_camera[k, 2] < near)
            if behind == 0:
                _fill(projected, i, j, k, order[face], face_id, inverse_depth)
            elif behind < 3:
                triangle[0], triangle[1], triangle[2] = in_camera[i], in_camera[j], in_camera[k]
                count = _clip_near(triangle, near, polygon)
                for corner in range(count):
                    _project(polygon, corner, polygon, fx, fy, cx, cy)
                for corner in range(1, count - 1):
                    _fill(polygon, 0, corner, corner + 1, order[face], face_id, inverse_depth)


@njit(cache=True, nogil=True)
def _out_of_sight(center, radius, near, width, height, fx, fy, cx, cy):  # type: ignore[no-untyped-def]
    """Return whether a sphere lies wholly outside one of the five planes of the view frustum."""
    x, y, z = center
    # Slopes of the sides, through the outer rims of the border pixels.
    left, right, top, bottom = (cx + 0.5) / fx, (width - 0.5 - cx) / fx, (cy + 0.5) / fy, (height - 0.5 - cy) / fy
    return (
        z < near - radius
        or (x + left * z) < -radius * math.sqrt(1 + left * left)
        or (right * z - x) < -radius * math.sqrt(1 + right * right)
        or (y + top * z) < -radius * math.sqrt(1 + top * top)
        or (bottom * z - y) < -radius * math.sqrt(1 + bottom * bottom)
    )


@njit(cache=True, nogil=True, inline="always")
def _to_camera(rotation, translation, points, i):  # type: ignore[no-untyped-def]
    x, y, z = points[i, 0], points[i, 1], points[i, 2]
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
def _project(points, i, result, fx, fy, cx, cy):  # type: ignore[no-untyped-def]
    """Turn row i from (x, y, z) into (u, v, 1/z); the two may be one array. Points behind the camera give numbers of no use."""
    inverse = 1.0 / points[i, 2]
    result[i, 0], result[i, 1], result[i, 2] = fx * points[i, 0] * inverse + cx, fy * points[i, 1] * inverse + cy, inverse


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(points, i, j, k, label, face_id, inverse_depth):  # type: ignore[no-untyped-def]
    """Draw the triangle of three projected points; 1/z is affine in the image, so it is stepped along the rows.

    Rows are passed by their number: a view of each would cost more than the many triangles too small to cover a pixel.
    """
    height, width = face_id.shape
    au, av, bu, bv, cu, cv = points[i, 0], points[i, 1], points[j, 0], points[j, 1], points[k, 0], points[k, 1]
    first_u, last_u = math.ceil(max(min(au, bu, cu), 0.0)), math.floor(min(max(au, bu, cu), width - 1.0))
    first_v, last_v = math.ceil(max(min(av, bv, cv), 0.0)), math.floor(min(max(av, bv, cv), height - 1.0))
    area = (bu - au) * (cv - av) - (bv - av) * (cu - au)
    if first_u > last_u or first_v > last_v or area == 0.0:
        return
    # Weights of b and c as affine functions of (u, v); that of a is what is left.
    inverse_area = 1.0 / area
    b_along_u, b_along_v = (cv - av) * inverse_area, (au - cu) * inverse_area
    c_along_u, c_along_v = (av - bv) * inverse_area, (bu - au) * inverse_area
    at_a, to_b, to_c = points[i, 2], points[j, 2] - points[i, 2], points[k, 2] - points[i, 2]
    along_u = b_along_u * to_b + c_along_u * to_c
    for v in range(first_v, last_v + 1):
        weight_b = b_along_u * (first_u - au) + b_along_v * (v - av)
        weight_c = c_along_u * (first_u - au) + c_along_v * (v - av)
        inverse = at_a + weight_b * to_b + weight_c * to_c
        for u in range(first_u, last_u + 1):
            # One branch rather than four: which side of an edge a pixel lies on cannot be foreseen.
            inside = (weight_b >= _EDGE) & (weight_c >= _EDGE) & (weight_b + weight_c <= 1.0 - _EDGE)
            if inside & (inverse > inverse_depth[v, u]):
                inverse_depth[v, u] = inverse
                face_id[v, u] = label
            weight_b += b_along_u
            weight_c += c_along_u
            inverse += along_u
