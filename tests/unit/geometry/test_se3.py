from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import RigidTransform, Rotation, Slerp

from reloc.geometry.se3 import (
    SE3,
    hat,
    interpolate,
    left_jacobian,
    matrix_from_quaternion,
    quaternion_from_matrix,
    rotation_angle,
    rotation_exp,
    rotation_log,
    wxyz_from_xyzw,
    xyzw_from_wxyz,
)
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, NEAR_PI

# Angles where the formulas change or lose digits: the series below 1e-3, the quaternion's branches, and π.
ANGLES = [0.0, 1e-12, 1e-8, 9.99e-4, 1.001e-3, 0.1, 1.0, math.pi / 2, 2.0, math.pi - 1e-3, math.pi - 1e-7]

axes = (
    st.tuples(*[st.floats(-1, 1)] * 3)
    .map(np.array)
    .filter(lambda v: np.linalg.norm(v) > 1e-3)
    .map(lambda v: v / np.linalg.norm(v))
)
angles = st.one_of(st.sampled_from(ANGLES), st.floats(0, 1e-6), st.floats(0, math.pi - 1e-7))
rotation_vectors = st.builds(lambda axis, angle: axis * angle, axes, angles)
translations = st.tuples(*[st.floats(-50, 50)] * 3).map(np.array)
tangents = st.builds(lambda v, w: np.concatenate([v, w]), translations, rotation_vectors)
motions = st.builds(SE3.exp, tangents)


def twist_matrix(tangent: np.ndarray) -> np.ndarray:
    """δ^ (4, 4), written out entry by entry."""
    vx, vy, vz, wx, wy, wz = tangent
    return np.array([[0, -wz, wy, vx], [wz, 0, -wx, vy], [-wy, wx, 0, vz], [0, 0, 0, 0]])


def assert_same(a: SE3, b: SE3, atol: float = ALGEBRA * 100) -> None:
    np.testing.assert_allclose(a.matrix, b.matrix, rtol=0, atol=atol)


# Against scipy


@given(tangents)
def test_exp_is_the_matrix_exponential(tangent: np.ndarray) -> None:
    np.testing.assert_allclose(SE3.exp(tangent).matrix, scipy.linalg.expm(twist_matrix(tangent)), rtol=0, atol=ALGEBRA * 100)


@pytest.mark.parametrize("angle", ANGLES)
def test_exp_at_the_angles_where_formulas_change(angle: float) -> None:
    tangent = np.concatenate([[0.3, -1.2, 2.5], angle * np.array([2.0, -1.0, 2.0]) / 3])
    np.testing.assert_allclose(SE3.exp(tangent).matrix, scipy.linalg.expm(twist_matrix(tangent)), rtol=0, atol=ALGEBRA)


@given(tangents)
def test_exp_and_log_agree_with_scipy(tangent: np.ndarray) -> None:
    motion = RigidTransform.from_exp_coords(np.concatenate([tangent[3:], tangent[:3]]))  # scipy puts the rotation first
    np.testing.assert_allclose(SE3.exp(tangent).matrix, motion.as_matrix(), rtol=0, atol=ALGEBRA * 100)


@given(rotation_vectors)
def test_rotations_agree_with_scipy(omega: np.ndarray) -> None:
    expected = Rotation.from_rotvec(omega)
    np.testing.assert_allclose(rotation_exp(omega), expected.as_matrix(), rtol=0, atol=ALGEBRA)
    x, y, z, w = expected.as_quat(canonical=True)
    found = quaternion_from_matrix(expected.as_matrix())
    # At w = 0 both signs are canonical.
    np.testing.assert_allclose(np.abs(found @ [w, x, y, z]), 1, rtol=0, atol=ALGEBRA)
    assert found[0] >= 0
    np.testing.assert_allclose(matrix_from_quaternion([w, x, y, z]), expected.as_matrix(), rtol=0, atol=ALGEBRA)


