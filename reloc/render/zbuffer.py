"""A z-buffer for one core: face, depth and barycentric weights at every pixel centre, with clipping at the near plane.

A serial kernel, because a multi-threaded one stalls as soon as another process wants the cores. Faces are drawn without
culling by orientation: a wall seen from behind still hides what lies beyond it.

With corners p = (u z, v z, z), homogeneous pixels, the point of a face seen at d = (u, v, 1) is z d = Σ wᵢ pᵢ. Hence 1 / z and
the weights over z are affine in the image, d · (pⱼ × pₖ) / det(p₀, p₁, p₂), wherever the corners lie, behind the camera too
(Olano and Greer, "Triangle scan conversion using 2D homogeneous coordinates", 1997). Clipping only bounds where to look.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.render.clusters import FACES_PER_CLUSTER

# A pixel centre on an edge that two faces share must not fall between them.
_EDGE_PX = 1e-9
# Beyond any image: no bound.
_FAR_PX = 1e30
# Less than this is zero: its inverse would leave the range of numbers.
_FLAT = 1e-60


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
    weights: NDArray[np.float32],
) -> None:
    """Draw clusters of faces into `face_id` (H, W), filled with -1, and `inverse_depth` (H, W), filled with 0.

    The first six arguments are those of `FaceClusters`. `rotation` (3, 3) and `translation` (3,) are camera_from_world,
    `intrinsics` is (fx, fy, cx, cy). `weights` (H, W, 2) receives the weights of the second and third corner, over z.
    """
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    homogeneous = np.empty((3 * FACES_PER_CLUSTER, 3))
    pixel = np.empty((3 * FACES_PER_CLUSTER, 2))
    triangle, polygon = np.empty((3, 3)), np.empty((4, 2))
    for cluster in range(len(radii)):
        center = _to_camera(rotation, translation, centers, cluster)
        if _out_of_sight(center, radii[cluster], near, width, height, fx, fy, cx, cy):
            continue
        start = first_vertex[cluster]
        for k in range(first_vertex[cluster + 1] - start):
            x, y, z = _to_camera(rotation, translation, vertices, start + k)
            homogeneous[k, 0], homogeneous[k, 1], homogeneous[k, 2] = fx * x + cx * z, fy * y + cy * z, z
            # Of no use behind the camera, where nobody looks at it.
            pixel[k, 0], pixel[k, 1] = homogeneous[k, 0] / z, homogeneous[k, 1] / z
        first = cluster * FACES_PER_CLUSTER
        for face in range(first, min(first + FACES_PER_CLUSTER, len(corners))):
            i, j, k = corners[face, 0], corners[face, 1], corners[face, 2]
            behind = (homogeneous[i, 2] < near) + (homogeneous[j, 2] < near) + (homogeneous[k, 2] < near)
            if behind == 0:
                left, right = _bounds(pixel[i, 0], pixel[j, 0], pixel[k, 0], pixel[k, 0], width)
                top, bottom = _bounds(pixel[i, 1], pixel[j, 1], pixel[k, 1], pixel[k, 1], height)
            elif behind < 3:
                triangle[0], triangle[1], triangle[2] = homogeneous[i], homogeneous[j], homogeneous[k]
                _clip_near(triangle, near, polygon)
                left, right = _bounds(polygon[0, 0], polygon[1, 0], polygon[2, 0], polygon[3, 0], width)
                top, bottom = _bounds(polygon[0, 1], polygon[1, 1], polygon[2, 1], polygon[3, 1], height)
            else:
                continue
            if left <= right and top <= bottom:
                box = left, right, top, bottom
                _fill(homogeneous, i, j, k, box, 1.0 / near, order[face], face_id, inverse_depth, weights)


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
    """Write the pixels (4, 2) of the corners of `triangle` beyond z = near (Sutherland and Hodgman); of three, the last twice."""
    count = 0
    for i in range(3):
        a, b = triangle[i], triangle[(i + 1) % 3]
        if a[2] >= near:
            polygon[count, 0], polygon[count, 1] = a[0] / a[2], a[1] / a[2]
            count += 1
        if (a[2] >= near) != (b[2] >= near):
            s = (near - a[2]) / (b[2] - a[2])
            polygon[count, 0] = (a[0] + s * (b[0] - a[0])) / near
            polygon[count, 1] = (a[1] + s * (b[1] - a[1])) / near
            count += 1
    if count == 3:
        polygon[3] = polygon[2]


@njit(cache=True, nogil=True, inline="always")
def _bounds(a, b, c, d, size):  # type: ignore[no-untyped-def]
    """Return the first and the last of the `size` pixel centres of an axis that lie between four coordinates."""
    return math.ceil(max(min(min(a, b), min(c, d)), 0.0)), math.floor(min(max(max(a, b), max(c, d)), size - 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(corners, i, j, k, box, nearest, label, face_id, inverse_depth, weights):  # type: ignore[no-untyped-def]
    """Draw a face of three homogeneous pixels inside a box; 1 / z and the weights over z are stepped along the rows.

    Rows are passed by their number: a view of each would cost more than the many triangles too small to cover a pixel.
    """
    left, right, top, bottom = box
    ax, ay, az = corners[i, 0], corners[i, 1], corners[i, 2]
    bx, by, bz = corners[j, 0] - ax, corners[j, 1] - ay, corners[j, 2] - az
    cx, cy, cz = corners[k, 0] - ax, corners[k, 1] - ay, corners[k, 2] - az
    # det · (1 / z) = d · n with n = b × c, and det times the weights of j and k over z are d · (c × a) and d · (a × b).
    nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    det = ax * nx + ay * ny + az * nz
    if abs(det) < _FLAT:
        return
    scale = 1.0 / det
    z_u, z_v, z_1 = nx * scale, ny * scale, nz * scale
    j_u, j_v, j_1 = (cy * az - cz * ay) * scale, (cz * ax - cx * az) * scale, (cx * ay - cy * ax) * scale
    k_u, k_v, k_1 = (ay * bz - az * by) * scale, (az * bx - ax * bz) * scale, (ax * by - ay * bx) * scale
    # A row's pixels inside the face, found rather than tried one by one: which side of an edge one lies on cannot be foreseen.
    left_i, left_i_v, right_i, right_i_v = _side(z_u - j_u - k_u, z_v - j_v - k_v, z_1 - j_1 - k_1)
    left_j, left_j_v, right_j, right_j_v = _side(j_u, j_v, j_1)
    left_k, left_k_v, right_k, right_k_v = _side(k_u, k_v, k_1)
    for v in range(top, bottom + 1):
        begin = max(max(left_i + left_i_v * v, left_j + left_j_v * v), left_k + left_k_v * v)
        end = min(min(right_i + right_i_v * v, right_j + right_j_v * v), right_k + right_k_v * v)
        # Bounded on both sides, for an edge along the row may be crossed further away than an integer can say.
        first = math.ceil(min(max(begin, float(left)), right + 1.0))
        last = math.floor(max(min(end, float(right)), left - 1.0))
        inverse = z_u * first + z_v * v + z_1
        weight_j = j_u * first + j_v * v + j_1
        weight_k = k_u * first + k_v * v + k_1
        row = np.uint64(v)
        for u in range(first, last + 1):
            column = np.uint64(u)
            if (inverse > inverse_depth[row, column]) & (inverse <= nearest):
                inverse_depth[row, column] = inverse
                face_id[row, column] = label
                weights[row, column, 0], weights[row, column, 1] = weight_j, weight_k
            inverse += z_u
            weight_j += j_u
            weight_k += k_u


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _side(along_u, along_v, at_origin):  # type: ignore[no-untyped-def]
    """Return where a row v may begin, a + b v, and where it must end, c + d v, for an affine function to be positive there.

    Where it does not change along the row, it bounds the rows alone, and the box does that.
    """
    if abs(along_u) < _FLAT:
        return -_FAR_PX, 0.0, _FAR_PX, 0.0
    slope = -1.0 / along_u
    start, step = at_origin * slope, along_v * slope
    if along_u > 0.0:
        return start - _EDGE_PX, step, _FAR_PX, 0.0
    return -_FAR_PX, 0.0, start + _EDGE_PX, step
