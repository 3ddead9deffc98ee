"""Colour of the visible surface: texture lookups at the level whose texels are about as large as the pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def shade_texture(
    face_id: NDArray[np.int32],
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    uv: NDArray[np.float32],
    material: NDArray[np.int16],
    texels: NDArray[np.uint8],
    offset: NDArray[np.int64],
    level_width: NDArray[np.int32],
    level_height: NDArray[np.int32],
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    image: NDArray[np.float32],
) -> None:
    """Add colours in 0..1 to `image` (H, W, C), filled with 0; `texels` (N, C) hold all levels of all textures in turn."""
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    planes, corners = np.empty((3, 3)), np.empty((3, 3))
    coarsest = offset.shape[1] - 1
    previous, m, fine, coarse = -1, 0, 0, 0
    of_fine, of_coarse = np.float32(0), np.float32(0)
    for v in range(height):
        y = (v - cy) / fy
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            x = (u - cx) / fx
            if face != previous:
                # Once for each run of pixels of a face: the footprint changes little along it.
                previous, m = face, material[face]
                depth_scale = _corner_planes(vertices, faces, face, rotation, translation, corners, planes)
                texels_in_face = _uv_area(uv, face) * level_width[m, 0] * level_height[m, 0]
                level = _level(planes, depth_scale, x, y, texels_in_face / (fx * fy))
                fine = min(int(level), coarsest)
                coarse = min(fine + 1, coarsest)
                of_coarse = np.float32(min(level - fine, 1.0) / 255.0)
                of_fine = np.float32(1.0 / 255.0) - of_coarse
            b0, b1, b2 = _weights(planes, x, y)
            s = b0 * uv[face, 0, 0] + b1 * uv[face, 1, 0] + b2 * uv[face, 2, 0]
            t = b0 * uv[face, 0, 1] + b1 * uv[face, 1, 1] + b2 * uv[face, 2, 1]
            _add_bilinear(texels, offset[m, fine], level_width[m, fine], level_height[m, fine], s, t, of_fine, image, v, u)
            if of_coarse > 0:
                _add_bilinear(
                    texels, offset[m, coarse], level_width[m, coarse], level_height[m, coarse], s, t, of_coarse, image, v, u
                )


@njit(cache=True, nogil=True, error_model="numpy")
def shade_vertex_colors(
    face_id: NDArray[np.int32],
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    colors: NDArray[np.float32],
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    image: NDArray[np.float32],
) -> None:
    """Write colours into `image` (H, W, C), interpolated between the corners from `colors` (V, C) in 0..1."""
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    planes, corners = np.empty((3, 3)), np.empty((3, 3))
    previous = -1
    for v in range(height):
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            if face != previous:
                previous = face
                _corner_planes(vertices, faces, face, rotation, translation, corners, planes)
            b0, b1, b2 = _weights(planes, (u - cx) / fx, (v - cy) / fy)
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            for channel in range(image.shape[2]):
                image[v, u, channel] = b0 * colors[i, channel] + b1 * colors[j, channel] + b2 * colors[k, channel]


@njit(cache=True, nogil=True)
def facing_cosine(
    face_id: NDArray[np.int32],
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    rotation: NDArray[np.float64],
    translation: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    cosine: NDArray[np.float32],
) -> None:
    """Write into `cosine` (H, W) the cosine between the outward normal and the direction to the camera."""
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    previous, nx, ny, nz = -1, 0.0, 0.0, 0.0
    for v in range(height):
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            if face != previous:
                previous = face
                nx, ny, nz = _face_normal(vertices, faces[face, 0], faces[face, 1], faces[face, 2])
            x, y = (u - cx) / fx, (v - cy) / fy
            # The ray in world space is Rᵀ (x, y, 1).
            dx = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0]
            dy = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]
            dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
            norm = math.sqrt((nx * nx + ny * ny + nz * nz) * (x * x + y * y + 1.0))
            if norm > 0.0:
                cosine[v, u] = -(nx * dx + ny * dy + nz * dz) / norm


@njit(cache=True, nogil=True, inline="always")
def _face_normal(vertices, i, j, k):  # type: ignore[no-untyped-def]
    """Return the normal of a face, of twice its area's length, towards the side from which its corners run counter-clockwise."""
    ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    bx, by, bz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
    cx, cy, cz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
    return by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx


