"""The motion that brings an estimated trajectory onto the ground truth before errors are measured.

Localisation in a map needs none: its poses are in the map's frame already. Odometry and SLAM need SE(3), monocular ones Sim(3).
Formulas: Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (PAMI 1991).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

# Below this ratio of singular values the positions lie on a line (to rounding), about which any turn fits as well.
_SMALLEST_RATIO = 1e-9


class AlignmentKind(StrEnum):
    """What may be fitted before errors are measured."""

    NONE = "none"
    """Nothing: poses are compared as they are."""
    SE3 = "se3"
    """A rotation and a translation."""
    SIM3 = "sim3"
    """A rotation, a translation and a scale."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """A similarity x ↦ s R x + t from the estimate's frame to the ground truth's."""

    kind: AlignmentKind
    groundtruth_from_estimate: SE3
    scale: float


def align(kind: AlignmentKind, estimate: Array, groundtruth: Array) -> Alignment:
    """Return the alignment of positions `estimate` (N, 3) with `groundtruth` (N, 3) that minimises the squared distances.

    Raises `TrajectoryError` where the positions do not determine it: fewer than three, or all on a line.
    """
    if kind is AlignmentKind.NONE:
        return Alignment(kind, SE3.identity(), 1.0)
    if len(estimate) < 3:
        raise TrajectoryError(f"{kind} alignment needs at least 3 matched poses, found {len(estimate)}; leave the alignment out")
    estimate_mean, groundtruth_mean = estimate.mean(axis=0), groundtruth.mean(axis=0)
    centred = estimate - estimate_mean
    u, singular, vt = np.linalg.svd((groundtruth - groundtruth_mean).T @ centred / len(estimate))
    if singular[1] <= _SMALLEST_RATIO * singular[0]:
        raise TrajectoryError(f"{kind} alignment needs positions that are not all on one line; leave the alignment out")
    # Without the sign a mirror image may fit best (Umeyama's S).
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * signs) @ vt
    scale = float(singular @ signs / np.mean(np.sum(centred**2, axis=1))) if kind is AlignmentKind.SIM3 else 1.0
    return Alignment(kind, SE3(rotation, groundtruth_mean - scale * rotation @ estimate_mean), scale)
