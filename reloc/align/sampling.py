"""Where points fall in one level of a pyramid, and bilinear lookups there of values and gradients, a block of points at a time.

Each loop, alone in its function and without a branch, becomes vector instructions: a block is looked up as a whole, and what is
out of view shows itself as NaN. Functions are passed whole arrays and where to begin: of slices the compiler does not know that
their rows lie in one piece.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 128
"""Points at a time: what is kept of them stays in the processor's nearest cache."""
FAST = {"reassoc", "contract", "arcp"}
"""The parts of fastmath that let sums be taken in any order and divisions become products; NaN stays NaN."""

# A point no further from the camera's centre lies in the camera itself; rounding would decide what it sees.
_IN_CAMERA = 1e-12
# Looking up a gradient takes one pixel more on each side of the two that a point lies between.
_REACH = 4
# Of float32, so that the type of an image decides how exactly it is looked up.
_ONE, _HALF, _SEEN, _UNSEEN = np.float32(1), np.float32(0.5), np.float32(0), np.float32(np.nan)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def project(points, first, count, rotation, translation, intrinsics, projected):  # type: ignore[no-untyped-def]
    """Write x / z, y / z, 1 / z, u, v (5, B) of a block of points (N, 3); behind the camera zeros and the principal point."""
    fx, fy, cx, cy = intrinsics
    tx, ty, tz = translation
    xs, ys, inverses, us, vs = projected[0], projected[1], projected[2], projected[3], projected[4]
    for i in range(count):
        px, py, pz = points[first + i, 0], points[first + i, 1], points[first + i, 2]
        z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + tz
        inverse = 1.0 / z if z > _IN_CAMERA else 0.0
        x = (rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + tx) * inverse
        y = (rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + ty) * inverse
        xs[i], ys[i], inverses[i] = x, y, inverse
        us[i], vs[i] = fx * x + cx, fy * y + cy


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def locate(image, count, projected, corner, fraction):  # type: ignore[no-untyped-def]
    """Write where a block's points lie in an image (H, W, C).

    Args:
        image: The level.
        count: How many points the block has.
        projected: (5, B) see `project`.
        corner: (B,) int32, of the flat image the entry above and to the left of the point; of a point out of view any.
        fraction: (3, B) in the image's own type, how far it lies from there along u and v, and 0, or NaN out of view.
    """
    height, width, channels = image.shape
    for i in range(BLOCK):
        u, v = projected[3, i], projected[4, i]
        # Not `and`, which would be a branch. False for NaN.
        in_view = (i < count) & (projected[2, i] > 0.0) & (u >= 1.0) & (v >= 1.0) & (u < width - 2.0) & (v < height - 2.0)
        u, v = u if in_view else 1.0, v if in_view else 1.0
        column, row = np.int32(u), np.int32(v)
        corner[i] = (row * np.int32(width) + column) * np.int32(channels)
        fraction[0, i], fraction[1, i] = u - column, v - row
        fraction[2, i] = _SEEN if in_view else _UNSEEN


@njit(cache=True, nogil=True, inline="always")
def _mix(a00, a01, a10, a11, a, b):  # type: ignore[no-untyped-def]
    """Interpolate between four corners, named by row and column."""
    return (_ONE - b) * ((_ONE - a) * a00 + a * a01) + b * ((_ONE - a) * a10 + a * a11)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def look_up(image, corner, fraction, value):  # type: ignore[no-untyped-def]
    """Write the values (C, B) of an image (H, W, C) where `locate` has found the points; NaN out of view."""
    flat = image.reshape(-1)
    height, width, channels = image.shape
    if height < _REACH or width < _REACH:
        value[:] = _UNSEEN
        return
    # Unsigned entries spare a check of their sign.
    right, below = np.uint64(channels), np.uint64(channels * width)
    for c in range(channels):
        for i in range(BLOCK):
            k = np.uint64(corner[i] + c)
            here = _mix(flat[k], flat[k + right], flat[k + below], flat[k + below + right], fraction[0, i], fraction[1, i])
            value[c, i] = here + fraction[2, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def look_up_with_gradient(image, corner, fraction, found):  # type: ignore[no-untyped-def]
    """Write the values and their central differences along u and v (3, C, B), from the twelve pixels around; NaN out of view."""
    flat = image.reshape(-1)
    height, width, channels = image.shape
    if height < _REACH or width < _REACH:
        found[:] = _UNSEEN
        return
    right, below = np.uint64(channels), np.uint64(channels * width)
    for c in range(channels):
        for i in range(BLOCK):
            k, a, b = np.uint64(corner[i] + c), fraction[0, i], fraction[1, i]
            i00, i01 = flat[k], flat[k + right]
            i10, i11 = flat[k + below], flat[k + below + right]
            left_top, left_bottom = flat[k - right], flat[k + below - right]
            right_top, right_bottom = flat[k + right + right], flat[k + below + right + right]
            above_left, above_right = flat[k - below], flat[k - below + right]
            under_left, under_right = flat[k + below + below], flat[k + below + below + right]
            found[0, c, i] = _mix(i00, i01, i10, i11, a, b) + fraction[2, i]
            found[1, c, i] = _HALF * _mix(i01 - left_top, right_top - i00, i11 - left_bottom, right_bottom - i10, a, b)
            found[2, c, i] = _HALF * _mix(i10 - above_left, i11 - above_right, under_left - i00, under_right - i01, a, b)
