from __future__ import annotations

import numpy as np
import pytest

from reloc.align.likeliest import likeliest
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.guesses import SPACING_RAD, neighbourhood
from tests.unit.align.test_aligner import GUESS, KINDS, config, keyframe, layers_of, photograph


@pytest.mark.parametrize("residual", KINDS)
@pytest.mark.parametrize("turn_deg", [(0.0, 0.0), (5.0, 0.0), (0.0, -7.0), (-4.0, 5.0), (7.0, 7.0)])
def test_of_the_poses_around_a_guess_one_near_the_truth_is_likeliest(residual: str, turn_deg: tuple[float, float]) -> None:
    setting = config(residual)
    truth = SE3.exp([0, 0, 0, *np.radians(turn_deg), 0]) @ GUESS
    found = likeliest(keyframe(setting), layers_of(photograph(truth, setting), setting), neighbourhood(GUESS))
    assert rotation_angle(found, truth) < SPACING_RAD


def test_an_image_of_nothing_leaves_the_first() -> None:
    setting = config()
    blank = layers_of(np.full((120, 160), 0.5, np.float32), setting)
    assert likeliest(keyframe(setting), blank, neighbourhood(GUESS)) == neighbourhood(GUESS)[0]


def test_one_guess_is_the_likeliest() -> None:
    setting = config()
    assert likeliest(keyframe(setting), layers_of(photograph(GUESS, setting), setting), [GUESS]) is GUESS
