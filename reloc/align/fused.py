"""The normal equations of the photometric term, block by block of points, so that no Jacobian ever leaves the processor's cache.

Each step over a block is a loop of its own that becomes vector instructions.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.problem import POSE_SIZE, add_products
from reloc.align.sampling import BLOCK, FAST, locate, look_up_with_gradient, project

Array = NDArray[np.float64]


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
) -> tuple[Array, Array, float, int]:
    """Return H (6 + 2 C, 6 + 2 C), g (6 + 2 C,), the cost and the number of points in view; see `PhotometricTerm`."""
    size, channels = POSE_SIZE + len(exposure), value.shape[1]
    hessian, gradient = np.zeros((size, size)), np.zeros(size)
    projected, corner, fraction = np.zeros((5, BLOCK)), np.empty(BLOCK, np.int32), np.empty((3, BLOCK), image.dtype)
    sampled, found = np.empty((3, channels, BLOCK), image.dtype), np.empty((7, channels, BLOCK))
    jacobian = np.zeros((size, channels, BLOCK))
    flat = jacobian.reshape(size, channels * BLOCK)
    cost, seen = 0.0, 0
    for first in range(0, len(points), BLOCK):
        count = min(BLOCK, len(points) - first)
        project(points, first, count, rotation, translation, intrinsics, projected)
        locate(image, count, projected, corner, fraction)
        look_up_with_gradient(image, corner, fraction, sampled)
        more_cost, more_seen = _compare(value, reference_gradient, trust, first, count, exposure, width, sampled, found)
        cost, seen = cost + more_cost, seen + more_seen
        _differentiate(intrinsics, projected, found, 0.5, 0.5, jacobian)
        add_products(flat, found[0].reshape(-1), found[1].reshape(-1), hessian, gradient)
    return hessian, gradient, cost, seen


@njit(cache=True, nogil=True, error_model="numpy")
def gradient_products(
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
) -> tuple[Array, Array]:
    """Return Σ w A Aᵀ and the symmetric part of Σ w A Bᵀ (6 + 2 C, 6 + 2 C).

    A is the Jacobian by the rendering's gradient alone, B that by the image's.
    """
    size, channels = POSE_SIZE + len(exposure), value.shape[1]
    of_rendering, common, ignored = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size)
    projected, corner, fraction = np.zeros((5, BLOCK)), np.empty(BLOCK, np.int32), np.empty((3, BLOCK), image.dtype)
    sampled, found = np.empty((3, channels, BLOCK), image.dtype), np.empty((7, channels, BLOCK))
    by_rendering, by_image = np.zeros((size, channels, BLOCK)), np.zeros((size, channels, BLOCK))
    a, b = by_rendering.reshape(size, channels * BLOCK), by_image.reshape(size, channels * BLOCK)
    for first in range(0, len(points), BLOCK):
        count = min(BLOCK, len(points) - first)
        project(points, first, count, rotation, translation, intrinsics, projected)
        locate(image, count, projected, corner, fraction)
        look_up_with_gradient(image, corner, fraction, sampled)
        _compare(value, reference_gradient, trust, first, count, exposure, width, sampled, found)
        _differentiate(intrinsics, projected, found, 0.0, 1.0, by_rendering)
        _differentiate(intrinsics, projected, found, 1.0, 0.0, by_image)
        residual, weight = found[0].reshape(-1), found[1].reshape(-1)
        add_products(a, residual, weight, of_rendering, ignored)
        _add_cross_products(a, b, weight, common)
    return of_rendering, (common + common.T) / 2


@njit(cache=True, nogil=True, fastmath=FAST)
def _add_cross_products(first, second, weight, product):  # type: ignore[no-untyped-def]
    """Add A W Bᵀ to a product for two Jacobians (P, N)."""
    size, count = first.shape
    weighted = np.empty(count)
    for m in range(size):
        row = first[m]
        for k in range(count):
            weighted[k] = weight[k] * row[k]
        for n in range(size):
            other = second[n]
            total = 0.0
            for k in range(count):
                total += weighted[k] * other[k]
            product[m, n] += total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _compare(value, reference_gradient, trust, first, count, exposure, width, sampled, found):  # type: ignore[no-untyped-def]
    """Write residual, weight, reference and the gradients of image and rendering (7, C, B) of a block; zeros out of view.

    Returns the cost, by Tukey's biweight (`robust.py`), and how many points are in view.
    """
    found[:] = 0.0
    per_width, most_cost, has_trust = 1.0 / width, width * width / 6.0, len(trust) > 0
    cost, seen = 0.0, 0
    for channel in range(value.shape[1]):
        gain, bias = exposure[2 * channel], exposure[2 * channel + 1]
        seen = 0
        for i in range(count):
            k = first + i
            here = np.float64(sampled[0, channel, i])
            along_u, along_v = np.float64(sampled[1, channel, i]), np.float64(sampled[2, channel, i])
            in_view = not np.isnan(here + along_u + along_v)
            trusted = trust[k] if has_trust else 1.0
            reference = value[k, channel]
            residual = here - (gain * reference + bias)
            square = residual * per_width
            square *= square
            square = square if square < 1.0 else 1.0
            rest = 1.0 - square if in_view else 0.0
            cost += trusted * most_cost * square * (3.0 - square * (3.0 - square)) if in_view else 0.0
            found[0, channel, i] = residual if in_view else 0.0
            found[1, channel, i] = trusted * rest * rest
            found[2, channel, i] = reference if in_view else 0.0
            found[3, channel, i] = along_u if in_view else 0.0
            found[4, channel, i] = along_v if in_view else 0.0
            found[5, channel, i] = gain * reference_gradient[k, channel, 0] if in_view else 0.0
            found[6, channel, i] = gain * reference_gradient[k, channel, 1] if in_view else 0.0
            seen += 1 if in_view else 0
    return cost, seen


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _differentiate(intrinsics, projected, found, of_image, of_rendering, jacobian):  # type: ignore[no-untyped-def]
    """Write the Jacobian (6 + 2 C, C, B) of a block by shares of the two gradients.

    What one channel says of the exposure of another stays zero. With the gradient (a, b) in units of the plane z = 1 and
    s = a x + b y there, ∂I/∂P = (a, b, −s) / z by the chain rule through the pinhole, and ∂I/∂δ = (∂I/∂P, P × ∂I/∂P) for the
    left perturbation, where P / z = (x, y, 1).
    """
    fx, fy = intrinsics[0], intrinsics[1]
    for channel in range(found.shape[1]):
        of_gain, of_bias = jacobian[POSE_SIZE + 2 * channel, channel], jacobian[POSE_SIZE + 2 * channel + 1, channel]
        for i in range(BLOCK):
            x, y, inverse = projected[0, i], projected[1, i], projected[2, i]
            a = fx * (of_image * found[3, channel, i] + of_rendering * found[5, channel, i])
            b = fy * (of_image * found[4, channel, i] + of_rendering * found[6, channel, i])
            s = a * x + b * y
            jacobian[0, channel, i], jacobian[1, channel, i], jacobian[2, channel, i] = a * inverse, b * inverse, -s * inverse
            jacobian[3, channel, i], jacobian[4, channel, i], jacobian[5, channel, i] = -y * s - b, a + x * s, x * b - y * a
            of_gain[i], of_bias[i] = -found[2, channel, i], -1.0
