"""The second pass on the painted corner: what a forward pass has missed, given as if it had missed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from reloc.estimate import Measurement
from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.motion import MotionConfig, MotionModel
from reloc.relocalizer import Relocalizer
from reloc.smooth.config import SmoothConfig
from reloc.smooth.rts import Smoothed, smooth
from reloc.smooth.second_pass import MeasurementSink, second_pass
from reloc.smooth.seen import Seen
from reloc.smooth.walk import guessed, walked_back, with_found
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource
from tests.integration.test_relocalizer import FRAMES, frame, relocalizer, tracked, truth
from tests.tolerances import CORNER_DEG, CORNER_LOCAL_M

CONFIG = SmoothConfig()
MODEL = MotionModel(MotionConfig())
GATE = 60.0
BLACK = np.zeros((120, 160, 3), np.uint8)


@pytest.fixture(scope="module")
def forward() -> list[Seen]:
    """What a pass that missed nothing has measured."""
    sink = MeasurementSink()
    for estimate in tracked([frame(i) for i in range(FRAMES)]):
        sink.write(estimate)
    assert all(one.measurement is not None for one in sink.frames)
    return sink.frames


def missing(frames: Sequence[Seen], which: range) -> list[Seen]:
    return [replace(one, measurement=None) if i in which else one for i, one in enumerate(frames)]


def make(start: SE3) -> Relocalizer:
    return relocalizer(start)


def raws(dark: range = range(0)) -> list[RawFrame]:
    return [frame(i, BLACK) if i in dark else frame(i) for i in range(FRAMES)]


def is_right(pose: SE3, index: int, times: float = 1.0) -> bool:
    shift = np.linalg.norm(pose.inverse().translation - truth(index).inverse().translation)
    turn = np.degrees(rotation_angle(pose, truth(index)))
    return bool(shift < times * CORNER_LOCAL_M and turn < times * CORNER_DEG)


def test_a_gap_is_walked_through_from_its_end_up_to_where_nothing_is_seen(forward: list[Seen]) -> None:
    frames = missing(forward, range(5, 14))
    found = walked_back(raws(dark=range(5, 8)), frames, make, CONFIG)
    assert sorted(found) == list(range(8, 14))
    assert all(is_right(one.measurement.camera_from_world, row, 1.5) for row, one in found.items())
    assert found[9].record["index"] == 9
    assert found[9].record["verdict"] == "TRACKED"


def test_the_walk_ends_after_some_misses(forward: list[Seen]) -> None:
    frames = missing(forward, range(4, 16))
    dark = range(9, 13)
    assert sorted(walked_back(raws(dark), frames, make, replace(CONFIG, misses=2))) == [13, 14, 15]
    assert sorted(walked_back(raws(dark), frames, make, replace(CONFIG, misses=6))) == [4, 5, 6, 7, 8, 13, 14, 15]


def test_of_a_gap_that_is_too_long_for_the_memory_the_end_is_walked_through(forward: list[Seen]) -> None:
    big = [replace(raw, image=np.repeat(np.repeat(raw.image, 4, axis=0), 4, axis=1)) for raw in raws()]
    frames = missing(forward, range(3, 16))
    # An image of 640 × 480 has 0.88 MiB.
    found = walked_back(big, frames, make, replace(CONFIG, memory_mib=4))
    assert sorted(found) == [12, 13, 14, 15]


def test_several_gaps_and_frames_that_the_forward_pass_was_not_given(forward: list[Seen]) -> None:
    frames = [one for i, one in enumerate(missing(missing(forward, range(3, 5)), range(8, 9))) if i != 12]
    assert sorted(walked_back(raws(), frames, make, CONFIG)) == [3, 4, 8]
    begin = missing(forward, range(4))
    assert sorted(walked_back(raws(), begin, make, CONFIG)) == [0, 1, 2, 3]
    end = missing(forward, range(16, FRAMES))
    assert walked_back(raws(), end, make, CONFIG) == {}


def test_frames_are_aligned_from_their_smoothed_pose(forward: list[Seen]) -> None:
    frames = missing(forward, range(8, 11))
    found = guessed(raws(), frames, smooth(frames, MODEL, GATE), make, GATE, CONFIG)
    assert sorted(found) == [8, 9, 10]
    assert all(is_right(one.measurement.camera_from_world, row, 2.0) for row, one in found.items())
    smoothed = smooth(frames, MODEL, GATE)
    assert guessed(raws(), frames, smoothed, make, GATE, replace(CONFIG, guess_spread=1e-6)) == {}


def test_an_alignment_that_leads_elsewhere_is_not_taken(forward: list[Seen]) -> None:
    frames = missing(forward, range(8, 9))
    off = SE3.exp([0.1, 0, 0, 0, 0, 0]) @ truth(8)
    sure = [Smoothed(off, 1e-8 * np.eye(6), 1e-4) if i == 8 else None for i in range(FRAMES)]
    assert guessed(raws(), frames, sure, make, GATE, CONFIG) == {}
    assert sorted(guessed(raws(), frames, sure, make, float("inf"), CONFIG)) == [8]


@contextmanager
def reopened(frames: list[RawFrame], log: list[str], what: str) -> Iterator[FrameSource]:
    log.append(what)
    yield DerivedSource(None, lambda _: iter(frames))  # type: ignore[arg-type]


def test_the_second_pass_fills_what_can_be_seen_and_what_lies_between(forward: list[Seen]) -> None:
    dark, log = range(6, 9), list[str]()
    frames = missing(forward, range(6, 14))
    known = second_pass(frames, lambda what: reopened(raws(dark), log, what), make, MODEL, GATE, CONFIG)
    assert sorted(known.found) == [9, 10, 11, 12, 13]
    assert log == ["walking back", "aligning anew"]
    for i, one in enumerate(known.smoothed):
        assert one is not None
        assert is_right(one.camera_from_world, i, 1.5 + 8.0 * (i in dark))
        assert (one.spread > known.smoothed[4].spread) or i not in dark  # type: ignore[union-attr]


def test_without_a_gap_nothing_is_read_again(forward: list[Seen]) -> None:
    log: list[str] = []
    known = second_pass(forward, lambda what: reopened([], log, what), make, MODEL, GATE, CONFIG)
    assert (log, known.found) == ([], {})
    for found, expected in zip(known.smoothed, smooth(forward, MODEL, GATE), strict=True):
        assert found is not None
        assert expected is not None
        np.testing.assert_array_equal(found.camera_from_world.matrix, expected.camera_from_world.matrix)
    assert all(one is not None for one in known.smoothed)
    nothing = second_pass(missing(forward, range(FRAMES)), lambda what: reopened([], log, what), make, MODEL, GATE, CONFIG)
    assert set(nothing.smoothed) == {None}


def test_found_frames_join_the_others(forward: list[Seen]) -> None:
    frames = missing(forward, range(8, 9))
    found = walked_back(raws(), frames, make, CONFIG)
    joined = with_found(frames, found)
    assert isinstance(joined[8].measurement, Measurement)
    assert joined[7] is frames[7]
