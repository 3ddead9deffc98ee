from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.live import CameraState, LiveCamera, LiveConfig
from reloc.sources.source import FrameSource
from tests.unit.live.scripted import PATIENCE_S, Camera, Clock, Hang
from tests.unit.sources.made import ListSource, frames

CONFIG = LiveConfig()


@contextmanager
def _live(camera: Camera, *, again: Callable[[], FrameSource] | None = None) -> Iterator[tuple[LiveCamera, Clock]]:
    """A camera that is looked after by the test instead of a thread, by the test's clock."""
    clock = Clock()
    live = LiveCamera(camera, again or (lambda: camera), CONFIG, clock=clock)
    live.look()
    try:
        yield live, clock
    finally:
        live.close()


def _took(live: LiveCamera) -> tuple[int, float]:
    raw = live.take(PATIENCE_S)
    assert raw is not None
    return raw.index, raw.timestamp_ns / 1e9


def _until(state: CameraState, live: LiveCamera) -> None:
    """Wait for what another thread does."""
    for _ in range(round(PATIENCE_S * 1000)):
        if live.status().state is state:
            return
        threading.Event().wait(0.001)
    raise AssertionError(f"{live.status()}")


def test_frames_come_with_their_arrival_on_our_clock() -> None:
    with _live(Camera(5.0)) as (live, clock):
        raw = live.take(PATIENCE_S)
        assert raw is not None
        assert (raw.index, raw.timestamp_ns, raw.host_ns) == (0, 5_000_000_000, round(clock.now_s * 1e9))
        assert live.status().state is CameraState.STREAMING
        assert live.take(0.0) is None
        assert not live.is_over


def test_a_camera_that_raises_is_read_again_after_a_pause_and_its_frames_go_on() -> None:
    camera = Camera(5.0, SourceError("unplugged"))
    with _live(camera) as (live, clock):
        assert _took(live) == (0, 5.0)
        _until(CameraState.WAITING, live)
        assert live.status().last_error == "unplugged"
        clock.now_s += 0.49
        live.look()
        assert live.status().state is CameraState.WAITING
        clock.now_s += 0.01
        live.look()
        camera.orders.put(5.5)
        assert _took(live) == (1, 5.5)
        assert live.status().reconnects == 1
        # It is read anew, not opened anew: what a camera does after a failure of its own is its own affair.
        assert camera.events == ["enter", "read", "read"]


def test_a_camera_that_just_ends_is_read_again_as_well() -> None:
    with _live(Camera(5.0, None)) as (live, _):
        _took(live)
        _until(CameraState.WAITING, live)
        assert live.status().last_error == "it ended"


@pytest.mark.parametrize("fault", [ZeroDivisionError("a driver's bug"), RuntimeError("xioctl(VIDIOC_DQBUF)"), KeyError("?")])
def test_whatever_a_driver_raises_is_a_failure_of_the_camera(fault: Exception) -> None:
    with _live(Camera(fault)) as (live, _):
        _until(CameraState.WAITING, live)
        assert live.status().last_error == str(fault)


def test_a_camera_that_hangs_is_closed_opened_anew_and_read_by_a_new_thread() -> None:
    hang = Hang()
    old, new = Camera(5.0, hang), Camera()
    with _live(old, again=lambda: new) as (live, clock):
        _took(live)
        assert hang.begun.wait(PATIENCE_S)
        clock.now_s += 1.0
        live.look()
        assert live.status().state is CameraState.SILENT
        clock.now_s += 1.0
        live.look()
        assert (live.status().state, live.status().hanging) == (CameraState.WAITING, 1)
        clock.now_s += 0.5
        live.look()
        assert old.closed.wait(PATIENCE_S)
        new.orders.put(7.5)
        assert _took(live) == (1, 7.5)
        assert new.events == ["enter", "read"]
        # The one that was left behind comes back: nobody wants what it brings.
        old.orders.queue.clear()
        old.orders.put(9.0)
        hang.released.set()
        assert live.take(0.05) is None
        assert live.status().hanging == 0
        assert old.events == ["enter", "read", "exit"]


def test_a_camera_that_cannot_be_closed_or_opened_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    hang, attempts, new = Hang(), [], Camera(9.0)
    old = Camera(5.0, hang)
    old.exit_error = OSError("busy")

    def reopen() -> Camera:
        attempts.append(1)
        return new if len(attempts) == 3 else _refuse()

    with _live(old, again=reopen) as (live, clock), caplog.at_level(logging.WARNING):
        _took(live)
        assert hang.begun.wait(PATIENCE_S)
        for _ in range(2):
            clock.now_s += 1.0
            live.look()
        for _ in range(2):
            clock.now_s += 10.0
            live.look()
            _until(CameraState.WAITING, live)
        assert live.status().last_error == "not plugged in"
        clock.now_s += 10.0
        live.look()
        assert _took(live)[0] == 1
        hang.released.set()
    assert caplog.text.count("could not be closed: busy") == 1
    assert len(attempts) == 3


