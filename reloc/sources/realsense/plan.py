"""Which streams of a RealSense are read, in which mode, and what is set on it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reloc.errors import SourceError
from reloc.geometry.lens import LensCamera
from reloc.sources.clock import Clock
from reloc.sources.options import CameraOptions
from reloc.sources.realsense.lens import lens_from_intrinsics
from reloc.sources.realsense.pixels import FORMATS

if TYPE_CHECKING:
    import pyrealsense2 as rs

# What is chosen where nobody asks: the tracker reduces the image anyway, and small ones are read out with less delay.
_USUAL_PIXELS, _USUAL_FPS = 640 * 480, 30
# The library counts the exposure of colour cameras in the steps of UVC, and that of depth cameras in microseconds.
_UVC_STEP_US = 100.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Plan:
    """The streams to open on one device."""

    image: rs.video_stream_profile
    depth: rs.video_stream_profile | None
    sensors: Sequence[tuple[rs.sensor, Sequence[rs.video_stream_profile]]]
    """Each sensor with the streams that it is opened for; the one that takes the image comes first."""
    lens: LensCamera

    @property
    def fps(self) -> float:
        """The rate of the image stream in frames a second."""
        return float(self.image.fps())


@dataclass(frozen=True, eq=False)
class _Mode:
    sensor: rs.sensor
    profile: rs.video_stream_profile

    @property
    def size(self) -> tuple[int, int]:
        return self.profile.width(), self.profile.height()

    @property
    def fps(self) -> int:
        return int(self.profile.fps())

    @property
    def stream(self) -> str:
        return str(self.profile.stream_type().name)

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]} at {self.fps} Hz"


def plan_streams(device: rs.device, options: CameraOptions) -> Plan:
    """Choose the image stream (colour, else fisheye or infrared) and the depth stream if that is asked for.

    Raises `SourceError` that lists the modes where the one asked for does not exist.
    """
    modes = list(_modes(device))
    image = _image_mode(modes, options)
    depth = _depth_mode(modes, image) if options.depth else None
    opened = [image] if depth is None else [image, depth]
    sensors = {mode.sensor.get_info(_name()): mode.sensor for mode in opened}
    return Plan(
        image.profile,
        None if depth is None else depth.profile,
        [(sensor, [m.profile for m in opened if m.sensor.get_info(_name()) == name]) for name, sensor in sensors.items()],
        lens_from_intrinsics(image.profile.get_intrinsics()),
    )


def _name() -> rs.camera_info:
    import pyrealsense2 as rs

    return rs.camera_info.name


def _modes(device: rs.device) -> list[_Mode]:
    return [
        _Mode(sensor, profile.as_video_stream_profile())
        for sensor in device.query_sensors()
        for profile in sensor.get_stream_profiles()
        if profile.is_video_stream_profile()
    ]


def _image_mode(modes: Sequence[_Mode], options: CameraOptions) -> _Mode:
    for stream in ("color", "fisheye", "infrared"):
        offered = [m for m in modes if m.stream == stream and m.profile.format().name in FORMATS]
        if offered:
            return _best(offered, options)
    found = ", ".join(sorted({f"{m.stream} ({m.profile.format().name})" for m in modes})) or "none"
    raise SourceError(f"A RealSense has no stream of images in a known format; its streams: {found}")


def _best(offered: Sequence[_Mode], options: CameraOptions) -> _Mode:
    fitting = [
        mode
        for mode in offered
        if (options.width is None or mode.size == (options.width, options.height))
        and (options.fps is None or mode.fps == options.fps)
    ]
    if not fitting:
        size = "any size" if options.width is None else f"{options.width}x{options.height}"
        rate = "any rate" if options.fps is None else f"{options.fps:g} Hz"
        known = ", ".join(dict.fromkeys(str(mode) for mode in offered))
        raise SourceError(f"A RealSense has no {offered[0].stream} mode of {size} at {rate}. It offers: {known}")
    return min(fitting, key=_unusualness)


def _unusualness(mode: _Mode) -> tuple[float, ...]:
    width, height = mode.size
    order = FORMATS.index(mode.profile.format().name)
    # Of two infrared cameras the first, on the left, is the one that depth belongs to.
    return abs(width * height - _USUAL_PIXELS), abs(mode.fps - _USUAL_FPS), order, mode.profile.stream_index()


def _depth_mode(modes: Sequence[_Mode], image: _Mode) -> _Mode:
    offered = [m for m in modes if m.stream == "depth" and m.profile.format().name == "z16"]
    if not offered:
        raise SourceError("Depth was asked for, but this RealSense has no depth stream. Leave out --depth")
    return min(
        offered,
        key=lambda m: (m.fps != image.fps, abs(m.size[0] * m.size[1] - image.size[0] * image.size[1]), abs(m.fps - image.fps)),
    )


def apply_options(plan: Plan, options: CameraOptions) -> None:
    """Set exposure and clock on the sensors. Raises `SourceError` for an exposure that the camera cannot do."""
    import pyrealsense2 as rs

    for sensor, _ in plan.sensors:
        if sensor.supports(rs.option.global_time_enabled):
            sensor.set_option(rs.option.global_time_enabled, float(options.global_time))
    _set_exposure(plan.sensors[0][0], options.exposure_us)


def _set_exposure(sensor: rs.sensor, exposure_us: float | None) -> None:
    import pyrealsense2 as rs

    if sensor.supports(rs.option.enable_auto_exposure):
        sensor.set_option(rs.option.enable_auto_exposure, float(exposure_us is None))
    if exposure_us is None:
        return
    if not sensor.supports(rs.option.exposure):
        raise SourceError("This RealSense does not let its exposure be set. Leave out --exposure")
    step_us = 1.0 if sensor.is_depth_sensor() else _UVC_STEP_US
    limits = sensor.get_option_range(rs.option.exposure)
    value = exposure_us / step_us
    if not limits.min <= value <= limits.max:
        raise SourceError(
            f"An exposure of {exposure_us:g} µs is not possible: this RealSense takes {limits.min * step_us:g} to "
            f"{limits.max * step_us:g} µs"
        )
    sensor.set_option(rs.option.exposure, limits.min + round((value - limits.min) / limits.step) * limits.step)


def expected_clock(plan: Plan, options: CameraOptions) -> Clock:
    """Return the clock that the frames will most likely carry; the first frame tells for sure."""
    import pyrealsense2 as rs

    translated = options.global_time and plan.sensors[0][0].supports(rs.option.global_time_enabled)
    return Clock.GLOBAL if translated else Clock.HARDWARE


def clock_of(frame: rs.frame) -> Clock:
    """Return the clock on which a frame's timestamp counts."""
    import pyrealsense2 as rs

    domain = frame.get_frame_timestamp_domain()
    if domain == rs.timestamp_domain.global_time:
        return Clock.GLOBAL
    return Clock.SYSTEM if domain == rs.timestamp_domain.system_time else Clock.HARDWARE
