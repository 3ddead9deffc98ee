"""Colour of the visible surface: texture lookups at the level whose texels are about as large as the pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def shade_texture(
    face_id: NDArray[np.int32],
    depth: NDArray[np.float32],
    weights: NDArray[np.float32],
    plane: NDArray[np.float32],
    texel_density: NDArray[np.float32],
    uv: NDArray[np.float32],
    material: NDArray[np.int16],
    texels: NDArray[np.uint8],
    offset: NDArray[np.int64],
    level_width: NDArray[np.int32],
    level_height: NDArray[np.int32],
    camera_in_world: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    image: NDArray[np.float32],
) -> None:
    """Add colours in 0..1 to `image` (H, W) or (H, W, 3), filled with 0.

    The first three arguments are those of `Rendering`, the next two those of `FacePlanes`; `texels` (N,) or (N, 3) hold all
    levels of all textures in turn, as in `TextureLevels`.
    """
    height, width = face_id.shape
    pixel_area = 1.0 / (intrinsics[0] * intrinsics[1])
    coarsest = offset.shape[1] - 1
    s0, s1, s2, t0, t1, t2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    fine_start, fine_width, fine_height = np.int64(0), 1.0, 1.0
    coarse_start, coarse_width, coarse_height = np.int64(0), 1.0, 1.0
    of_fine, of_coarse = np.float32(0), np.float32(0)
    for v in range(height):
        previous = -1
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            if face != previous:
                # Once for each run of pixels of a face: the footprint changes little along it.
                previous, m = face, material[face]
                s0, s1, s2 = uv[face, 0, 0], uv[face, 1, 0] - uv[face, 0, 0], uv[face, 2, 0] - uv[face, 0, 0]
                t0, t1, t2 = uv[face, 0, 1], uv[face, 1, 1] - uv[face, 0, 1], uv[face, 2, 1] - uv[face, 0, 1]
                level = _level(_in_front(plane, face, camera_in_world), depth[v, u], pixel_area * texel_density[face])
                fine = min(int(level), coarsest)
                coarse = min(fine + 1, coarsest)
                of_coarse = np.float32(min(level - fine, 1.0) / 255.0)
                of_fine = np.float32(1.0 / 255.0) - of_coarse
                fine_start, fine_width, fine_height = _size(offset, level_width, level_height, m, fine)
                coarse_start, coarse_width, coarse_height = _size(offset, level_width, level_height, m, coarse)
            w1, w2 = weights[v, u, 0], weights[v, u, 1]
            s, t = s0 + w1 * s1 + w2 * s2, t0 + w1 * t1 + w2 * t2
            _add_bilinear(texels, fine_start, fine_width, fine_height, s, t, of_fine, image, v, u)
            _add_bilinear(texels, coarse_start, coarse_width, coarse_height, s, t, of_coarse, image, v, u)


@njit(cache=True, nogil=True)
def shade_vertex_colors(
    face_id: NDArray[np.int32],
    weights: NDArray[np.float32],
    faces: NDArray[np.int32],
    colors: NDArray[np.float32],
    image: NDArray[np.float32],
) -> None:
    """Write colours into `image` (H, W, C), interpolated between the corners from `colors` (V, C) in 0..1."""
    height, width = face_id.shape
    for v in range(height):
        for u in range(width):
            face = face_id[v, u]
            if face < 0:
                continue
            w1, w2 = weights[v, u, 0], weights[v, u, 1]
            w0 = np.float32(1.0) - w1 - w2
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            for channel in range(image.shape[2]):
                image[v, u, channel] = w0 * colors[i, channel] + w1 * colors[j, channel] + w2 * colors[k, channel]


@njit(cache=True, nogil=True, error_model="numpy")
def facing_cosine(
    face_id: NDArray[np.int32],
    depth: NDArray[np.float32],
    plane: NDArray[np.float32],
    camera_in_world: NDArray[np.float64],
    intrinsics: NDArray[np.float64],
    cosine: NDArray[np.float32],
) -> None:
    """Write into `cosine` (H, W) the cosine between the outward normal and the direction to the camera, 0 where nothing is.

    It is the camera's distance from the plane of the face over that from the point seen, z |d| for the ray d = (x, y, 1).
    """
    height, width = face_id.shape
    fx, fy, cx, cy = intrinsics
    for v in range(height):
        previous, in_front = -1, np.float32(0)
        for u in range(width):
            face = face_id[v, u]
            if face != previous:
                previous = face
                in_front = np.float32(_in_front(plane, face, camera_in_world)) if face >= 0 else np.float32(0)
            cosine[v, u] = in_front
        # In a loop of its own, which becomes vector instructions.
        y = np.float32((v - cy) / fy)
        for u in range(width):
            x = np.float32((u - cx) / fx)
            z = depth[v, u] if depth[v, u] > 0 else np.float32(1)
            cosine[v, u] /= z * np.sqrt(x * x + y * y + np.float32(1))


@njit(cache=True, nogil=True, inline="always")
def _in_front(plane, face, camera_in_world):  # type: ignore[no-untyped-def]
    """Return how far the camera lies in front of the plane of a face."""
    x, y, z = camera_in_world
    return plane[face, 0] * x + plane[face, 1] * y + plane[face, 2] * z + plane[face, 3]


@njit(cache=True, nogil=True, inline="always")
def _level(in_front, z, texels_per_area):  # type: ignore[no-untyped-def]
    """Return the texture level, a real number, at which a texel is about as large as a pixel.

    A pixel that is of area a on the plane z = 1 sees a z² |d| / cos of a face, along the ray d = (x, y, 1), and by
    `facing_cosine` that is a z³ over the camera's distance from the plane; `texels_per_area` includes a.
    """
    texels = texels_per_area * z * z * z / abs(in_front)
    return 0.5 * math.log2(texels) if 1.0 < texels < np.inf else 0.0


@njit(cache=True, nogil=True, inline="always")
def _size(offset, width, height, texture, level):  # type: ignore[no-untyped-def]
    """Return where a level begins in the flat array, its width and its height, in the types that lookups want."""
    return np.int64(offset[texture, level]), np.float64(width[texture, level]), np.float64(height[texture, level])


@njit(cache=True, nogil=True)
def _add_bilinear(texels, start, width, height, s, t, factor, image, row, column):  # type: ignore[no-untyped-def]
    """Add `factor` times the texture at (s, t) in 0..1; texel centres lie at (i + 0.5) / width on every level."""
    x = min(max(s * width - 0.5, 0.0), width - 1.0)
    y = min(max(t * height - 0.5, 0.0), height - 1.0)
    left, top = np.int64(x), np.int64(y)
    a, b = np.float32(x - left), np.float32(y - top)
    # Unsigned, which spares a check of the sign at every lookup.
    corner = np.uint64(start + top * np.int64(width) + left)
    # At the last column and row the neighbours, of weight zero, are the texel itself.
    right = corner + np.uint64(x < width - 1.0)
    below = np.uint64(np.int64(y < height - 1.0) * np.int64(width))
    # Compiled for one of the two: a loop over a single channel would cost a third more.
    if image.ndim == 2:
        image[row, column] += factor * _mixed(texels[corner], texels[right], texels[corner + below], texels[right + below], a, b)
    else:
        for c in range(3):
            image[row, column, c] += factor * _mixed(
                texels[corner, c], texels[right, c], texels[corner + below, c], texels[right + below, c], a, b
            )


@njit(cache=True, nogil=True, inline="always")
def _mixed(top_left, top_right, bottom_left, bottom_right, a, b):  # type: ignore[no-untyped-def]
    """Interpolate between four texels."""
    top = top_left + a * (np.float32(top_right) - np.float32(top_left))
    bottom = bottom_left + a * (np.float32(bottom_right) - np.float32(bottom_left))
    return top + b * (bottom - top)
