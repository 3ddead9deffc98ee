from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from reloc.align.adam_mask_aligner import AdamMaskAligner
from reloc.align.config import AdamConfig, SilhouetteConfig
from reloc.align.mask_problem import MaskAlignment, MaskProblem
from reloc.align.mask_views import MaskView
from reloc.align.trace import Trace
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3
from reloc.render.soft_outline import SoftOutline
from tests.oracles.elsewhere import DEVICE, Elsewhere
from tests.scenes import lump
from tests.tolerances import ADAM_LUMP_DEG, ADAM_LUMP_SHARE
from tests.unit.align.test_mask_aligner import TRUTH, align, mask, off, renderer, started, two_views, view

SETTING = AdamConfig(device="cpu")


@cache
def outline() -> SoftOutline:
    return SoftOutline(lump(), renderer(), softness_px=SETTING.softness_px)


def descend(
    views: list[MaskView], guess: SE3, config: AdamConfig = SETTING, trace: Trace | None = None, starts: int = 4, **how: bool
) -> MaskAlignment:
    problem = MaskProblem(renderer(), np.zeros(3), SilhouetteConfig(starts=starts))
    return AdamMaskAligner(config, outline(), problem, trace).align(views, guess, **how)


def test_a_mask_is_found_and_judged_as_by_the_other_solver() -> None:
    guess = started(5, 0.05, 1)
    found, other = descend([view(mask(TRUTH))], guess), align([view(mask(TRUTH))], guess)
    turned, moved = off(found.rig_from_world, TRUTH)
    assert turned < ADAM_LUMP_DEG
    assert moved < ADAM_LUMP_SHARE
    assert found.outcome is Outcome.CONVERGED
    assert found.overlap > 0.98
    assert (np.linalg.eigvalsh(found.covariance) > 0).all()
    assert np.trace(found.covariance) > np.trace(other.covariance) / 10


def test_the_number_of_steps_is_limited_and_counted_and_the_way_is_told() -> None:
    trace = Trace()
    found = descend([view(mask(TRUTH))], started(10, 0.1, 1), AdamConfig(device="cpu", width_px=60, steps=4), trace)
    assert (found.iterations, found.outcome) == (4, Outcome.MAX_ITERATIONS)
    assert len(trace.way_to(found.rig_from_world)) >= 4


def test_two_cameras_tell_the_size_of_the_object() -> None:
    config = AdamConfig(device="cpu", width_px=160, learning_rate=2e-3, steps=100)
    found = descend(two_views(TRUTH, 0.9), started(2, 0.02, 1), config, starts=0, refine_scale=True)
    assert found.scale == pytest.approx(0.9, rel=0.02)
    assert min(found.overlaps) > 0.96
    assert found.scale_sigma > 0


def test_nothing_is_left_on_the_processor_where_there_is_another_device() -> None:
    few, views, guess = AdamConfig(width_px=60, steps=3), two_views(TRUTH), started(5, 0.05, 1)
    expected = descend(views, guess, few, refine_scale=True)
    with Elsewhere():
        there = SoftOutline(lump(), renderer(), softness_px=SETTING.softness_px, device=DEVICE)
        problem = MaskProblem(renderer(), np.zeros(3), SilhouetteConfig())
        found = AdamMaskAligner(few, there, problem).align(views, guess, refine_scale=True)
    np.testing.assert_array_equal(found.rig_from_world.matrix, expected.rig_from_world.matrix)
    assert found.scale == expected.scale != 1.0


def test_where_the_object_is_never_in_view_nothing_is_claimed() -> None:
    behind = SE3.exp([0, 0, 0, 0, np.pi, 0]) @ TRUTH
    found = descend([view(mask(TRUTH))], behind, starts=0)
    assert (found.outcome, found.iterations, found.overlap) == (Outcome.TOO_FEW_POINTS, 0, 0.0)
    assert np.diag(found.covariance).min() > 1e6
