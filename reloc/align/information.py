"""What an alignment says of the pose: information that the image's noise does not add to.

A step takes the mean of the gradients of image and rendering, of which noise in the image is a part. Its square counts as
information, which it is not: under noise of 0.08 the covariance came out two and a half times too small. In the product of the
two gradients noise has no mean, and where the image is blurred, or shows something else, only what both have in common counts.
(An instrumental variable, as for errors in both variables: Fuller, "Measurement Error Models", 1987, section 1.4.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from reloc.align.photometric import PhotometricTerm
from reloc.align.problem import POSE_SIZE, ResidualTerm, Unknowns
from reloc.align.robust import estimate_variance

Array = NDArray[np.float64]

# In a direction in which the gradients have nothing in common, or less, so much of the rendering's information is left.
_LEAST_SHARE = 0.05
# Directions of less than this share of what the others hold cannot be told from rounding.
_RIDGE = 1e-12


def pose_information(
    term: PhotometricTerm, unknowns: Unknowns, beside: Sequence[ResidualTerm] = (), residuals: Array | None = None
) -> Array:
    """Return (6, 6) the inverse covariance of the left perturbation of the pose, by the residuals' own scatter.

    Args:
        term: The comparison, with the width of its robust cost.
        unknowns: Where its cost is least.
        beside: Further terms, their cost in variances.
        residuals: (N, C) of the term there, if they are at hand.
    """
    scatter = estimate_variance(term.sample(unknowns).residual if residuals is None else residuals, term.width)
    others = reduce(add, (one.linearize(unknowns).hessian for one in beside), 0.0)

    by_rendering, common = (product / scatter + others for product in term.gradient_products(unknowns))
    # No gradient has a part in what is known of the exposure.
    of_exposure = by_rendering[POSE_SIZE:, POSE_SIZE:]
    # A flat rendering cannot tell gain from bias; nor do the two then hide anything of the pose.
    ridge = _RIDGE * max(float(np.trace(of_exposure)), 1.0) * np.eye(len(of_exposure))
    spread = np.asarray(np.linalg.inv(of_exposure + ridge), dtype=np.float64)
    return _at_least(_LEAST_SHARE, _of_pose(common, spread), _of_pose(by_rendering, spread))


def _of_pose(hessian: Array, spread: Array) -> Array:
    """Return (6, 6) the information on the pose alone: the exposure, of covariance `spread`, is eliminated."""
    cross = hessian[:POSE_SIZE, POSE_SIZE:]
    return hessian[:POSE_SIZE, :POSE_SIZE] - cross @ spread @ cross.T


def _at_least(share: float, information: Array, reference: Array) -> Array:
    """Return an information (6, 6) raised, wherever it is less, to a share of another one, which is positive."""
    if np.linalg.eigvalsh(information - share * reference)[0] >= 0:
        return information
    # Metres and radians are made comparable by the reference's own diagonal; an unknown that it says nothing of stays unknown.
    scale = np.sqrt(np.maximum(np.diag(reference), 0))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    lengths, axes = np.linalg.eigh(inverse[:, None] * (reference + reference.T) / 2 * inverse)
    # By rounding the least may lie below zero.
    root = axes * np.sqrt(np.maximum(lengths, _RIDGE))
    whitening = (axes / np.sqrt(np.maximum(lengths, _RIDGE))).T
    values, vectors = np.linalg.eigh(whitening @ (inverse[:, None] * (information + information.T) / 2 * inverse) @ whitening.T)
    half = scale[:, None] * (root @ vectors)
    return np.asarray((half * np.maximum(values, share)) @ half.T)
