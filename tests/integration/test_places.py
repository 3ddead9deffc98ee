"""A camera that begins anywhere, is covered, carried elsewhere and uncovered, in the made-up room."""

from __future__ import annotations

import numpy as np

from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.places.finder import PlaceFinder
from reloc.relocalizer import Relocalizer
from reloc.undistort import Undistorter
from tests.scenes import room
from tests.unit.places.known_room import LENS, index, photograph, pose_at

PERIOD_S = 0.1
BLACK = np.zeros((240, 320, 3), np.uint8)


def follower(start: SE3 | None = None) -> Relocalizer:
    return Relocalizer(Undistorter(LENS, working_width=320), room(), start, places=PlaceFinder(index()))


def frames(pictures: list[np.ndarray]) -> list[RawFrame]:
    return [RawFrame(number, round(1e9 * number * PERIOD_S), picture) for number, picture in enumerate(pictures)]


def walk(begin_s: float, count: int) -> list[np.ndarray]:
    return [photograph(begin_s + number * PERIOD_S) for number in range(count)]


def assert_at(estimate: Estimate, second: float) -> None:
    assert estimate.verdict.is_believed
    found, true = estimate.world_from_camera, pose_at(second).inverse()
    assert np.linalg.norm(found.translation - true.translation) < 0.02
    assert np.degrees(rotation_angle(found, true)) < 0.3


def test_a_camera_carried_elsewhere_in_the_dark_is_found_again() -> None:
    follow = follower()
    # First it stands there, then a second of darkness, then it is at the other end of the room.
    estimates = [follow.step(raw) for raw in frames([*walk(0.75, 4), *[BLACK] * 8, *walk(9.75, 5)])]
    for number in range(4):
        assert_at(estimates[number], 0.75 + number * PERIOD_S)
    dark = [estimate.verdict for estimate in estimates[4:12]]
    assert dark[0] is Verdict.COASTING
    assert dark[-1].is_lost
    assert not any(verdict.is_believed for verdict in dark)
    back = [estimate.verdict.is_believed for estimate in estimates[12:]]
    # A search around the last pose and one in the whole map take turns.
    assert True in back[:2]
    first = back.index(True)
    for number in range(first, 5):
        assert_at(estimates[12 + number], 9.75 + number * PERIOD_S)


def test_a_first_pose_that_is_wrong_does_not_keep_it_from_being_found() -> None:
    estimate = follower(pose_at(9.75)).step(frames(walk(0.75, 1))[0])
    assert_at(estimate, 0.75)


def test_where_nothing_is_seen_nothing_is_claimed() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, BLACK.shape).astype(np.uint8) for _ in range(3)]
    follow = follower()
    for estimate in [follow.step(raw) for raw in frames([BLACK, *noise])]:
        assert estimate.verdict is Verdict.LOST
        assert estimate.reason
