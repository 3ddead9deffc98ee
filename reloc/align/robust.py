"""Robust cost: a least-squares bowl that levels out, so that what the map does not explain has no say.

Tukey's biweight (Beaton and Tukey 1974), a smooth clipped L2: ρ(r) = c²/6 (1 − (1 − (r/c)²)³) inside |r| < c, c²/6 outside.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The median of |r| of a normal distribution is 0.6745 σ.
_MAD_TO_SIGMA = 1.4826
# Residuals all but vanish on synthetic images; a scale of zero would divide.
_LEAST_SCALE = 1e-4
# Where hardly a residual lies inside the bowl, the mean slope there may vanish or be negative.
_LEAST_SLOPE = 0.05


@njit(cache=True, nogil=True, inline="always")
def tukey(residual, width):  # type: ignore[no-untyped-def]
    """Return (ρ, w) with the weight w = ρ'(r) / r in 0..1."""
    square = residual / width
    square *= square
    if square >= 1.0:
        return width * width / 6.0, 0.0
    rest = 1.0 - square
    # Multiplied out: 1 − (1 − s)³ would lose all digits where the width clips nothing.
    return residual * residual / 6.0 * (3.0 - square * (3.0 - square)), rest * rest


def robust_scale(residuals: Array) -> float:
    """Return the standard deviation of the bulk of the residuals, from their median magnitude; NaN entries are passed over."""
    magnitudes = np.abs(residuals[~np.isnan(residuals)])
    if magnitudes.size == 0:
        return _LEAST_SCALE
    middle = magnitudes.size // 2
    return max(_MAD_TO_SIGMA * float(np.partition(magnitudes, middle)[middle]), _LEAST_SCALE)


@njit(cache=True, nogil=True)
def estimate_variance(residuals, width):  # type: ignore[no-untyped-def]
    """Return the factor on (Σ w J Jᵀ)⁻¹ that makes it the covariance of an estimate with Tukey's weights.

    With ψ = w r this is Σψ² Σw / (Σψ')², the asymptotic variance of an M-estimate (Huber, "Robust Statistics", 1981, section
    7.6), counted on the weights of the points, so that a region without weight says nothing of what it would have seen. For
    weights that are all 1 it is the mean square of the residuals.

    Args:
        residuals: (N, C); NaN entries are passed over.
        width: Of the robust cost.
    """
    squares, weights, slopes = 0.0, 0.0, 0.0
    for residual in residuals.flat:
        share = (residual / width) ** 2
        if share < 1.0:  # false for NaN
            weight = (1.0 - share) ** 2
            weights += weight
            squares += (weight * residual) ** 2
            slopes += (1.0 - share) * (1.0 - 5.0 * share)
    slopes = max(slopes, _LEAST_SLOPE * weights)
    variance = squares * weights / (slopes * slopes) if weights > 0.0 else width * width
    return max(variance, _LEAST_SCALE * _LEAST_SCALE)
