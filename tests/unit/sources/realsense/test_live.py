from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)  # without libusb it is there and cannot be loaded

from reloc.errors import SourceError  # noqa: E402
from reloc.frame import RawFrame  # noqa: E402
from reloc.sources.clock import Clock  # noqa: E402
from reloc.sources.options import CameraOptions  # noqa: E402
from reloc.sources.realsense import devices  # noqa: E402
from reloc.sources.realsense.devices import RealSenseDevice, find_device, list_realsense, restarted  # noqa: E402
from reloc.sources.realsense.plan import plan_streams  # noqa: E402
from reloc.sources.realsense.source import RealSenseSource  # noqa: E402
from tests.unit.sources.realsense.soft import Showing, SoftCamera, color_picture  # noqa: E402


def _source(
    camera: SoftCamera, options: CameraOptions | None = None, restart: Callable[[], object] | None = None
) -> RealSenseSource:
    return RealSenseSource(lambda: camera.device, options or CameraOptions(timeout_s=0.3), restart or (lambda: camera.device))


def test_a_live_camera_gives_what_it_sees_from_its_first_frame_on() -> None:
    camera = SoftCamera()
    source = _source(camera)
    assert source.info.live
    assert source.info.name == "Soft D435 42"
    assert source.info.length is None
    assert source.info.camera is not None
    assert source.info.clock == Clock.GLOBAL
    with source, Showing(camera, 2000, first_number=100):
        frames = iter(source)
        taken = [next(frames) for _ in range(5)]
    assert taken[0].index == 0
    for frame in taken:
        seen = int(frame.name) - 100
        assert frame.index == seen - int(taken[0].name) + 100
        assert frame.timestamp_ns == (1000 + 33 * seen) * 1_000_000
        np.testing.assert_array_equal(frame.image, color_picture(seen))
    # The frames turned out to carry another clock than the option promised.
    assert source.info.clock == Clock.HARDWARE


def test_frames_that_nobody_fetched_are_dropped_but_for_the_newest() -> None:
    camera = SoftCamera()
    source = _source(camera)
    with source, Showing(camera, 2000):
        frames = iter(source)
        next(frames)
        for number in range(5001, 5040):
            camera.show(color_picture(0), number, 100_000.0 + number)
        later = [next(frames), next(frames)]
    assert int(later[-1].name) >= 5039
    assert later[-1].index >= 5000


def test_silence_is_an_error_that_says_what_to_check_and_the_next_reading_resets_the_camera() -> None:
    camera, resets = SoftCamera(), []

    def restart() -> object:
        resets.append(True)
        return camera.device

    source = _source(camera, restart=restart)
    for count in (0, 1, 1):
        with (
            source,
            Showing(camera, 1),
            pytest.raises(SourceError, match=r"Soft D435 42 has sent no.*frames.*cable.*still plugged in"),
        ):
            list(source)
        assert len(resets) == count or count
    assert resets == [True, True]
    for _ in range(2):  # one more reset, and none after a reading that went well
        with source, Showing(camera, 2000):
            next(iter(source))
    assert resets == [True, True, True]


def test_leaving_ends_a_reading_that_waits_in_another_thread() -> None:
    camera, got, seen = SoftCamera(), list[RawFrame](), threading.Event()
    source = _source(camera, CameraOptions(timeout_s=60))

    def read() -> None:
        for frame in source:
            got.append(frame)
            seen.set()

    reading = threading.Thread(target=read)
    with source, Showing(camera, 2000):
        reading.start()
        assert seen.wait(10)
    reading.join(10)
    assert not reading.is_alive()
    assert got


def test_a_camera_that_is_gone_is_missed_by_name() -> None:
    camera, finds = SoftCamera(), []

    def find() -> object:
        finds.append(True)
        found = [camera.device] * (len(finds) <= 2) or find_device("42")
        return found[0]

    source = RealSenseSource(find, CameraOptions(timeout_s=0.1), lambda: camera.device)
    with source, pytest.raises(SourceError, match=r"cable.*No RealSense was found"):
        list(source)


