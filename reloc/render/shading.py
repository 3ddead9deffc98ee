"""Colour of the visible surface: texture lookups at the level whose texels are about as large as the pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
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
    """Write colours in 0..1 into `image` (H, W, C), where `texels` (N, C) hold all levels of all textures one after another."""
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    corners = np.empty((3, 3))
    weight = np.empty(3)
    scale = np.float32(1.0 / 255.0)
    color = np.empty(image.shape[2], dtype=np.float32)
    for v in range(height):
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            footprint = _barycentric(
                vertices, faces, face, rotation, translation, (u - cx) / fx, (v - cy) / fy, 1.0 / (fx * fy), corners, weight
            )
            m = material[face]
            s = weight[0] * uv[face, 0, 0] + weight[1] * uv[face, 1, 0] + weight[2] * uv[face, 2, 0]
            t = weight[0] * uv[face, 0, 1] + weight[1] * uv[face, 1, 1] + weight[2] * uv[face, 2, 1]
            uv_area = abs(
                (uv[face, 1, 0] - uv[face, 0, 0]) * (uv[face, 2, 1] - uv[face, 0, 1])
                - (uv[face, 1, 1] - uv[face, 0, 1]) * (uv[face, 2, 0] - uv[face, 0, 0])
            )
            texels_per_pixel = footprint * uv_area * level_width[m, 0] * level_height[m, 0]
            level = 0.5 * math.log2(max(texels_per_pixel, 1.0))
            fine = min(int(level), offset.shape[1] - 1)
            coarse = min(fine + 1, offset.shape[1] - 1)
            blend = np.float32(min(level - fine, 1.0))
            for channel in range(color.shape[0]):
                color[channel] = 0.0
            _add_bilinear(texels, offset[m, fine], level_width[m, fine], level_height[m, fine], s, t, (1 - blend) * scale, color)
            if blend > 0:
                _add_bilinear(texels, offset[m, coarse], level_width[m, coarse], level_height[m, coarse], s, t, blend * scale, color)
            for channel in range(color.shape[0]):
                image[v, u, channel] = color[channel]


@njit(cache=True, nogil=True)
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
    corners = np.empty((3, 3))
    weight = np.empty(3)
    for v in range(height):
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            _barycentric(vertices, faces, face, rotation, translation, (u - cx) / fx, (v - cy) / fy, 1.0, corners, weight)
            for channel in range(image.shape[2]):
                value = 0.0
                for i in range(3):
                    value += weight[i] * colors[faces[face, i], channel]
                image[v, u, channel] = value


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
    for v in range(height):
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            a, b, c = vertices[faces[face, 0]], vertices[faces[face, 1]], vertices[faces[face, 2]]
            ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
            gx, gy, gz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
            nx, ny, nz = ey * gz - ez * gy, ez * gx - ex * gz, ex * gy - ey * gx
            x, y = (u - cx) / fx, (v - cy) / fy
            # The ray in world space is Rᵀ (x, y, 1).
            dx = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0]
            dy = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]
            dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
            norm = math.sqrt((nx * nx + ny * ny + nz * nz) * (x * x + y * y + 1.0))
            if norm > 0.0:
                cosine[v, u] = -(nx * dx + ny * dy + nz * dz) / norm


@njit(cache=True, nogil=True, inline="always")
def _barycentric(vertices, faces, face, rotation, translation, x, y, pixel_area, corners, weight):  # type: ignore[no-untyped-def]
    """Write the weights of the corners where the ray d = (x, y, 1) meets the face; return half the share of it that a pixel covers.

    The weight of corner i is proportional to d · (cⱼ × cₖ): the ray cuts the tetrahedron between camera and face into three,
    and these are their volumes. They add up to d · n, where |n| is twice the area of the face. A pixel of area a on the plane
    z = 1 sees a z² |n| / |d · n| of the surface, which is 2 a z² / |d · n| of the face.
    """
    for i in range(3):
        p = vertices[faces[face, i]]
        for row in range(3):
            corners[i, row] = (
                rotation[row, 0] * p[0] + rotation[row, 1] * p[1] + rotation[row, 2] * p[2] + translation[row]
            )
    total = 0.0
    for i in range(3):
        a, b = corners[(i + 1) % 3], corners[(i + 2) % 3]
        weight[i] = (
            x * (a[1] * b[2] - a[2] * b[1]) + y * (a[2] * b[0] - a[0] * b[2]) + (a[0] * b[1] - a[1] * b[0])
        )
        total += weight[i]
    if total == 0.0:
        total = 1e-30  # seen exactly edge-on: any weights will do, but not NaN
    for i in range(3):
        weight[i] /= total
    z = weight[0] * corners[0, 2] + weight[1] * corners[1, 2] + weight[2] * corners[2, 2]
    return pixel_area * z * z / abs(total)


@njit(cache=True, nogil=True, inline="always")
def _add_bilinear(texels, offset, width, height, s, t, factor, color):  # type: ignore[no-untyped-def]
    """Add `factor` times the texture at (s, t) in 0..1; texel centres lie at (i + 0.5) / width on every level."""
    u = min(max(s * width - 0.5, 0.0), width - 1.0)
    v = min(max(t * height - 0.5, 0.0), height - 1.0)
    u0, v0 = int(u), int(v)
    u1, v1 = min(u0 + 1, width - 1), min(v0 + 1, height - 1)
    a, b = np.float32(u - u0), np.float32(v - v0)
    for channel in range(color.shape[0]):
        top = (1 - a) * texels[offset + v0 * width + u0, channel] + a * texels[offset + v0 * width + u1, channel]
        bottom = (1 - a) * texels[offset + v1 * width + u0, channel] + a * texels[offset + v1 * width + u1, channel]
        color[channel] += factor * ((1 - b) * top + b * bottom)
