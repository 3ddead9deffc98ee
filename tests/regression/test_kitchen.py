"""Real video inside a room: the figures that issue 2 asks for, on the recording that comes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.geometry.se3 import SE3
from tests.regression.runs import kitchen_errors
from tests.tolerances import EVERY_THIRD_MEDIAN, EVERY_THIRD_SHARE


@pytest.mark.parametrize("every", [1, 4, 8])
def test_the_room_is_tracked_to_the_floor_of_its_ground_truth(kitchen: Path, every: int) -> None:
    errors = kitchen_errors(kitchen, every=every)
    assert np.median(errors.cm) <= 0.65
    assert np.median(errors.deg) <= 0.18
    assert np.percentile(errors.cm, 95) <= 1.3
    assert np.percentile(errors.deg, 95) <= 0.42
    assert errors.share_within(2.0, 2.0) >= 0.99
    assert errors.believed_beyond(5.0, 5.0) == 0


# Disturbance, median in cm and share within 2 cm and 1°, as in the table of the design (its better column). Every third frame
# alone is tracked, to be quick.
TABLE = [
    ("gamma_half", 0.57, 1.00),
    ("gamma_double", 0.64, 1.00),
    ("shadow", 0.60, 1.00),
    ("gain_sine", 0.59, 1.00),
    ("noise", 0.56, 1.00),
    ("motion_blur", 0.67, 1.00),
    ("noisy_patch", 0.81, 0.93),
]


@pytest.mark.parametrize(("disturbance", "median_cm", "share"), TABLE)
def test_disturbances_cost_little(kitchen: Path, disturbance: str, median_cm: float, share: float) -> None:
    errors = kitchen_errors(kitchen, every=3, disturbance=disturbance)
    assert np.median(errors.cm) <= median_cm * EVERY_THIRD_MEDIAN
    assert errors.share_within(2.0, 1.0) >= share - EVERY_THIRD_SHARE
    assert errors.believed_beyond(5.0, 5.0) == 0


# The same frames from a millimetre or two beside the start: which keyframes are drawn is then another matter of chance.
@pytest.mark.parametrize(
    ("every", "first", "seed"), [(3, 2, 8), (3, 2, 12), (4, 0, 0), (4, 0, 13), (4, 0, 16), (4, 1, 0), (4, 2, 2)]
)
def test_under_a_shadow_with_frames_left_out_no_pose_beside_the_right_one_is_believed(
    kitchen: Path, every: int, first: int, seed: int
) -> None:
    # In all but one a frame or two were 5 to 13 cm off on the machine where these starts were picked, before a pose was doubted
    # that is far less sure than the one before, and coarse levels were held against the prediction.
    offset = SE3.exp(np.random.default_rng(seed).normal(0.0, 1e-3, 6))
    errors = kitchen_errors(kitchen, every=every, first=first, disturbance="shadow", offset=offset)
    assert errors.believed_beyond(5.0, 5.0) == 0
    assert errors.share_within(5.0, 5.0) >= 0.98
