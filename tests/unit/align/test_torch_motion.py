from __future__ import annotations

import numpy as np
import pytest
import torch

from reloc.align.linked import scaled_pose
from reloc.align.torch_motion import exp_about, exp_motion, scaled_view
from reloc.geometry.se3 import SE3
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE

TANGENTS = [np.zeros(6), np.full(6, 1e-9), np.array([1.0, -2.0, 0.5, 0.3, -0.2, 0.9]), np.array([0, 1, 0, 3.0, 0.2, -0.1])]


@pytest.mark.parametrize("tangent", TANGENTS)
def test_it_is_the_exponential_map_of_the_house(tangent: np.ndarray) -> None:
    np.testing.assert_allclose(exp_motion(torch.from_numpy(tangent)).numpy(), SE3.exp(tangent).matrix, atol=ALGEBRA)


@pytest.mark.parametrize("tangent", TANGENTS)
def test_its_derivative_is_the_finite_difference(tangent: np.ndarray) -> None:
    found = torch.autograd.functional.jacobian(exp_motion, torch.from_numpy(tangent)).numpy()
    steps = 1e-5 * np.eye(6)
    expected = np.stack([(SE3.exp(tangent + h).matrix - SE3.exp(tangent - h).matrix) / 2e-5 for h in steps], axis=2)
    np.testing.assert_allclose(found, expected, atol=FINITE_DIFFERENCE)


def test_a_motion_about_a_point_leaves_it_where_the_translation_puts_it() -> None:
    point, tangent = np.array([0.3, -1.2, 4.0]), TANGENTS[2]
    moved = exp_about(torch.from_numpy(tangent), torch.from_numpy(point)).numpy()
    there, back = SE3(np.eye(3), point), SE3(np.eye(3), -point)
    np.testing.assert_allclose(moved, (there @ SE3.exp(tangent) @ back).matrix, atol=ALGEBRA)


def test_a_map_of_another_size_is_seen_as_the_solver_of_the_house_sees_it() -> None:
    pose, center = SE3.exp(TANGENTS[2]), np.array([0.5, 0.2, -0.3])
    found = scaled_view(torch.from_numpy(pose.matrix), torch.tensor(np.log(1.3)), torch.from_numpy(center)).numpy()
    np.testing.assert_allclose(found, scaled_pose(pose, 1.3, center).matrix, atol=ALGEBRA)
