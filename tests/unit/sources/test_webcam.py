from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources import webcam
from reloc.sources.clock import Clock
from reloc.sources.options import CameraOptions
from reloc.sources.source import FrameSource
from reloc.sources.v4l2 import VideoDevice, gives_images, list_video_devices
from reloc.sources.webcam import Webcam
from tests.unit.sources.made import picture

_PERIOD_NS = 33_333_333
_BUFFERS = 4


class FakeCapture:
    """A camera on a clock of its own: it fills four buffers and stops when they are full, as V4L2 does."""

    def __init__(
        self, *, stamps: str = "monotonic", count: int = 10_000, opens: bool = True, lacks: tuple[int, ...] = ()
    ) -> None:
        self.now_ns = 1_000_000_000_000
        self.properties: dict[int, float] = {cv2.CAP_PROP_FPS: 30.0}
        self.asked: list[int] = []
        self.released = 0
        self.damaged: set[int] = set()
        self._stamps, self._count, self._opens, self._lacks = stamps, count, opens, lacks
        self._next, self._due_ns = 0, self.now_ns + _PERIOD_NS
        self._buffers: deque[tuple[int, int]] = deque()
        self._grabbed = (0, 0)

    def pass_time(self, nanoseconds: int) -> None:
        self.now_ns += nanoseconds
        while self._due_ns <= self.now_ns:
            if len(self._buffers) < _BUFFERS and self._next < self._count:
                self._buffers.append((self._next, self._due_ns))
            self._next += 1
            self._due_ns += _PERIOD_NS

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._opens

    def set(self, prop: int, value: float) -> bool:
        self.asked.append(prop)
        self.properties |= {prop: value} if prop not in self._lacks else {}
        return prop not in self._lacks

    def get(self, prop: int) -> float:
        offsets_ns = {
            "monotonic": 0,
            "stuck": 1_000_000_000_000 - self._grabbed[1],
            "system": time.time_ns() - self.now_ns,
            "none": -self._grabbed[1],
        }
        known = {**self.properties, cv2.CAP_PROP_POS_MSEC: (self._grabbed[1] + offsets_ns[self._stamps]) / 1e6}
        return known.get(prop, 0.0)

    def grab(self) -> bool:
        self.pass_time(50_000 if self._buffers else self._due_ns - self.now_ns)
        self._grabbed = self._buffers.popleft() if self._buffers else (-1, 0)
        return self._grabbed[0] >= 0

    def retrieve(self) -> tuple[bool, NDArray[Any]]:
        return self._grabbed[0] not in self.damaged, np.ascontiguousarray(picture(self._grabbed[0])[..., ::-1])

    def release(self) -> None:
        self.released += 1


def _camera(capture: FakeCapture, options: CameraOptions | None = None) -> Webcam:
    return Webcam("/dev/video0", options, open_capture=lambda device: capture, now_ns=lambda: capture.now_ns)


def _seen(frame: RawFrame) -> int:
    """Which of the pictures it is."""
    errors = [np.abs(frame.image.astype(int) - picture(seed)).max() for seed in range(60)]
    return int(np.argmin(errors)) if min(errors) == 0 else -1


def test_frames_come_in_rgb_with_the_stamps_of_the_driver() -> None:
    capture = FakeCapture()
    source = _camera(capture)
    assert isinstance(source, FrameSource)
    with source:
        frames = iter(source)
        taken = [next(frames) for _ in range(4)]
    assert [_seen(frame) for frame in taken] == [0, 1, 2, 3]
    assert [frame.index for frame in taken] == [0, 1, 2, 3]
    first_ns = 1_000_000_000_000 + _PERIOD_NS
    assert [frame.timestamp_ns for frame in taken] == pytest.approx([first_ns + i * _PERIOD_NS for i in range(4)], abs=1000)
    assert source.info.clock == Clock.MONOTONIC
    assert source.info.live
    assert capture.released == 1


def test_what_piled_up_while_nobody_looked_is_thrown_away_and_leaves_a_gap() -> None:
    capture = FakeCapture()
    with _camera(capture) as source:
        frames = iter(source)
        for away in (0, 1, 3, 10, 0, 2):
            capture.pass_time(int(away * 1.1 * _PERIOD_NS))
            frame = next(frames)
            assert capture.now_ns - frame.timestamp_ns < 1.2 * _PERIOD_NS
            # As many grabbed as counted, so the gap in the indices is what was thrown away.
            assert frame.index <= _seen(frame)
    assert frame.index > 8


