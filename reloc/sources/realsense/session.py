"""One streaming of a RealSense, from opening its sensors to closing them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reloc.errors import SourceError
from reloc.sources.options import CameraOptions
from reloc.sources.realsense.buffer import FrameBuffer
from reloc.sources.realsense.plan import Plan, apply_options, plan_streams

if TYPE_CHECKING:
    import pyrealsense2 as rs

_LIVE_FRAMES = 2  # of each stream: what is older has been overtaken
_RECORDED_FRAMES = 16
_POLL_S = 0.05
# A recording that gives nothing for so long and has not ended is stuck.
_STUCK_S = 20.0


class Session:
    """Streams from `device` until it is closed; a recording is played without losing a frame."""

    def __init__(self, device: rs.device, options: CameraOptions) -> None:
        self._playback: rs.playback | None = device.as_playback() if device.is_playback() else None
        self._plan = plan_streams(device, options)
        streams = 1 if self._plan.depth is None else 2
        capacity = _LIVE_FRAMES * streams if self._playback is None else _RECORDED_FRAMES
        self._buffer = FrameBuffer(capacity, lossless=self._playback is not None)
        self._closing = threading.Lock()
        self._started: list[rs.sensor] = []
        self._position_ns = 0
        try:
            self._start(options)
        except RuntimeError as error:
            self.close()
            raise SourceError(f"A RealSense could not be started: {error}. Does another program use it?") from error
        except BaseException:
            self.close()
            raise

    @property
    def plan(self) -> Plan:
        """What is streamed."""
        return self._plan

    @property
    def closed(self) -> bool:
        """Whether somebody has closed it."""
        return self._buffer.closed

    @property
    def unread_s(self) -> float:
        """How many seconds of a recording's stated length lie behind the last frame."""
        return 0.0 if self._playback is None else self._playback.get_duration().total_seconds() - self._position_ns / 1e9

    def _start(self, options: CameraOptions) -> None:
        if self._playback is None:
            apply_options(self._plan, options)
        else:
            self._playback.set_real_time(False)
            self._playback.pause()  # else the second sensor misses what is read before it is started
        for sensor, profiles in self._plan.sensors:
            sensor.open(list(profiles))
            self._started.append(sensor)
        for sensor, _ in self._plan.sensors:
            sensor.start(self._buffer.put)
        if self._playback is not None:
            self._playback.resume()
            self._buffer.hold_back()

    def frames(self, first_s: float, next_s: float) -> Iterator[rs.frame]:
        """Yield the frames of all streams; end when none comes within `first_s` or `next_s`, or with the recording."""
        patience_s = first_s
        while (frame := self._next(patience_s)) is not None:
            yield frame
            patience_s = next_s

    def _next(self, patience_s: float) -> rs.frame | None:
        if self._playback is None:
            return self._buffer.get(patience_s)
        frame = self._next_recorded(self._playback)
        if frame is not None:
            self._position_ns = max(self._position_ns, self._playback.get_position())
        return frame

    def _next_recorded(self, playback: rs.playback) -> rs.frame | None:
        import pyrealsense2 as rs

        for _ in range(round(_STUCK_S / _POLL_S)):
            # Asked for before looking, since the library hands out all its frames before it says that it has stopped.
            ended = playback.current_status() == rs.playback_status.stopped
            frame = self._buffer.get(0.0 if ended else _POLL_S)
            if frame is not None or ended or self._buffer.closed:
                return frame
        raise SourceError(f"A RealSense recording gave no frame for {_STUCK_S:g} s", playback.file_name())

    def close(self) -> None:
        """Stop streaming; may be called from any thread, and again."""
        self._buffer.close()
        with self._closing:
            for sensor in self._started:
                _stop(sensor)
            self._started.clear()


def _stop(sensor: rs.sensor) -> None:
    """Stop a sensor that may have been unplugged, and need not have begun to stream."""
    for act in (sensor.stop, sensor.close):
        try:
            act()
        except RuntimeError:
            continue