def test_exposure_and_clock_are_set_in_the_units_of_the_sensor() -> None:
    camera = SoftCamera()
    sensor = camera.device.query_sensors()[0]
    options = CameraOptions(exposure_us=15_600, global_time=False, timeout_s=1.0)
    with _source(camera, options) as source, Showing(camera, 50):
        assert source.info.clock == Clock.HARDWARE
        next(iter(source))
    assert sensor.get_option(rs.option.exposure) == 156
    assert sensor.get_option(rs.option.enable_auto_exposure) == 0
    assert sensor.get_option(rs.option.global_time_enabled) == 0
    with _source(camera, CameraOptions(timeout_s=1.0)) as source, Showing(camera, 50):
        next(iter(source))
    assert sensor.get_option(rs.option.enable_auto_exposure) == 1
    assert sensor.get_option(rs.option.global_time_enabled) == 1


def test_an_exposure_out_of_range_is_refused_with_the_range() -> None:
    with (
        _source(SoftCamera(), CameraOptions(exposure_us=50)) as source,
        pytest.raises(SourceError, match=r"50 µs.*100 to 1e\+06 µs"),
    ):
        next(iter(source))


def test_a_mode_is_chosen_as_asked_or_refused_with_a_list() -> None:
    camera = SoftCamera()
    assert plan_streams(camera.device, CameraOptions()).fps == 30
    assert plan_streams(camera.device, CameraOptions(width=64, height=48, fps=15)).fps == 15
    with pytest.raises(SourceError, match=r"640x480 at any rate.*64x48 at 30 Hz, 64x48 at 15 Hz, 64x48 at 60 Hz"):
        _source(camera, CameraOptions(width=640, height=480))
    with pytest.raises(SourceError, match="any size at 24 Hz"):
        _source(camera, CameraOptions(fps=24))


def test_without_hardware_the_real_library_finds_none() -> None:
    assert list_realsense() == []
    with pytest.raises(SourceError, match=r"No RealSense was found.*USB 3.*udev.*reloc cameras"):
        find_device(None)


def test_a_camera_is_found_by_its_serial_number_or_when_it_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = SoftCamera(), SoftCamera()
    second.device.update_info(rs.camera_info.serial_number, "43")
    second.device.register_info(rs.camera_info.firmware_version, "5.16")
    monkeypatch.setattr(devices, "_query", lambda: [first.device, second.device])
    assert list_realsense() == [RealSenseDevice("Soft D435", "42", "", ""), RealSenseDevice("Soft D435", "43", "5.16", "")]
    assert find_device("43") is second.device
    with pytest.raises(SourceError, match=r"Several.*Soft D435 42, Soft D435 43"):
        find_device(None)
    with pytest.raises(SourceError, match=r"serial number 44.*Soft D435 42, Soft D435 43"):
        find_device("44")
    monkeypatch.setattr(devices, "_query", lambda: [first.device])
    assert find_device(None) is first.device


class _Resettable:
    """A camera that leaves for three seconds when it is reset, on a clock of its own."""

    def __init__(self, away_s: float) -> None:
        self.now_s, self._away_s = 50.0, away_s
        self._reset_s: float | None = None

    def hardware_reset(self) -> None:
        self._reset_s = self.now_s

    def find(self) -> _Resettable:
        since_s = -1.0 if self._reset_s is None else self.now_s - self._reset_s
        if 0.6 < since_s < self._away_s:
            raise SourceError("gone")
        return self

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_reset_camera_is_waited_for_but_not_for_ever() -> None:
    camera = _Resettable(3.0)
    assert restarted(camera.find, clock=lambda: camera.now_s, sleep=camera.sleep) is camera
    assert 53.0 <= camera.now_s < 53.5
    camera = _Resettable(1e9)
    with pytest.raises(SourceError, match="gone"):
        restarted(camera.find, clock=lambda: camera.now_s, sleep=camera.sleep)
    assert camera.now_s < 50 + 20


def test_a_camera_that_knows_no_reset_is_used_as_it_is() -> None:
    soft = SoftCamera()
    times = iter(range(100))
    assert restarted(lambda: soft.device, clock=lambda: float(next(times)), sleep=lambda seconds: None) is soft.device