def test_a_consumer_that_keeps_up_loses_nothing() -> None:
    capture = FakeCapture()
    with _camera(capture) as source:
        frames = iter(source)
        indices = []
        for _ in range(30):
            indices.append(next(frames).index)
            capture.pass_time(_PERIOD_NS * 9 // 10)
    assert indices == list(range(30))


@pytest.mark.parametrize(("stamps", "clock"), [("system", Clock.SYSTEM), ("none", Clock.MONOTONIC), ("stuck", Clock.MONOTONIC)])
def test_other_stamps_are_recognised_or_replaced_by_the_time_of_arrival(stamps: str, clock: Clock) -> None:
    capture = FakeCapture(stamps=stamps)
    source = _camera(capture)
    with source:
        frames = iter(source)
        times_ns = [next(frames).timestamp_ns for _ in range(5)]
    assert source.info.clock == clock
    assert times_ns == sorted(set(times_ns))
    now_ns = {Clock.SYSTEM: time.time_ns(), Clock.MONOTONIC: capture.now_ns}[clock]
    assert abs(times_ns[-1] - now_ns) < 5e9


def test_damaged_images_are_passed_over_until_there_are_too_many() -> None:
    capture = FakeCapture()
    capture.damaged = {1, 2}
    with _camera(capture) as source:
        frames = iter(source)
        assert [next(frames).index for _ in range(2)] == [0, 3]
    capture = FakeCapture()
    capture.damaged = set(range(1, 100, 2))
    with _camera(capture) as source:
        frames = iter(source)
        assert [next(frames).index for _ in range(40)] == list(range(0, 80, 2))
    capture = FakeCapture()
    capture.damaged = set(range(100))
    with _camera(capture) as source, pytest.raises(SourceError, match="30 damaged images"):
        next(iter(source))


def test_a_camera_that_stops_or_cannot_be_opened_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam, "list_video_devices", lambda: [VideoDevice("/dev/video7", "Integrated", True)])
    monkeypatch.setattr(webcam, "_LINUX", True)
    capture = FakeCapture(count=3)
    with Webcam("/dev/video123", open_capture=lambda device: capture, now_ns=lambda: capture.now_ns) as source:
        frames = iter(source)
        assert [next(frames).index for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SourceError, match=r"no more images.*not plugged in.*/dev/video7 \(Integrated\).*/dev/video123"):
            next(frames)
    assert capture.released >= 1
    closed = FakeCapture(opens=False)
    with (
        Webcam("/dev/video123", open_capture=lambda device: closed) as source,
        pytest.raises(SourceError, match="could not be opened"),
    ):
        next(iter(source))
    assert closed.released == 1


def test_the_real_opencv_finds_no_camera_that_is_not_there() -> None:
    with Webcam("/dev/video9876") as source, pytest.raises(SourceError, match=r"could not be opened.*not plugged in"):
        next(iter(source))


def test_options_are_asked_for_the_format_first() -> None:
    capture = FakeCapture()
    with _camera(capture, CameraOptions(width=1280, height=720, fps=60, exposure_us=5000, fourcc="YUYV")) as source:
        next(iter(source))
    assert capture.asked[0] == cv2.CAP_PROP_FOURCC
    assert capture.properties == {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"YUYV"),
        cv2.CAP_PROP_FRAME_WIDTH: 1280,
        cv2.CAP_PROP_FRAME_HEIGHT: 720,
        cv2.CAP_PROP_FPS: 60,
        cv2.CAP_PROP_BUFFERSIZE: 1,
        cv2.CAP_PROP_AUTO_EXPOSURE: 1,
        cv2.CAP_PROP_EXPOSURE: 50,
    }


def test_options_that_a_webcam_does_not_take_are_said(caplog: pytest.LogCaptureFixture) -> None:
    capture = FakeCapture(lacks=(cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    with _camera(capture, CameraOptions(width=1280, height=720)) as source:
        next(iter(source))
    assert "0x0 at 30 Hz, which is not what was asked for" in caplog.text
    assert capture.properties[cv2.CAP_PROP_AUTO_EXPOSURE] == 3
    stubborn = FakeCapture(lacks=(cv2.CAP_PROP_EXPOSURE,))
    with _camera(stubborn, CameraOptions(exposure_us=100)) as source, pytest.raises(SourceError, match="Leave out --exposure"):
        next(iter(source))


def test_leaving_does_not_pull_the_device_from_under_a_thread_that_reads_it() -> None:
    entered, go = threading.Event(), threading.Event()

    class Slow(FakeCapture):
        def grab(self) -> bool:
            entered.set()
            assert go.wait(10)
            assert not self.released
            return super().grab()

    capture, got = Slow(), list[RawFrame]()
    source = _camera(capture)
    with source:
        reading = threading.Thread(target=lambda: got.extend(source))
        reading.start()
        assert entered.wait(10)
    assert capture.released == 0
    go.set()
    reading.join(10)
    assert not reading.is_alive()
    assert capture.released >= 1
    assert len(got) <= 1


def test_video_devices_are_listed_by_number_without_those_that_carry_no_images(tmp_path: Path) -> None:
    for number, name in ((10, "HD Webcam"), (2, "D435: RGB"), (3, "D435: RGB"), (4, "locked")):
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(name + "\n")
    (tmp_path / "v4l-subdev0").mkdir()
    answers = {"/dev/video2": True, "/dev/video3": False, "/dev/video10": True}
    found = list_video_devices(tmp_path, answers.get)
    assert found == [
        VideoDevice("/dev/video2", "D435: RGB", True),
        VideoDevice("/dev/video4", "locked", None),
        VideoDevice("/dev/video10", "HD Webcam", True),
    ]
    assert found[2].spec == "webcam:10"
    assert list_video_devices(tmp_path / "absent") == []


def test_what_is_no_video_device_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert gives_images(str(tmp_path / "file")) is None
    assert gives_images(str(tmp_path / "absent")) is None


@pytest.mark.skipif(not list_video_devices(), reason="no video device, nor a v4l2 loop, is plugged in")
def test_a_real_video_device_gives_frames_on_the_clock_of_the_host() -> None:
    with Webcam(list_video_devices()[0].path) as source:
        frames = iter(source)
        times_ns = [next(frames).timestamp_ns for _ in range(5)]
    assert times_ns == sorted(set(times_ns))
    assert abs(times_ns[-1] - time.monotonic_ns()) < 5e9
