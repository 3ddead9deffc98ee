"""Covariances of poses in the forms that others expect."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def spread_rad(covariance: Array, depth: float) -> float:
    """Return the standard deviation, in radians, of the direction in which a point at a depth in metres is seen.

    Along the worst axis of the covariance (6, 6) of a pose camera_from_world, which may be off to the side or turned.
    """
    variance = covariance.diagonal().tolist()
    return math.sqrt(max(variance[:3]) / depth**2 + max(variance[3:]))


def position_and_turn_covariance(covariances: Array, translations: Array) -> Array:
    """Return the covariances (..., 6, 6) of position and rotation about the camera's own centre, both along the world's axes.

    `covariances` (..., 6, 6) are for exp(δ) @ world_from_camera at positions `translations` (..., 3). There a rotation turns the
    camera about the world's origin and carries it along: far from the origin that alone is metres. What people, ROS and error
    bars mean by the uncertainty of a position is p + δp with δp = v + ω × p, to first order of exp.
    """
    x, y, z = np.moveaxis(np.asarray(translations, dtype=np.float64), -1, 0)
    jacobian = np.zeros((*x.shape, 6, 6))
    jacobian[...] = np.eye(6)
    # −[p]×, so that it gives ω × p.
    jacobian[..., 0, 4], jacobian[..., 0, 5] = z, -y
    jacobian[..., 1, 3], jacobian[..., 1, 5] = -z, x
    jacobian[..., 2, 3], jacobian[..., 2, 4] = y, -x
    return np.asarray(jacobian @ covariances @ np.swapaxes(jacobian, -1, -2))
