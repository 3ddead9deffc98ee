from __future__ import annotations

import logging

import numpy as np
import pytest

from reloc.frame import RawFrame
from reloc.live.order import FrameOrder

S = 1_000_000_000
IMAGE = np.zeros((2, 2), np.uint8)


def _unknown(clock: str, timestamp_ns: int) -> float | None:
    return None


def _place(order: FrameOrder, index: int, time_s: float, now_s: float, host_ns: int | None = None) -> RawFrame | None:
    return order.place(RawFrame(index, round(time_s * S), IMAGE, host_ns=host_ns), "clock", round(now_s * S))


def _seen(frame: RawFrame | None) -> tuple[int, float] | None:
    return None if frame is None else (frame.index, frame.timestamp_ns / S)


def test_within_a_reading_frames_are_left_as_they_are_and_gaps_are_counted() -> None:
    order = FrameOrder(_unknown)
    order.begin()
    placed = [_place(order, index, 5 + index, 100 + index) for index in (0, 1, 4, 5)]
    assert [_seen(frame) for frame in placed] == [(0, 5.0), (1, 6.0), (4, 9.0), (5, 10.0)]
    assert (order.skipped, order.unordered) == (2, 0)


def test_what_comes_twice_or_too_late_is_left_out_and_counted() -> None:
    order = FrameOrder(_unknown)
    order.begin()
    placed = [_place(order, index, time_s, 100) for index, time_s in enumerate((5.0, 5.1, 5.1, 5.05, 5.2))]
    assert [_seen(frame) for frame in placed] == [(0, 5.0), (1, 5.1), None, None, (4, 5.2)]
    assert order.unordered == 2


def test_numbers_go_on_after_a_reconnection_and_its_pause_is_no_gap() -> None:
    order = FrameOrder(_unknown)
    for first_s in (5.0, 8.0):
        order.begin()
        placed = [_place(order, index, first_s + index, first_s + index) for index in (3, 4)]
    assert [_seen(frame) for frame in placed] == [(5, 11.0), (6, 12.0)]
    assert order.skipped == 0


@pytest.mark.parametrize("restarted_s", [0.0, 5_000_000.0, 50.0])
def test_the_times_of_a_clock_that_started_anew_go_on_by_the_time_that_has_passed_here(
    restarted_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    order = FrameOrder(_unknown)
    order.begin()
    _place(order, 0, 100.0, 1000.0)
    order.begin()
    with caplog.at_level(logging.WARNING):
        placed = [_place(order, index, restarted_s + index, 1004.0 + index) for index in (0, 1)]
    assert [_seen(frame) for frame in placed] == [(1, 104.0), (2, 105.0)]
    assert "clock has started anew" in caplog.text
    # The next reconnection, on the same clock, keeps the shift.
    order.begin()
    assert _seen(_place(order, 0, restarted_s + 11.0, 1015.0)) == (3, 115.0)


@pytest.mark.parametrize(("pause_s", "step_s"), [(0.2, 1.1), (4.0, 2.1), (4.0, 5.9), (60.0, 31.0)])
def test_a_clock_that_agrees_with_ours_over_the_pause_is_believed(pause_s: float, step_s: float) -> None:
    order = FrameOrder(_unknown)
    order.begin()
    _place(order, 0, 100.0, 1000.0)
    order.begin()
    assert _seen(_place(order, 0, 100.0 + step_s, 1000.0 + pause_s)) == (1, 100.0 + step_s)


def test_the_exposure_on_our_clock_is_told_by_the_age_where_that_is_known() -> None:
    ages = {"known": 0.03, "unknown": None, "future": -0.5, "old": 11.0}
    found = {}
    for clock in ages:
        order = FrameOrder(lambda name, timestamp_ns: ages[name])
        placed = order.place(RawFrame(0, 5 * S, IMAGE), clock, 100 * S)
        assert placed is not None
        found[clock] = placed.host_ns
    assert found == {"known": 99_970_000_000, "unknown": 100 * S, "future": 100 * S, "old": 100 * S}


def test_what_a_replay_says_about_when_a_frame_was_due_is_kept() -> None:
    order = FrameOrder(_unknown)
    placed = _place(order, 0, 5.0, 100.0, host_ns=42)
    assert placed is not None
    assert placed.host_ns == 42
