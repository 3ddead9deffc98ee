"""A RealSense of software, made by the real library: streams, options, frames and recordings without hardware."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from tests.unit.sources.made import picture

WIDTH, HEIGHT = 64, 48
# A camera that dropped a frame and has jitter. More frames than any buffer holds, so that the library has to wait for us.
NUMBERS = [number for number in range(7, 48) if number != 13]
TIMES_MS = [1000.125 + 33.333 * number + 0.01 * (number * 7 % 5) for number in NUMBERS]


def intrinsics(model: rs.distortion = rs.distortion.brown_conrady, coefficients: Sequence[float] = ()) -> rs.intrinsics:
    given = rs.intrinsics()
    given.width, given.height, given.ppx, given.ppy, given.fx, given.fy = WIDTH, HEIGHT, 31.25, 23.75, 60.5, 61.5
    given.model, given.coeffs = model, list(coefficients or (0.0,) * 5)
    return given


class SoftCamera:
    """A colour camera of three rates, and a depth camera 5 cm to its left."""

    def __init__(
        self, pixel_format: rs.format = rs.format.rgb8, coefficients: Sequence[float] = (0.1, -0.2, 0.003, -0.004, 0.0)
    ) -> None:
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Soft D435")
        self.device.register_info(rs.camera_info.serial_number, "42")
        self.color = self.device.add_sensor("RGB Camera")
        self.stereo = self.device.add_sensor("Stereo Module")
        lens = intrinsics(coefficients=coefficients)
        self.bytes_per_pixel = {rs.format.y8: 1, rs.format.yuyv: 2}.get(pixel_format, 3)
        self.color_profile = self._stream(self.color, rs.stream.color, 1, pixel_format, self.bytes_per_pixel, lens)
        for uid, fps in ((3, 15), (4, 60)):
            self._stream(self.color, rs.stream.color, uid, pixel_format, self.bytes_per_pixel, lens, fps)
        self.depth_profile = self._stream(self.stereo, rs.stream.depth, 2, rs.format.z16, 2, intrinsics(rs.distortion.none))
        shift = rs.extrinsics()
        shift.rotation, shift.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0.05, 0, 0]
        self.depth_profile.register_extrinsics_to(self.color_profile, shift)
        self.stereo.add_read_only_option(rs.option.depth_units, 0.001)
        for option, limits in (
            (rs.option.exposure, (1, 10_000, 156)),
            (rs.option.enable_auto_exposure, (0, 1, 1)),
            (rs.option.global_time_enabled, (0, 1, 1)),
        ):
            span = rs.option_range()
            span.min, span.max, span.default = limits
            span.step = 1
            self.color.add_option(option, span, True)
        self.device.create_matcher(rs.matchers.default)

    @staticmethod
    def _stream(sensor: Any, kind: Any, uid: int, form: Any, size: int, lens: Any, fps: int = 30) -> Any:
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.fmt, stream.bpp, stream.intrinsics = kind, 0, uid, form, size, lens
        stream.width, stream.height, stream.fps = WIDTH, HEIGHT, fps
        return rs.video_stream_profile(sensor.add_video_stream(stream))

    def show(self, pixels: NDArray[Any], number: int, time_ms: float, domain: Any = rs.timestamp_domain.hardware_clock) -> None:
        """Let the colour camera take a picture."""
        frame = rs.software_video_frame()
        frame.pixels, frame.bpp, frame.stride = pixels, self.bytes_per_pixel, WIDTH * self.bytes_per_pixel
        frame.timestamp, frame.domain, frame.frame_number, frame.profile = time_ms, domain, number, self.color_profile
        self.color.on_video_frame(frame)

    def show_all(self, times_ms: Sequence[float], domain: Any = rs.timestamp_domain.hardware_clock) -> None:
        """Let the colour camera take a picture at each time, numbered from 0."""
        for i, time_ms in enumerate(times_ms):
            self.show(color_picture(i), i, time_ms, domain)

    def measure(self, millimetres: NDArray[np.uint16], number: int, time_ms: float) -> None:
        """Let the depth camera take a picture."""
        frame = rs.software_video_frame()
        frame.pixels, frame.bpp, frame.stride, frame.depth_units = millimetres, 2, WIDTH * 2, 0.001
        frame.timestamp, frame.domain = time_ms, rs.timestamp_domain.hardware_clock
        frame.frame_number, frame.profile = number, self.depth_profile
        self.stereo.on_video_frame(frame)

    def recorded(self, path: Path, happen: Callable[[], None]) -> Path:
        """Record all that happens to a file, which is complete on return."""
        recorder = rs.recorder(str(path), self.device)
        sensors = recorder.query_sensors()
        for sensor in sensors:
            sensor.open(sensor.get_stream_profiles()[:1])
            sensor.start(lambda frame: None)
        happen()
        for sensor in sensors:
            sensor.stop()
            sensor.close()
        # The file is closed when the last reference dies, and not by anything else.
        del recorder, sensor, sensors
        gc.collect()
        return path


def color_picture(seed: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(picture(seed, HEIGHT, WIDTH))


def depth_picture(seed: int) -> NDArray[np.uint16]:
    """A wall at 2 m and a few millimetres, a different one for each seed."""
    return np.full((HEIGHT, WIDTH), 2000 + seed, np.uint16)


class Showing(threading.Thread):
    """Shows pictures to a live camera every few milliseconds, `count` of them or until it is stopped."""

    def __init__(self, camera: SoftCamera, count: int, first_number: int = 1) -> None:
        super().__init__(daemon=True)
        self._camera, self._count, self._first = camera, count, first_number
        self._stop_asked = threading.Event()

    def run(self) -> None:
        i = 0
        while i < self._count and not self._stop_asked.wait(0.004):
            self._camera.show(color_picture(i), self._first + i, 1000.0 + 33.0 * i)
            i += 1

    def __enter__(self) -> Showing:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop_asked.set()
        self.join(5)
