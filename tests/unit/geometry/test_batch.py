from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.geometry import batch
from reloc.geometry.se3 import SE3
from tests.tolerances import ALGEBRA

RNG = np.random.default_rng(7)
# Angles where a closed form could lose digits: zero, tiny, either side of the switch to the series, ordinary, near π.
ANGLES = [0.0, 1e-14, 1e-9, 0.9e-3, 1.1e-3, 0.3, 2.0, np.pi - 1e-6]


def _vectors() -> np.ndarray:
    axes = RNG.normal(size=(len(ANGLES), 3))
    return axes / np.linalg.norm(axes, axis=1, keepdims=True) * np.array(ANGLES)[:, None]


def _wxyz(rotations: Rotation) -> np.ndarray:
    return np.roll(rotations.as_quat(), 1, axis=-1)


def test_products_inverses_and_rotated_vectors_are_those_of_scipy() -> None:
    a, b = Rotation.random(50, random_state=1), Rotation.random(50, random_state=2)
    vectors = RNG.normal(size=(50, 3))
    product = batch.multiply(_wxyz(a), _wxyz(b))
    np.testing.assert_allclose(batch.rotation_matrices(product), (a * b).as_matrix(), atol=ALGEBRA)
    np.testing.assert_allclose(batch.rotate(_wxyz(a), vectors), a.apply(vectors), atol=ALGEBRA)
    np.testing.assert_allclose(batch.rotate(batch.conjugate(_wxyz(a)), vectors), a.inv().apply(vectors), atol=ALGEBRA)
    np.testing.assert_allclose(batch.rotation_angles(product), (a * b).magnitude(), atol=ALGEBRA)


def test_rotation_vectors_and_quaternions_are_those_of_scipy_at_every_angle() -> None:
    omega = _vectors()
    np.testing.assert_allclose(batch.quaternions_from_rotation_vectors(omega), _wxyz(Rotation.from_rotvec(omega)), atol=ALGEBRA)
    np.testing.assert_allclose(batch.rotation_vectors(_wxyz(Rotation.from_rotvec(omega))), omega, rtol=1e-9, atol=1e-15)


def test_a_quaternion_and_its_negative_have_one_log() -> None:
    quaternions = _wxyz(Rotation.from_rotvec(_vectors()))
    np.testing.assert_allclose(batch.rotation_vectors(-quaternions), batch.rotation_vectors(quaternions), atol=1e-15)
    np.testing.assert_allclose(batch.rotation_angles(-quaternions), ANGLES, atol=ALGEBRA)


def test_logs_and_exps_of_motions_are_those_of_one_motion() -> None:
    tangents = np.hstack([RNG.normal(size=(len(ANGLES), 3)), _vectors()])
    turns, shifts = batch.motion_exps(tangents)
    singles = [SE3.exp(tangent) for tangent in tangents]
    np.testing.assert_allclose(shifts, [single.translation for single in singles], atol=ALGEBRA)
    np.testing.assert_allclose(batch.rotation_matrices(turns), [single.rotation for single in singles], atol=ALGEBRA)
    np.testing.assert_allclose(batch.motion_logs(turns, shifts), tangents, atol=1e-9)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 3, 4)])
def test_any_leading_shape_is_kept(shape: tuple[int, ...]) -> None:
    quaternions = RNG.normal(size=shape)
    quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
    assert batch.multiply(quaternions, quaternions).shape == shape
    assert batch.rotation_vectors(quaternions).shape == (*shape[:-1], 3)
    assert batch.motion_logs(quaternions, quaternions[..., 1:]).shape == (*shape[:-1], 6)
    assert batch.rotation_matrices(quaternions).shape == (*shape[:-1], 3, 3)
