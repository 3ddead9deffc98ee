"""Bilinear lookups of values and gradients in one level of a pyramid, compiled into the loops of the residual terms."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True, inline="always")
def inside(image, u, v):  # type: ignore[no-untyped-def]
    """Return whether value and gradient can be looked up there; false for NaN."""
    return u >= 1.0 and v >= 1.0 and u < image.shape[1] - 2 and v < image.shape[0] - 2


@njit(cache=True, nogil=True, inline="always")
def _mix(a00, a01, a10, a11, a, b):  # type: ignore[no-untyped-def]
    """Interpolate between four corners, named by row and column."""
    return (1.0 - b) * ((1.0 - a) * a00 + a * a01) + b * ((1.0 - a) * a10 + a * a11)


@njit(cache=True, nogil=True, inline="always")
def value_at(flat, corner, right, below, a, b):  # type: ignore[no-untyped-def]
    """Interpolate at the entry `corner` of a flat array and its neighbours; unsigned offsets spare a check of their sign."""
    return _mix(flat[corner], flat[corner + right], flat[corner + below], flat[corner + below + right], a, b)


@njit(cache=True, nogil=True, inline="always")
def value_and_gradient_at(flat, corner, right, below, a, b):  # type: ignore[no-untyped-def]
    """Interpolate the value and its central differences along u and v, from the twelve pixels around."""
    i00, i01 = flat[corner], flat[corner + right]
    i10, i11 = flat[corner + below], flat[corner + below + right]
    value = _mix(i00, i01, i10, i11, a, b)
    left_top, left_bottom = flat[corner - right], flat[corner + below - right]
    right_top, right_bottom = flat[corner + right + right], flat[corner + below + right + right]
    along_u = 0.5 * _mix(i01 - left_top, right_top - i00, i11 - left_bottom, right_bottom - i10, a, b)
    above_left, above_right = flat[corner - below], flat[corner - below + right]
    under_left, under_right = flat[corner + below + below], flat[corner + below + below + right]
    along_v = 0.5 * _mix(i10 - above_left, i11 - above_right, under_left - i00, under_right - i01, a, b)
    return value, along_u, along_v
