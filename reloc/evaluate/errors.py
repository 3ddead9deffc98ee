"""Errors of poses against a ground truth: absolute ones frame by frame, and relative ones over a piece of the way.

Formulas: Sturm et al., "A benchmark for the evaluation of RGB-D SLAM systems" (IROS 2012), section VI.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.geometry import batch
from reloc.geometry.trajectory import Trajectory

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# A pair may span this much more or less than was asked for, since frames do not come at every length.
PAIR_TOLERANCE = 0.1


@dataclass(frozen=True, eq=False)
class AbsoluteErrors:
    """What takes the true pose of each of M frames to the estimated one."""

    offset_in_world: Array
    """(M, 3) estimated minus true position, in metres along the axes of the world."""
    offset_in_camera: Array
    """(M, 3) the same along the axes of the true camera: right, down, forward."""
    turn_in_world: Array
    """(M, 3) rotation vectors in radians about the axes of the world."""
    turn_in_camera: Array
    """(M, 3) the same about the axes of the true camera."""

    @property
    def position_m(self) -> Array:
        """(M,) distances between the positions."""
        return np.asarray(np.linalg.norm(self.offset_in_world, axis=1))

    @property
    def rotation_rad(self) -> Array:
        """(M,) angles between the rotations, 0..π."""
        return np.asarray(np.linalg.norm(self.turn_in_world, axis=1))


def absolute_errors(estimate: Trajectory, groundtruth: Trajectory) -> AbsoluteErrors:
    """Return the errors of M poses against the M true ones at the same places in the arrays."""
    camera_from_world = batch.conjugate(groundtruth.quaternions)
    offset = estimate.translations - groundtruth.translations
    turn = batch.rotation_vectors(batch.multiply(estimate.quaternions, camera_from_world))
    return AbsoluteErrors(offset, batch.rotate(camera_from_world, offset), turn, batch.rotate(camera_from_world, turn))


@dataclass(frozen=True, eq=False)
class RelativeErrors:
    """How far the estimated motion between two frames is from the true one, for P pairs."""

    position_m: Array
    """(P,)"""
    rotation_rad: Array
    """(P,)"""


def relative_errors(estimate: Trajectory, groundtruth: Trajectory, first: Indices, second: Indices) -> RelativeErrors:
    """Return the errors of the motions from the poses `first` (P,) to the poses `second` (P,)."""
    estimated_turn, estimated_shift = _motions(estimate, first, second)
    true_turn, true_shift = _motions(groundtruth, first, second)
    difference = batch.multiply(batch.conjugate(true_turn), estimated_turn)
    return RelativeErrors(np.linalg.norm(estimated_shift - true_shift, axis=1), batch.rotation_angles(difference))


def _motions(trajectory: Trajectory, first: Indices, second: Indices) -> tuple[Array, Array]:
    """Return quaternions (P, 4) and translations (P, 3) of first_from_second."""
    inverse = batch.conjugate(trajectory.quaternions[first])
    turns = batch.multiply(inverse, trajectory.quaternions[second])
    return turns, batch.rotate(inverse, trajectory.translations[second] - trajectory.translations[first])


def pairs_by_step(count: int) -> tuple[Indices, Indices]:
    """Return each frame and the next."""
    return np.arange(count - 1), np.arange(1, count)


def pairs_by_distance(positions: Array, length_m: float) -> tuple[Indices, Indices]:
    """Return each frame and the one that lies nearest to `length_m` further along the path through `positions` (M, 3)."""
    along = np.zeros(len(positions))
    np.cumsum(np.linalg.norm(np.diff(positions, axis=0), axis=1), out=along[1:])
    return _pairs_ahead(along, length_m)


def pairs_by_time(timestamps_ns: NDArray[np.int64], length_s: float) -> tuple[Indices, Indices]:
    """Return each frame and the one that lies nearest to `length_s` later."""
    return _pairs_ahead(np.asarray((timestamps_ns - timestamps_ns[:1]) * 1e-9, dtype=np.float64), length_s)


def _pairs_ahead(along: Array, length: float) -> tuple[Indices, Indices]:
    """Return the pairs of a measure that never falls, within `PAIR_TOLERANCE`; the first of several ends that are as near."""
    if len(along) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    target = along + length
    after = np.minimum(np.searchsorted(along, target), len(along) - 1)
    before = np.maximum(after - 1, 0)
    earlier = np.abs(along[before] - target) <= np.abs(along[after] - target)
    # Where the camera stood still several frames have the same measure.
    second = np.searchsorted(along, along[np.where(earlier, before, after)])
    first = np.arange(len(along))
    good = (np.abs(along[second] - target) <= PAIR_TOLERANCE * length) & (second > first)
    return first[good], second[good]
