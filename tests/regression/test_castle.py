"""Real photographs of a façade from starts that are far off: the shares that issue 2 asks for, on a few starts of the 200."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3
from tests.regression.runs import castle_frames, castle_place, distances

# The scene's scale, from its README.
DEPTH = 9.0
STARTS = 10


def start_off(true: SE3, share: float, degrees: float, rng: np.random.Generator) -> SE3:
    """A world_from_camera that is off by a share of the depth in one random direction and by an angle about another."""
    shift, axis = (v / np.linalg.norm(v) for v in rng.standard_normal((2, 3)))
    turn = SE3.exp(np.concatenate([np.zeros(3), np.radians(degrees) * axis]))
    return SE3(true.rotation @ turn.rotation, true.translation + share * DEPTH * shift)


@pytest.mark.parametrize(("share", "degrees", "wanted"), [(0.04, 4.0, 0.95), (0.08, 8.0, 0.70)])
def test_starts_that_are_far_off_end_at_the_truth(castle: Path, share: float, degrees: float, wanted: float) -> None:
    place, rng, arrived = castle_place(castle), np.random.default_rng(0), []
    for query, raw in enumerate(castle_frames(castle)):
        true = place.truth.pose(query)
        for _ in range(STARTS):
            estimate = place.relocalizer(start_off(true, share, degrees, rng)).step(raw)
            metres, radians = distances(estimate.world_from_camera, true)
            near = metres <= 0.003 * DEPTH and np.degrees(radians) <= 0.15
            arrived.append(near and estimate.verdict.is_believed)
    assert np.mean(arrived) >= wanted


# The same photograph in another light.
LIGHTS = [([0.5] * 3, 0.0), ([2.0] * 3, 0.0), ([1.0] * 3, 0.1), ([1.0] * 3, -0.1), ([1.3, 1.0, 0.7], 0.0)]


@pytest.mark.parametrize(("gain", "bias"), LIGHTS)
def test_light_does_not_change_where_it_ends(castle: Path, gain: list[float], bias: float) -> None:
    place, raw = castle_place(castle), castle_frames(castle)[0]
    true = place.truth.pose(0)
    lit = np.rint(np.clip(raw.image * np.array(gain) + 255 * bias, 0, 255)).astype(np.uint8)
    start = start_off(true, 0.04, 4.0, np.random.default_rng(1))
    estimate = place.relocalizer(start).step(RawFrame(raw.index, raw.timestamp_ns, lit, raw.name))
    metres, radians = distances(estimate.world_from_camera, true)
    assert estimate.verdict.is_believed
    assert metres <= 0.003 * DEPTH
    assert np.degrees(radians) <= 0.15


def test_where_the_sensor_saturates_starts_end_at_the_truth(castle: Path) -> None:
    # Sky and stone are white. Compared with a rendering that is not, 0.77 to 0.85 of such starts end close enough; with views
    # whose points all fall on pixels at the very pose, 0.88.
    place, rng, arrived = castle_place(castle), np.random.default_rng(0), []
    for query, raw in enumerate(castle_frames(castle)):
        white = np.minimum(2 * raw.image.astype(int), 255).astype(np.uint8)
        true = place.truth.pose(query)
        for _ in range(STARTS):
            start = start_off(true, 0.04, 4.0, rng)
            found = place.relocalizer(start).step(RawFrame(raw.index, raw.timestamp_ns, white, raw.name)).world_from_camera
            metres, radians = distances(found, true)
            arrived.append(metres <= 0.003 * DEPTH and np.degrees(radians) <= 0.15)
    assert np.mean(arrived) >= 0.95
