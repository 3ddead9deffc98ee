from __future__ import annotations

import logging

import pytest

from reloc.live.config import LiveConfig
from reloc.live.watchdog import Action, CameraState, Watchdog

CONFIG = LiveConfig()


def _streaming(now_s: float = 0.0, config: LiveConfig = CONFIG) -> Watchdog:
    dog = Watchdog(config, now_s)
    assert dog.due(now_s) is Action.OPEN
    dog.opened(now_s)
    dog.frame(now_s)
    return dog


def _state(dog: Watchdog, now_s: float) -> CameraState:
    return dog.status(now_s).state


def test_a_camera_is_opened_at_once_and_streams_with_its_first_frame() -> None:
    dog = Watchdog(CONFIG, 10.0)
    assert dog.due(10.0) is Action.OPEN
    dog.opened(10.0)
    assert _state(dog, 10.0) is CameraState.STARTING
    assert dog.due(10.1) is Action.NOTHING
    dog.frame(12.0)
    status = dog.status(13.0)
    assert (status.state, status.state_s, status.frames, status.reconnects) == (CameraState.STREAMING, 1.0, 1, 0)


def test_silence_is_reported_after_a_second_and_a_frame_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    dog = _streaming()
    assert dog.due(0.99) is Action.NOTHING
    assert _state(dog, 0.99) is CameraState.STREAMING
    with caplog.at_level(logging.WARNING):
        assert dog.due(1.0) is Action.NOTHING
        assert dog.due(1.1) is Action.NOTHING
    assert _state(dog, 1.1) is CameraState.SILENT
    assert caplog.text.count("given no frame for 1.0 s") == 1
    with caplog.at_level(logging.WARNING):
        dog.frame(1.5)
    assert "gives frames again, after 1.5 s" in caplog.text
    status = dog.status(1.5)
    assert (status.state, status.silences, status.reconnects) == (CameraState.STREAMING, 1, 0)


def test_a_camera_that_hangs_is_abandoned_and_opened_anew_after_a_pause() -> None:
    dog = _streaming()
    dog.due(1.0)
    assert dog.due(1.99) is Action.NOTHING
    assert dog.due(2.0) is Action.ABANDON
    assert _state(dog, 2.0) is CameraState.WAITING
    assert dog.due(2.49) is Action.NOTHING
    assert dog.due(2.5) is Action.OPEN
    dog.opened(2.5)
    assert dog.status(2.5).reconnects == 1
    assert "hangs" in dog.status(2.5).last_error


def test_the_first_frame_may_take_longer() -> None:
    dog = Watchdog(CONFIG, 0.0)
    dog.opened(0.0)
    assert dog.due(19.9) is Action.NOTHING
    assert dog.due(20.0) is Action.ABANDON


def test_the_pause_doubles_up_to_ten_seconds_for_ever() -> None:
    dog, now_s, pauses_s = _streaming(), 0.0, []
    for _ in range(100):
        dog.failed("unplugged", now_s)
        pause_s = next(step / 4 for step in range(200) if dog.due(now_s + step / 4) is Action.OPEN)
        pauses_s.append(pause_s)
        now_s += pause_s
        dog.opened(now_s)
    assert pauses_s == [0.5, 1.0, 2.0, 4.0, 8.0] + [10.0] * 95
    assert dog.status(now_s).reconnects == 100


@pytest.mark.parametrize(("streamed_s", "pause_s"), [(4.9, 2.0), (5.0, 0.5)])
def test_a_camera_that_streamed_for_a_while_begins_with_the_short_pause_again(streamed_s: float, pause_s: float) -> None:
    dog = _streaming()
    dog.failed("one", 0.0)
    dog.failed("two", 0.0)
    dog.opened(10.0)
    dog.frame(10.0)
    dog.frame(10.0 + streamed_s)
    dog.failed("three", 20.0)
    assert dog.due(20.0 + pause_s - 0.01) is Action.NOTHING
    assert dog.due(20.0 + pause_s) is Action.OPEN


def test_while_too_many_threads_hang_nothing_is_opened() -> None:
    dog = Watchdog(LiveConfig(most_hanging=2), 0.0)
    assert dog.due(5.0, hanging=2) is Action.NOTHING
    assert dog.due(6.0, hanging=1) is Action.OPEN


def test_equal_failures_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    dog = _streaming()
    with caplog.at_level(logging.WARNING):
        for second in range(1000):
            dog.failed("unplugged", float(second))
    assert caplog.text.count("unplugged") == 6
    with caplog.at_level(logging.WARNING):
        dog.failed("another cause", 1000.0)
    assert "another cause" in caplog.text


def test_an_ended_recording_asks_for_nothing() -> None:
    dog = _streaming()
    dog.ended(1.0)
    assert dog.due(1000.0) is Action.NOTHING
    assert _state(dog, 1000.0) is CameraState.ENDED
