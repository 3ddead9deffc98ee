from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.problem import NormalEquations, Unknowns, normal_equations
from reloc.geometry.se3 import SE3
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA

angles = st.sampled_from([0.0, 1e-9, 9.9e-4, 1.1e-3, 0.02, 0.7, 2.5, math.pi])
axes = st.tuples(*[st.floats(-1, 1)] * 3).map(np.array).filter(lambda v: np.linalg.norm(v) > 1e-3)
tangents = st.builds(
    lambda v, axis, angle: np.concatenate([v, angle * axis / np.linalg.norm(axis)]),
    st.tuples(*[st.floats(-3, 3)] * 3).map(np.array),
    axes,
    angles,
)


@given(tangents, st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(np.array))
def test_a_step_is_a_left_perturbation_of_the_pose_and_a_sum_of_exposures(tangent: np.ndarray, change: np.ndarray) -> None:
    moved = Unknowns.at(ANYWHERE, np.array([1.1, 0.2])).moved(np.concatenate([tangent, change]))
    np.testing.assert_allclose(moved.camera_from_world.matrix, (SE3.exp(tangent) @ ANYWHERE).matrix, rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(moved.exposure, np.array([1.1, 0.2]) + change, rtol=0, atol=ALGEBRA)


def test_a_step_changes_nothing_in_place() -> None:
    start = Unknowns.at(ANYWHERE, np.array([1.0, 0.0]))
    start.moved(np.arange(8.0))
    assert start.camera_from_world.translation.tolist() == ANYWHERE.translation.tolist()
    np.testing.assert_allclose(start.rotation, ANYWHERE.rotation, rtol=0, atol=ALGEBRA)
    assert start.exposure.tolist() == [1.0, 0.0]


def test_the_rotation_stays_one_over_many_steps() -> None:
    unknowns = Unknowns.at(ANYWHERE, np.array([1.0, 0.0]))
    for _ in range(2000):
        unknowns = unknowns.moved(np.array([0.01, 0, 0, 0.2, -0.1, 0.3, 0, 0]))
    rotation = unknowns.camera_from_world.rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), rtol=0, atol=1e-14)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-14)


def test_a_pose_with_transposed_memory_is_the_same_pose() -> None:
    pose = ANYWHERE.inverse()
    unknowns = Unknowns.at(pose, np.array([1.0, 0.0])).moved(np.zeros(8))
    np.testing.assert_allclose(unknowns.camera_from_world.matrix, pose.matrix, rtol=0, atol=ALGEBRA)


@pytest.mark.parametrize(("size", "count"), [(8, 1), (8, 1400), (12, 300), (7, 0)])
def test_normal_equations_are_the_weighted_products(size: int, count: int) -> None:
    rng = np.random.default_rng(count)
    jacobian, residual, weight = rng.normal(size=(size, count)), rng.normal(size=count), rng.random(count)
    hessian, gradient = normal_equations(jacobian, residual, weight)
    np.testing.assert_allclose(hessian, jacobian @ np.diag(weight) @ jacobian.T, rtol=0, atol=ALGEBRA * 10)
    np.testing.assert_allclose(gradient, jacobian @ (weight * residual), rtol=0, atol=ALGEBRA * 10)


def test_terms_add_up() -> None:
    a = NormalEquations(np.full((8, 8), 1.0), np.full(8, 2.0), 3.0, 4)
    b = NormalEquations(np.full((8, 8), 10.0), np.full(8, 20.0), 30.0)
    total = a + b
    assert (total.hessian == 11).all()
    assert (total.gradient == 22).all()
    assert (total.cost, total.count) == (33.0, 4)
