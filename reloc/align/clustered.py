"""How sure a pose is whose residuals are not independent: errors of a model's shape stay the same over a stretch of its outline.

The inverse Hessian takes every residual for news. Where they come in clusters, whose sums are independent but whose members are
not, the covariance is H⁻¹ (Σ g gᵀ) H⁻¹ with the gradient g of each cluster (Liang and Zeger, "Longitudinal data analysis using
generalized linear models", Biometrika 1986). At the minimum these gradients add up to zero, but each of them does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from reloc.align.problem import NormalEquations

Array = NDArray[np.float64]

# Directions that nothing determines get a huge variance, but a number.
_LEAST_SHARE = 1e-12
_LEAST_INFORMATION = 1e-9


def clustered_covariance(clusters: Sequence[NormalEquations], noise: float) -> Array:
    """Return (P, P) the covariance of the unknowns from the parts of the problem at its minimum.

    Args:
        clusters: The parts, one a cluster.
        noise: Standard deviation of what is independent in every residual all the same, such as the rounding to whole pixels.
    """
    parts = [part for part in clusters if part.count]
    size = len(clusters[0].gradient)
    if len(parts) <= size:
        return np.eye(size) / _LEAST_INFORMATION
    inverse = covariance_of(reduce(add, parts).hessian)
    gradients = np.stack([part.gradient for part in parts])
    # Fitting `size` unknowns makes the residuals smaller than the errors; as for a variance, by the degrees of freedom left.
    correction = len(parts) / (len(parts) - size)
    return np.asarray(correction * inverse @ (gradients.T @ gradients) @ inverse + noise**2 * inverse)


def covariance_of(information: Array) -> Array:
    """Return (P, P) the inverse of an information; what it does not determine gets a huge variance, but a number."""
    values, vectors = np.linalg.eigh((information + information.T) / 2)
    least = max(_LEAST_SHARE * float(values[-1]), _LEAST_INFORMATION)
    return np.asarray((vectors / np.maximum(values, least)) @ vectors.T)
