from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from reloc.geometry.se3 import SE3
from reloc.geometry.uncertainty import position_and_turn_covariance
from tests.tolerances import FINITE_DIFFERENCE

POSE = SE3.exp([4.0, -3.0, 2.0, 0.3, -0.2, 0.9])


def _position_and_turn(delta: np.ndarray) -> np.ndarray:
    moved = SE3.exp(delta) @ POSE
    return np.concatenate([moved.translation, Rotation.from_matrix(moved.rotation @ POSE.rotation.T).as_rotvec()])


def test_the_covariance_is_carried_over_by_the_derivative_of_position_and_turn() -> None:
    step = 1e-6
    jacobian = np.stack([(_position_and_turn(step * e) - _position_and_turn(-step * e)) / (2 * step) for e in np.eye(6)], axis=1)
    root = np.random.default_rng(2).normal(size=(6, 6))
    covariance = root @ root.T
    found = position_and_turn_covariance(covariance, POSE.translation)
    np.testing.assert_allclose(found, jacobian @ covariance @ jacobian.T, rtol=FINITE_DIFFERENCE, atol=FINITE_DIFFERENCE)


def test_a_turn_about_the_camera_alone_does_not_move_it() -> None:
    # exp(δ) with v = −ω × p keeps the camera where it is.
    omega = np.array([0.01, 0.02, -0.03])
    delta = np.concatenate([-np.cross(omega, POSE.translation), omega])
    found = position_and_turn_covariance(np.outer(delta, delta), POSE.translation)
    np.testing.assert_allclose(found[:3], 0.0, atol=1e-15)
    np.testing.assert_allclose(found[3:, 3:], np.outer(omega, omega), atol=1e-15)


def test_many_poses_are_as_one() -> None:
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(5, 6, 6))
    covariances = roots @ np.swapaxes(roots, 1, 2)
    positions = rng.normal(size=(5, 3))
    together = position_and_turn_covariance(covariances, positions)
    for i in range(5):
        np.testing.assert_allclose(together[i], position_and_turn_covariance(covariances[i], positions[i]), atol=1e-12)