def _refuse() -> Camera:
    raise SourceError("not plugged in")


def test_one_that_is_opened_too_late_is_let_go_of() -> None:
    hang, late, new = Hang(), Camera(6.0), Camera()
    opened: list[Camera] = []

    def reopen() -> Camera:
        opened.append(late)
        if len(opened) > 1:
            return new
        hang.begun.set()
        assert hang.released.wait(PATIENCE_S)
        return late

    first = Hang()
    with _live(Camera(5.0, first), again=reopen) as (live, clock):
        _took(live)
        assert first.begun.wait(PATIENCE_S)
        for seconds in (1.0, 1.0, 0.5):
            clock.now_s += seconds
            live.look()
        assert hang.begun.wait(PATIENCE_S)
        for seconds in (CONFIG.first_frame_s, 1.0):
            clock.now_s += seconds
            live.look()
        new.orders.put(30.0)
        assert _took(live)[0] == 1
        hang.released.set()
        assert late.closed.wait(PATIENCE_S)
        first.released.set()
    assert late.events == ["exit"]


def test_threads_that_hang_are_bounded() -> None:
    hangs = [Hang() for _ in range(20)]
    cameras = [Camera(hang) for hang in hangs]
    waiting = iter(cameras[1:])
    with _live(cameras[0], again=lambda: next(waiting)) as (live, clock):
        for hang in hangs[: CONFIG.most_hanging]:
            assert hang.begun.wait(PATIENCE_S)
            for _ in range(2):
                clock.now_s += 30.0
                live.look()
        for _ in range(10):
            clock.now_s += 30.0
            live.look()
        assert live.status().hanging == CONFIG.most_hanging
        assert live.status().reconnects == CONFIG.most_hanging - 1
        hangs[3].released.set()
        while live.status().hanging == CONFIG.most_hanging:
            threading.Event().wait(0.001)
        live.look()
        assert live.status().reconnects == CONFIG.most_hanging
        for hang in hangs:
            hang.released.set()


def test_dropped_counts_what_was_overtaken_here_and_what_the_camera_left_out() -> None:
    with _live(Camera(5.0, 5.1, 5.05, 5.1, 5.3)) as (live, _):
        while live.status().unordered < 2 or live.status().frames < 3:
            threading.Event().wait(0.001)
        assert _took(live) == (4, 5.3)
        # 5.0 and 5.1 were overtaken; the two out of order leave a gap in the numbers.
        assert live.status().dropped == live.dropped == 4


def test_closing_ends_the_reading_and_lets_go_of_the_camera() -> None:
    before = set(threading.enumerate())  # the abandoned threads of other tests may still be waiting
    camera = Camera(5.0)
    with _live(camera) as (live, _):
        _took(live)
        live.close()
        assert live.is_over
        assert live.status().state is CameraState.ENDED
    assert camera.events[:3] == ["enter", "read", "exit"]
    assert "reloc-camera" not in [thread.name for thread in set(threading.enumerate()) - before]


def test_the_watch_runs_by_itself_and_ends_with_the_camera() -> None:
    before = set(threading.enumerate())
    hang, new = Hang(), Camera(5.2)
    config = LiveConfig(silence_s=0.01, hang_s=0.02, shortest_wait_s=0.01)
    live = LiveCamera(Camera(5.0, hang), lambda: new, config)
    live.start()
    assert _took(live)[0] == 0
    assert _took(live)[0] == 1
    hang.released.set()
    live.close()
    assert "reloc-watchdog" not in [thread.name for thread in set(threading.enumerate()) - before]


# Recordings.


def _all(live: LiveCamera) -> list[RawFrame]:
    got = []
    while not live.is_over:
        raw = live.take(PATIENCE_S)
        got += [] if raw is None else [raw]
    return got


def test_a_recording_ends_and_is_not_opened_again() -> None:
    source = ListSource(frames(3, height=2, width=2), live=True)
    live = LiveCamera(source, None)
    live.start()
    got = _all(live)
    assert (got[0].index, got[-1].index) == (0, 2)
    assert live.take(0.0) is None
    assert live.dropped == 3 - len(got)
    live.close()
    assert source.opened == 1


def test_what_a_recording_raises_comes_out_after_its_last_frame() -> None:
    live = LiveCamera(ListSource(frames(2, height=2, width=2), error=SourceError("breaks off"), live=True), None)
    live.start()
    with pytest.raises(SourceError, match="breaks off"):
        _all(live)
    assert live.is_over
    live.close()


def test_a_recording_waits_for_its_first_frame_to_be_dealt_with() -> None:
    source = ListSource(frames(5, height=2, width=2), live=True)
    live = LiveCamera(source, None)
    live.start()
    assert _took(live)[0] == 0
    assert source.read == [0]
    assert live.take(PATIENCE_S) is not None
    live.close()
