from __future__ import annotations

from pathlib import Path

import pytest

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.clock import Clock, age_s
from reloc.sources.live import open_camera
from reloc.sources.options import CameraOptions
from reloc.sources.replay import replayed
from reloc.sources.webcam import Webcam
from tests.unit.sources.made import ListSource, frames, picture, write_image


class Time:
    """A clock that only `sleep` moves on, and whoever uses it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def _delivered(source: ListSource, rate_hz: float | None, work_s: list[float]) -> tuple[list[RawFrame], list[float]]:
    """Return the frames and the times at which they came to a consumer that works for `work_s` after each."""
    clock, got, times_s = Time(), list[RawFrame](), list[float]()
    for frame in replayed(source, rate_hz, clock=clock, sleep=clock.sleep):
        got.append(frame)
        times_s.append(clock.now_s - 1000.0)
        clock.now_s += work_s[len(got) - 1]
    return got, times_s


def test_a_replay_is_live_keeps_its_timestamps_and_comes_at_the_rate() -> None:
    source = ListSource(frames(5))
    assert replayed(source).info.live
    assert replayed(source).info.replayed
    assert not source.info.replayed
    assert replayed(source).info.name == source.info.name
    got, times_s = _delivered(source, 10.0, [0.0] * 5)
    assert [frame.timestamp_ns for frame in got] == [frame.timestamp_ns for frame in source.frames]
    assert times_s == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_without_a_rate_it_comes_at_the_pace_of_the_recording_gaps_and_all() -> None:
    made = frames(6)
    _, times_s = _delivered(ListSource([made[0], made[1], made[4], made[5]]), None, [0.0] * 4)
    assert times_s == pytest.approx([0, 1 / 30, 4 / 30, 5 / 30], abs=1e-8)


def test_a_slow_consumer_gets_every_frame_at_once_when_it_is_due_already_and_the_pace_does_not_drift() -> None:
    got, times_s = _delivered(ListSource(frames(7)), 10.0, [0.0, 0.35, 0.01, 0.01, 0.01, 0.01, 0.01])
    assert [frame.index for frame in got] == list(range(7))
    assert times_s == pytest.approx([0.0, 0.1, 0.45, 0.46, 0.47, 0.5, 0.6])
    due_s = [frame.host_ns / 1e9 - 1000.0 for frame in got if frame.host_ns is not None]
    assert due_s == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_the_clock_starts_once_the_consumer_is_done_with_the_first_frame() -> None:
    _, times_s = _delivered(ListSource(frames(4)), 10.0, [5.0, 0.0, 0.0, 0.0])
    assert times_s == pytest.approx([0.0, 5.1, 5.2, 5.3])


def test_an_interrupted_sleep_is_slept_to_its_end() -> None:
    clock = Time()
    times_s = []
    for _ in replayed(ListSource(frames(3)), 10.0, clock=clock, sleep=lambda seconds: clock.sleep(min(seconds, 0.03))):
        times_s.append(clock.now_s - 1000.0)
    assert times_s == pytest.approx([0.0, 0.1, 0.2])


def test_a_replay_opens_closes_and_fails_with_its_recording() -> None:
    source = ListSource(frames(2), error=SourceError("breaks off"))
    with replayed(source) as live, pytest.raises(SourceError, match="breaks off"):
        list(live)
    assert (source.opened, source.closed) == (1, 1)
    for rate_hz in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SourceError, match="rate of a replay"):
            replayed(source, rate_hz)


def test_a_camera_is_opened_by_its_name(tmp_path: Path) -> None:
    assert isinstance(open_camera("webcam:3"), Webcam)
    assert open_camera("webcam:3").info.name == "webcam /dev/video3"
    assert open_camera("webcam").info.name == "webcam /dev/video0"
    assert open_camera("/dev/video5").info.name == "webcam /dev/video5"
    for url in ("rtsp://a:b@10.0.0.1/x", "HTTP://a:b@10.0.0.1/x"):
        info = open_camera(url).info
        assert (info.live, info.name, info.clock) == (True, f"{url[:7]}10.0.0.1/x", Clock.STREAM)
    write_image(tmp_path / "a.png", picture(0))
    recording = open_camera(str(tmp_path), CameraOptions(rate_hz=1000))
    assert recording.info.live
    assert len(list(recording)) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("webcam:front", "webcam:0.*front"),
        ("gige:1", "no known kind"),
        ("nothing/here", "no such source"),
        ("realsense:5", "RealSense|pyrealsense2"),
    ],
)
def test_what_is_no_camera_is_explained(spec: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_camera(spec)


def test_the_age_of_a_frame_is_told_where_its_clock_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic_ns", lambda: 5_000_000_000)
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)
    assert age_s(Clock.MONOTONIC, 4_900_000_000) == pytest.approx(0.1)
    assert age_s(Clock.SYSTEM, 1_799_999_999_000_000_000) == pytest.approx(1.0)
    assert age_s(Clock.GLOBAL, 1_799_999_999_500_000_000) == pytest.approx(0.5)
    assert age_s(Clock.HARDWARE, 1) is None
    assert age_s("recording", 1) is None


def test_at_a_rate_gaps_of_the_recording_take_no_time() -> None:
    made = frames(6)
    _, times_s = _delivered(ListSource([made[0], made[1], made[4], made[5]]), 10.0, [0.0] * 4)
    assert times_s == pytest.approx([0, 0.1, 0.2, 0.3])