@njit(cache=True, nogil=True, error_model="numpy")
def _corner_planes(vertices, faces, face, rotation, translation, corners, planes):  # type: ignore[no-untyped-def]
    """Write cⱼ × cₖ for the corners c of a face in camera space; return det(c₀, c₁, c₂).

    A ray d cuts the tetrahedron between camera and face into three, whose volumes d · (cⱼ × cₖ) are proportional to the weights
    of the corners where it meets the face. They add up to d · n, with |n| twice the area of the face, and det = z · (d · n).
    """
    for i in range(3):
        x, y, z = vertices[faces[face, i], 0], vertices[faces[face, i], 1], vertices[faces[face, i], 2]
        for row in range(3):
            corners[i, row] = rotation[row, 0] * x + rotation[row, 1] * y + rotation[row, 2] * z + translation[row]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        for row in range(3):
            m, n = (row + 1) % 3, (row + 2) % 3
            planes[i, row] = corners[j, m] * corners[k, n] - corners[j, n] * corners[k, m]
    return corners[0, 0] * planes[0, 0] + corners[0, 1] * planes[0, 1] + corners[0, 2] * planes[0, 2]


@njit(cache=True, nogil=True, inline="always")
def _dot(planes, i, x, y):  # type: ignore[no-untyped-def]
    return planes[i, 0] * x + planes[i, 1] * y + planes[i, 2]


@njit(cache=True, nogil=True, inline="always")
def _weights(planes, x, y):  # type: ignore[no-untyped-def]
    """Return the barycentric weights where the ray (x, y, 1) meets the face."""
    w0, w1, w2 = _dot(planes, 0, x, y), _dot(planes, 1, x, y), _dot(planes, 2, x, y)
    total = w0 + w1 + w2
    inverse = 1.0 / total if total != 0.0 else 0.0
    return w0 * inverse, w1 * inverse, w2 * inverse


@njit(cache=True, nogil=True)
def _level(planes, depth_scale, x, y, texels_per_area):  # type: ignore[no-untyped-def]
    """Return the texture level, a real number, at which a texel is about as large as the pixel of the ray (x, y, 1).

    A pixel of area a on the plane z = 1 sees 2 a z² / |d · n| of the face, where z = det / (d · n).
    """
    total = _dot(planes, 0, x, y) + _dot(planes, 1, x, y) + _dot(planes, 2, x, y)
    if total == 0.0:
        return 0.0
    z = depth_scale / total
    texels = texels_per_area * z * z / abs(total)
    return 0.5 * math.log2(texels) if texels > 1.0 else 0.0


@njit(cache=True, nogil=True)
def _uv_area(uv, face):  # type: ignore[no-untyped-def]
    """Return twice the area of a face in the texture, in the unit of uv."""
    su, sv = uv[face, 1, 0] - uv[face, 0, 0], uv[face, 1, 1] - uv[face, 0, 1]
    tu, tv = uv[face, 2, 0] - uv[face, 0, 0], uv[face, 2, 1] - uv[face, 0, 1]
    return abs(su * tv - sv * tu)


@njit(cache=True, nogil=True, inline="always")
def _add_bilinear(texels, offset, width, height, s, t, factor, image, row, column):  # type: ignore[no-untyped-def]
    """Add `factor` times the texture at (s, t) in 0..1; texel centres lie at (i + 0.5) / width on every level."""
    u = min(max(s * width - 0.5, 0.0), width - 1.0)
    v = min(max(t * height - 0.5, 0.0), height - 1.0)
    u0, v0 = np.uint64(u), np.uint64(v)
    a, b = np.float32(u - u0), np.float32(v - v0)
    corner = np.uint64(offset) + v0 * np.uint64(width) + u0
    right = np.uint64(u < width - 1)
    below = np.uint64(v < height - 1) * np.uint64(width)
    for channel in range(image.shape[2]):
        top = (1 - a) * texels[corner, channel] + a * texels[corner + right, channel]
        bottom = (1 - a) * texels[corner + below, channel] + a * texels[corner + below + right, channel]
        image[row, column, channel] += factor * ((1 - b) * top + b * bottom)
