"""The normal equations of the photometric term, block by block of points, so that no Jacobian ever leaves the processor's cache.

Of each block, the projections and the Jacobian are loops that become vector instructions; only the lookups go point by point.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.problem import POSE_SIZE, add_products
from reloc.align.robust import tukey
from reloc.align.sampling import inside, value_and_gradient_at

Array = NDArray[np.float64]

# Points at a time: their Jacobian takes 8 KiB a channel.
_BLOCK = 128
# A point no further from the camera's centre lies in the camera itself; rounding would decide what it sees.
_IN_CAMERA = 1e-12
# The parts of fastmath that let sums be taken in any order and divisions become products; NaN stays NaN.
_FAST = {"reassoc", "contract", "arcp"}


@njit(cache=True, nogil=True, error_model="numpy")
def photometric_equations(
    points: Array,
    value: Array,
    reference_gradient: Array,
    trust: Array,
    image: NDArray[np.float32],
    rotation: Array,
    translation: Array,
    exposure: Array,
    intrinsics: Array,
    width: float,
    image_share: float,
) -> tuple[Array, Array, float, int]:
    """Return H (6 + 2 C, 6 + 2 C), g (6 + 2 C,), the cost and the number of points in view; see `PhotometricTerm`."""
    size, channels = POSE_SIZE + len(exposure), value.shape[1]
    hessian, gradient = np.zeros((size, size)), np.zeros(size)
    projected = np.zeros((5, _BLOCK))
    found = np.zeros((5, channels, _BLOCK))
    jacobian = np.zeros((size, channels, _BLOCK))
    flat = jacobian.reshape(size, channels * _BLOCK)
    cost, seen = 0.0, 0
    for first in range(0, len(points), _BLOCK):
        count = min(_BLOCK, len(points) - first)
        _project(points, first, count, rotation, translation, intrinsics, projected)
        more_cost, more_seen = _look_up(
            image, value, reference_gradient, trust, first, count, exposure, width, image_share, projected, found
        )
        cost, seen = cost + more_cost, seen + more_seen
        _differentiate(intrinsics, projected, found, jacobian)
        add_products(flat, found[0].reshape(-1), found[1].reshape(-1), hessian, gradient)
    return hessian, gradient, cost, seen


# What follows is passed whole arrays and where to begin: of slices the compiler does not know that their rows lie in one piece.


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _project(points, first, count, rotation, translation, intrinsics, projected):  # type: ignore[no-untyped-def]
    """Write x / z, y / z, 1 / z, u and v of each point of a block; zeros and the principal point behind the camera."""
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _look_up(  # type: ignore[no-untyped-def]
    image, value, reference_gradient, trust, first, count, exposure, width, image_share, projected, found
):
    """Write residual, weight, gradient along u and v, and reference of each channel and point of a block; zeros out of view.

    The gradient is `image_share` of the image's and the rest of the rendering's. Returns the cost and how many points are in
    view.
    """
    channels = value.shape[1]
    residuals, weights, along_us, along_vs, references = found[0], found[1], found[2], found[3], found[4]
    flat = image.reshape(-1)
    right, below = np.uint64(channels), np.uint64(channels * image.shape[1])
    cost, seen = 0.0, 0
    for i in range(_BLOCK):
        k = first + i
        u, v = projected[3, i], projected[4, i]
        in_view = i < count and projected[2, i] > 0.0 and inside(image, u, v)
        column, row = np.int64(u if in_view else 1.0), np.int64(v if in_view else 1.0)
        a, b = u - column, v - row
        corner = np.uint64(row) * below + np.uint64(column) * right
        for channel in range(channels):
            residuals[channel, i], weights[channel, i], references[channel, i] = 0.0, 0.0, 0.0
            along_us[channel, i], along_vs[channel, i] = 0.0, 0.0
            if not in_view:
                continue
            here, along_u, along_v = value_and_gradient_at(flat, corner + np.uint64(channel), right, below, a, b)
            if np.isnan(here + along_u + along_v):
                in_view = False
                continue
            gain, reference = exposure[2 * channel], value[k, channel]
            r = here - (gain * reference + exposure[2 * channel + 1])
            rho, w = tukey(r, width)
            if len(trust) > 0:
                rho, w = trust[k] * rho, trust[k] * w
            cost += rho
            residuals[channel, i], weights[channel, i], references[channel, i] = r, w, reference
            expected_u, expected_v = gain * reference_gradient[k, channel, 0], gain * reference_gradient[k, channel, 1]
            along_us[channel, i] = image_share * along_u + (1.0 - image_share) * expected_u
            along_vs[channel, i] = image_share * along_v + (1.0 - image_share) * expected_v
        seen += in_view
    return cost, seen


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)
def _differentiate(intrinsics, projected, found, jacobian):  # type: ignore[no-untyped-def]
    """Write the Jacobian (6 + 2 C, C, B) of a block; what one channel says of the exposure of another stays zero.

    With the gradient (a, b) in units of the plane z = 1 and s = a x + b y there, ∂I/∂P = (a, b, −s) / z by the chain rule
    through the pinhole, and ∂I/∂δ = (∂I/∂P, P × ∂I/∂P) for the left perturbation, where P / z = (x, y, 1).
    """
    fx, fy = intrinsics[0], intrinsics[1]
    for channel in range(found.shape[1]):
        of_gain, of_bias = jacobian[POSE_SIZE + 2 * channel, channel], jacobian[POSE_SIZE + 2 * channel + 1, channel]
        for i in range(_BLOCK):
            x, y, inverse = projected[0, i], projected[1, i], projected[2, i]
            a, b = fx * found[2, channel, i], fy * found[3, channel, i]
            s = a * x + b * y
            jacobian[0, channel, i], jacobian[1, channel, i], jacobian[2, channel, i] = a * inverse, b * inverse, -s * inverse
            jacobian[3, channel, i], jacobian[4, channel, i], jacobian[5, channel, i] = -y * s - b, a + x * s, x * b - y * a
            of_gain[i], of_bias[i] = -found[4, channel, i], -1.0