def test_quaternions_put_the_real_part_first() -> None:
    quarter_turn_about_z = [math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)]
    rotation = matrix_from_quaternion(quarter_turn_about_z)
    np.testing.assert_allclose(rotation @ [1, 0, 0], [0, 1, 0], rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(quaternion_from_matrix(rotation), quarter_turn_about_z, rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(SE3(rotation, np.zeros(3)).wxyz, quarter_turn_about_z, rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(
        SE3.from_quaternion(quarter_turn_about_z, [1, 2, 3]).apply(np.array([1.0, 0, 0])), [1, 3, 3], rtol=0, atol=ALGEBRA
    )


def test_quaternions_are_reordered_for_files() -> None:
    np.testing.assert_array_equal(xyzw_from_wxyz(np.array([1.0, 2.0, 3.0, 4.0])), [2, 3, 4, 1])
    np.testing.assert_array_equal(wxyz_from_xyzw(np.array([1.0, 2.0, 3.0, 4.0])), [4, 1, 2, 3])
    many = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(wxyz_from_xyzw(xyzw_from_wxyz(many)), many)
    rotation = Rotation.from_rotvec([0.1, -0.7, 0.4])
    np.testing.assert_allclose(
        xyzw_from_wxyz(quaternion_from_matrix(rotation.as_matrix())), rotation.as_quat(canonical=True), atol=ALGEBRA
    )


@pytest.mark.parametrize("axis", [*np.eye(3), *-np.eye(3), [0.6, 0.8, 0.0], [0.0, -0.6, 0.8], [1 / 3, 2 / 3, -2 / 3]])
@pytest.mark.parametrize("angle", [math.pi - 1e-9, math.pi, 3.0])
def test_every_branch_of_the_quaternion_gives_the_rotation_back(axis: np.ndarray, angle: float) -> None:
    rotation = Rotation.from_rotvec(angle * np.asarray(axis)).as_matrix()
    np.testing.assert_allclose(matrix_from_quaternion(quaternion_from_matrix(rotation)), rotation, rtol=0, atol=ALGEBRA)


@given(rotation_vectors, st.floats(0.01, 100))
def test_the_length_of_a_quaternion_does_not_matter(omega: np.ndarray, length: float) -> None:
    wxyz = quaternion_from_matrix(rotation_exp(omega))
    np.testing.assert_allclose(matrix_from_quaternion(-length * wxyz), rotation_exp(omega), rtol=0, atol=ALGEBRA)


# Exponential and logarithm


@given(tangents)
def test_log_undoes_exp(tangent: np.ndarray) -> None:
    np.testing.assert_allclose(SE3.exp(tangent).log(), tangent, rtol=0, atol=NEAR_PI)


@given(st.builds(lambda axis, angle: axis * angle, axes, st.floats(0, 3.0)))
def test_rotation_log_undoes_rotation_exp(omega: np.ndarray) -> None:
    np.testing.assert_allclose(rotation_log(rotation_exp(omega)), omega, rtol=0, atol=ALGEBRA)


@given(motions)
def test_exp_undoes_log(motion: SE3) -> None:
    assert_same(SE3.exp(motion.log()), motion, atol=NEAR_PI)
    assert np.linalg.norm(motion.log()[3:]) <= math.pi + ALGEBRA


@pytest.mark.parametrize("axis", [*np.eye(3), [0.6, 0.0, -0.8], [-2 / 3, 1 / 3, 2 / 3]])
def test_log_of_half_a_turn_is_along_the_axis(axis: np.ndarray) -> None:
    omega = rotation_log(Rotation.from_rotvec(math.pi * np.asarray(axis)).as_matrix())
    assert np.linalg.norm(omega) == pytest.approx(math.pi, abs=ALGEBRA)
    assert abs(omega @ np.asarray(axis)) == pytest.approx(math.pi, abs=ALGEBRA)


def test_tiny_rotations_keep_their_digits() -> None:
    omega = np.array([1e-9, -2e-9, 3e-9])
    np.testing.assert_allclose(rotation_log(rotation_exp(omega)), omega, rtol=1e-9)
    np.testing.assert_allclose(rotation_log(np.eye(3)), 0, atol=0)


@given(rotation_vectors)
def test_left_jacobian_is_the_integral_of_the_rotation(omega: np.ndarray) -> None:
    """V(ω) = ∫ exp(s ω) ds over 0..1, by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    expected = sum(0.5 * w * Rotation.from_rotvec(0.5 * (s + 1) * omega).as_matrix() for s, w in zip(nodes, weights, strict=True))
    np.testing.assert_allclose(left_jacobian(omega), expected, rtol=0, atol=ALGEBRA)


@given(st.tuples(*[st.floats(-9, 9)] * 3), st.tuples(*[st.floats(-9, 9)] * 3))
def test_hat_is_the_cross_product(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    np.testing.assert_allclose(hat(np.array(a)) @ b, np.cross(a, b), rtol=0, atol=ALGEBRA)


def test_tangent_is_translation_then_rotation() -> None:
    assert_same(SE3.exp([1.0, 2.0, 3.0, 0, 0, 0]), SE3(np.eye(3), np.array([1.0, 2.0, 3.0])))
    np.testing.assert_allclose(SE3.exp([0, 0, 0, 0, 0, math.pi / 2]).apply(np.array([1.0, 0, 0])), [0, 1, 0], atol=ALGEBRA)


# The group


@given(motions, motions, motions)
def test_composition_is_associative(a: SE3, b: SE3, c: SE3) -> None:
    assert_same((a @ b) @ c, a @ (b @ c))


@given(motions)
def test_identity_and_inverse(motion: SE3) -> None:
    assert_same(motion @ SE3.identity(), motion)
    assert_same(SE3.identity() @ motion, motion)
    assert_same(motion @ motion.inverse(), SE3.identity())
    assert_same(motion.inverse() @ motion, SE3.identity())
    np.testing.assert_allclose(motion.inverse().matrix, np.linalg.inv(motion.matrix), rtol=0, atol=ALGEBRA * 100)


@given(motions, motions)
def test_composition_is_the_product_of_the_matrices(a: SE3, b: SE3) -> None:
    np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, rtol=0, atol=ALGEBRA * 100)


@given(motions, motions)
def test_composing_is_applying_one_after_the_other(a: SE3, b: SE3) -> None:
    points = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose((a @ b).apply(points), a.apply(b.apply(points)), rtol=0, atol=ALGEBRA * 100)


@given(motions)
def test_applying_is_multiplying_by_the_matrix(motion: SE3) -> None:
    points = np.random.default_rng(1).normal(size=(7, 3))
    expected = (motion.matrix @ np.column_stack([points, np.ones(7)]).T).T[:, :3]
    np.testing.assert_allclose(motion.apply(points), expected, rtol=0, atol=ALGEBRA * 100)
    np.testing.assert_allclose(motion.apply(points[0]), expected[0], rtol=0, atol=ALGEBRA * 100)


@given(motions, tangents)
def test_adjoint_carries_a_tangent_through_a_motion(motion: SE3, tangent: np.ndarray) -> None:
    delta = 0.1 * tangent
    assert_same(motion @ SE3.exp(delta), SE3.exp(motion.adjoint() @ delta) @ motion, atol=ALGEBRA * 1000)


@given(motions, motions)
def test_adjoint_is_a_homomorphism(a: SE3, b: SE3) -> None:
    np.testing.assert_allclose((a @ b).adjoint(), a.adjoint() @ b.adjoint(), rtol=0, atol=ALGEBRA * 1000)


def test_left_update_moves_points_as_its_derivative_says() -> None:
    motion, point = SE3.exp([0.3, -0.2, 1.5, 0.4, -0.1, 0.7]), np.array([0.5, -1.1, 2.0])
    moved, step = motion.apply(point), 1e-6
    expected = np.hstack([np.eye(3), -hat(moved)])  # ∂(exp(δ) x)/∂δ at 0
    numeric = [
        ((SE3.exp(step * e) @ motion).apply(point) - (SE3.exp(-step * e) @ motion).apply(point)) / (2 * step) for e in np.eye(6)
    ]
    np.testing.assert_allclose(np.array(numeric).T, expected, rtol=0, atol=FINITE_DIFFERENCE)


# Building, comparing, interpolating


@given(motions)
def test_matrices_are_read_back(motion: SE3) -> None:
    assert_same(SE3.from_matrix(motion.matrix), motion)
    assert_same(SE3.from_matrix(motion.matrix[:3]), motion)
    assert_same(SE3.from_quaternion(motion.wxyz, motion.translation), motion)
    np.testing.assert_array_equal(motion.matrix[3], [0, 0, 0, 1])


def test_a_rounded_matrix_becomes_a_rotation_close_to_it() -> None:
    matrix = SE3.exp([1.0, 2.0, 3.0, 0.4, -1.1, 0.8]).matrix
    rounded = np.round(matrix, 4)
    motion = SE3.from_matrix(rounded)
    np.testing.assert_allclose(motion.rotation @ motion.rotation.T, np.eye(3), rtol=0, atol=ALGEBRA)
    assert np.linalg.det(motion.rotation) == pytest.approx(1.0, abs=ALGEBRA)
    nearest, _ = scipy.linalg.polar(rounded[:3, :3])
    np.testing.assert_allclose(motion.rotation, nearest, rtol=0, atol=2e-4)


def test_many_factors_are_put_back_onto_the_group() -> None:
    step, product = SE3.exp([0.01, 0.0, 0.02, 0.03, -0.02, 0.01]), SE3.identity()
    for _ in range(2000):
        product = product @ step
    drifted = SE3(product.rotation * (1 + 1e-6), product.translation)
    rotation = drifted.normalized().rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), rtol=0, atol=ALGEBRA)
    np.testing.assert_array_equal(drifted.normalized().translation, product.translation)


def test_equality_is_bit_by_bit() -> None:
    motion = SE3.exp([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    assert motion == SE3(motion.rotation.copy(), motion.translation.copy())
    assert motion != SE3(motion.rotation, motion.translation + 1e-15)
    assert motion != "motion"
    with pytest.raises(TypeError):
        hash(motion)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_a_value(bad: float) -> None:
    assert not SE3.exp([0, 0, 0, 0, bad, 0]).is_finite
    with np.errstate(invalid="ignore"):
        assert not SE3.exp([bad, 0, 0, 0, 0, 0]).is_finite
        assert np.isnan(SE3(np.full((3, 3), bad), np.zeros(3)).log()).any()
    assert np.isnan(matrix_from_quaternion([bad, 0, 0, 0])).any()
    assert np.isnan(matrix_from_quaternion(np.zeros(4))).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_known(bad: float) -> None:
    assert SE3.identity().is_finite
    assert not SE3(np.eye(3), np.array([0.0, bad, 0.0])).is_finite
    assert not SE3(np.full((3, 3), bad), np.zeros(3)).is_finite


@given(motions, motions)
def test_rotation_angle_is_that_of_scipy(a: SE3, b: SE3) -> None:
    expected = (Rotation.from_matrix(a.rotation).inv() * Rotation.from_matrix(b.rotation)).magnitude()
    assert rotation_angle(a, b) == pytest.approx(expected, abs=NEAR_PI)
    assert rotation_angle(a, b) == pytest.approx(rotation_angle(b, a), abs=NEAR_PI)


@given(motions, axes, st.floats(0, 3.0), st.floats(0, 1), translations)
def test_interpolation_follows_the_geodesic(a: SE3, axis: np.ndarray, angle: float, fraction: float, v: np.ndarray) -> None:
    between = np.concatenate([v, axis * angle])
    b = a @ SE3.exp(between)
    assert_same(interpolate(a, b, 0.0), a)
    assert_same(interpolate(a, b, 1.0), b, atol=NEAR_PI)
    middle = interpolate(a, b, fraction)
    slerp = Slerp([0, 1], Rotation.from_matrix([a.rotation, b.rotation]))
    np.testing.assert_allclose(middle.rotation, slerp(fraction).as_matrix(), rtol=0, atol=NEAR_PI)
    np.testing.assert_allclose((a.inverse() @ middle).log(), fraction * between, rtol=0, atol=NEAR_PI)


@given(motions)
def test_motions_stay_what_they_are(motion: SE3) -> None:
    before = motion.matrix
    motion.inverse(), motion.log(), motion.adjoint(), motion.normalized(), motion @ motion, motion.apply(np.ones(3))
    np.testing.assert_array_equal(motion.matrix, before)
