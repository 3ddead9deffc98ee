from __future__ import annotations

import logging
import threading
from threading import Event

import pytest

from reloc.errors import OutputError
from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.sinks.queued import QueuedSink
from reloc.sources.source import SourceInfo
from tests.unit.sinks.estimates import CAMERA, INFO, estimate

PATIENCE_S = 30.0


class Slow:
    """A sink that takes an estimate only when it is allowed to, and fails where it is told to."""

    def __init__(self, *, fails_at: int = -1, refuses: bool = False, breaks_at_the_end: bool = False) -> None:
        self.fails_at, self.refuses, self.breaks_at_the_end = fails_at, refuses, breaks_at_the_end
        self.begun, self.allowed, self.closed = Event(), Event(), Event()
        self.taken: list[int] = []
        self.threads: set[int] = set()

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        if self.refuses:
            raise OutputError("no room")

    def write(self, one: Estimate) -> None:
        self.begun.set()
        assert self.allowed.wait(PATIENCE_S)
        self.threads.add(threading.get_ident())
        if one.frame.index == self.fails_at:
            raise OSError("disk full")
        self.taken.append(one.frame.index)

    def close(self) -> None:
        self.closed.set()
        if self.breaks_at_the_end:
            raise OSError("disk gone")


def _opened(sink: Slow, *, stalls: bool = False, capacity: int = 3, close_timeout_s: float = PATIENCE_S) -> QueuedSink:
    queued = QueuedSink(sink, capacity=capacity, close_timeout_s=close_timeout_s)
    queued.open(INFO, CAMERA)
    if not stalls:
        sink.allowed.set()
    return queued


def test_estimates_are_taken_in_order_by_another_thread_and_the_sink_is_closed_there() -> None:
    sink = Slow()
    queued = _opened(sink, capacity=100)
    for index in range(20):
        queued.write(estimate(index))
    queued.close()
    assert sink.taken == list(range(20))
    assert sink.closed.is_set()
    assert threading.get_ident() not in sink.threads
    assert (queued.status.name, queued.status.written, queued.status.dropped, queued.status.failure) == ("Slow", 20, 0, "")


def test_a_sink_that_stalls_loses_the_oldest_that_wait_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    sink = Slow()
    queued = _opened(sink, stalls=True)
    queued.write(estimate(0))
    assert sink.begun.wait(PATIENCE_S)
    with caplog.at_level(logging.WARNING):
        for index in range(1, 11):
            queued.write(estimate(index))
    assert caplog.text.count("is too slow or stalls") == 1
    sink.allowed.set()
    queued.close()
    assert sink.taken == [0, 8, 9, 10]
    assert queued.status.dropped == 7


def test_a_sink_that_is_behind_again_after_it_caught_up_is_reported_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = Slow()
    queued = _opened(sink, stalls=True, capacity=1)
    with caplog.at_level(logging.WARNING):
        for begin in (0, 10):
            sink.begun.clear()
            sink.allowed.clear()
            queued.write(estimate(begin))
            assert sink.begun.wait(PATIENCE_S)
            for index in (1, 2, 3):
                queued.write(estimate(begin + index))
            sink.allowed.set()
            while begin + 3 not in sink.taken:
                Event().wait(0.001)
    queued.close()
    assert caplog.text.count("is too slow or stalls") == 2


def test_a_sink_that_fails_is_closed_reported_and_left_out_and_nobody_else_hears_of_it(caplog: pytest.LogCaptureFixture) -> None:
    sink = Slow(fails_at=2)
    queued = _opened(sink, capacity=100)
    with caplog.at_level(logging.ERROR):
        for index in range(5):
            queued.write(estimate(index))
        assert sink.closed.wait(PATIENCE_S)
        queued.write(estimate(5))
        queued.close()
    assert sink.taken == [0, 1]
    assert caplog.text.count("Slow failed") == 1
    assert queued.status.failure == "OSError: disk full"
    assert (queued.status.written, queued.status.dropped) == (2, 3)


def test_a_failure_at_the_end_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    queued = _opened(Slow(breaks_at_the_end=True))
    with caplog.at_level(logging.ERROR):
        queued.close()
    assert "disk gone" in caplog.text
    assert queued.status.failure == "OSError: disk gone"


def test_a_sink_that_does_not_end_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    sink = Slow()
    queued = _opened(sink, stalls=True, close_timeout_s=0.01)
    queued.write(estimate(0))
    assert sink.begun.wait(PATIENCE_S)
    with caplog.at_level(logging.ERROR):
        queued.close()
    assert "left behind" in caplog.text
    assert not sink.closed.is_set()
    sink.allowed.set()
    assert sink.closed.wait(PATIENCE_S)


def test_what_is_wrong_at_the_start_comes_out() -> None:
    sink = Slow(refuses=True)
    queued = QueuedSink(sink)
    with pytest.raises(OutputError, match="no room"):
        queued.open(INFO, CAMERA)
    queued.close()
    assert sink.closed.is_set()


def test_after_the_end_nothing_is_taken() -> None:
    sink = Slow()
    queued = _opened(sink)
    queued.end()
    queued.write(estimate(0))
    queued.close()
    assert sink.taken == []
    assert queued.status.dropped == 1
