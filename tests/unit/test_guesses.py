from __future__ import annotations

import numpy as np
import pytest

from reloc.geometry.se3 import rotation_angle
from reloc.guesses import SPACING_RAD, neighbourhood, searched_next
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA


def test_the_pose_itself_comes_first() -> None:
    np.testing.assert_allclose(neighbourhood(ANYWHERE)[0].matrix, ANYWHERE.matrix, rtol=0, atol=ALGEBRA)


def test_the_camera_turns_about_its_own_centre() -> None:
    center = ANYWHERE.inverse().translation
    for pose in neighbourhood(ANYWHERE):
        np.testing.assert_allclose(pose.inverse().translation, center, rtol=0, atol=ALGEBRA)


def test_no_guess_rolls_the_image() -> None:
    for pose in neighbourhood(ANYWHERE):
        assert abs((pose @ ANYWHERE.inverse()).log()[5]) < ALGEBRA


def test_nearer_guesses_come_first_and_none_twice() -> None:
    guesses = neighbourhood(ANYWHERE)
    angles = [rotation_angle(ANYWHERE, pose) for pose in guesses]
    assert (np.diff(angles) > -1e-3).all()
    apart = [rotation_angle(a, b) for i, a in enumerate(guesses) for b in guesses[:i]]
    assert min(apart) > np.radians(1)


def test_every_turn_up_to_nine_degrees_lies_near_a_guess() -> None:
    turns = np.array([(pose @ ANYWHERE.inverse()).log()[3:5] for pose in neighbourhood(ANYWHERE)])
    wanted = np.radians(np.stack(np.meshgrid(np.linspace(-9, 9, 13), np.linspace(-9, 9, 13)), axis=-1).reshape(-1, 2))
    distances = np.linalg.norm(wanted[:, None] - turns, axis=2).min(axis=1)
    assert np.degrees(distances.max()) < 2.2


@pytest.mark.parametrize(("reach_deg", "count"), [(0.0, 1), (2.9, 1), (3.1, 5), (4.3, 9), (6.1, 13), (90.0, 49)])
def test_no_guess_lies_beyond_the_reach_and_none_within_is_left_out(reach_deg: float, count: int) -> None:
    guesses = neighbourhood(ANYWHERE, np.radians(reach_deg))
    assert len(guesses) == count
    assert max(np.linalg.norm((pose @ ANYWHERE.inverse()).log()[3:]) for pose in guesses) <= np.radians(reach_deg) + ALGEBRA


def test_the_nearest_guesses_are_as_far_apart_as_is_said() -> None:
    assert rotation_angle(*neighbourhood(ANYWHERE)[:2]) == pytest.approx(SPACING_RAD, abs=ALGEBRA)


def test_guesses_lie_evenly_to_all_sides() -> None:
    turns = np.array([(pose @ ANYWHERE.inverse()).log()[3:5] for pose in neighbourhood(ANYWHERE)])
    np.testing.assert_allclose(turns.sum(axis=0), 0, atol=ALGEBRA * 10)


def test_a_lost_camera_is_looked_for_where_it_was_first_and_then_to_all_sides() -> None:
    around = [(searched_next(ANYWHERE, tries) @ ANYWHERE.inverse()).log() for tries in range(10)]
    np.testing.assert_allclose(around[0], 0, atol=ALGEBRA)
    np.testing.assert_allclose(around[5:], around[:5], atol=ALGEBRA)
    np.testing.assert_allclose(np.sum(around[:5], axis=0), 0, atol=ALGEBRA)


def test_five_tries_leave_no_turn_to_the_side_unsearched_up_to_twenty_four_degrees() -> None:
    guesses = [pose for tries in range(5) for pose in neighbourhood(searched_next(ANYWHERE, tries))]
    turns = np.degrees([(pose @ ANYWHERE.inverse()).log()[3:5] for pose in guesses])
    for axis in (0, 1):
        wanted = np.outer(np.linspace(-24, 24, 49), np.eye(2)[axis])
        assert np.linalg.norm(wanted[:, None] - turns, axis=2).min(axis=1).max() < 2.2
