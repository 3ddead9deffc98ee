"""A ROS 2 topic of images as a live source."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from types import TracebackType
from typing import Any, Self

from reloc.errors import CalibrationError, SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.geometry.lens import LensCamera
from reloc.ros.bus import Bus, open_bus
from reloc.ros.camera_info import lens_from_camera_info
from reloc.ros.encoding import image_from_message
from reloc.ros.topics import CAMERA_INFO, COMPRESSED_IMAGE, camera_info_topic, image_type, is_picture, is_rectified
from reloc.sources.clock import Clock
from reloc.sources.decode import Image, decode_image
from reloc.sources.source import SourceInfo

# Discovery takes a second or so; a camera at work sends its calibration with every image.
_FIRST_S = 10.0
_CALIBRATION_S = 1.0
_NEXT_S = 1.0
_WAITING = 2
# Headers this close to our own time count on our own clock: then the age of a frame means something.
_SAME_CLOCK_S = 60.0

_log = logging.getLogger(__name__)


class RosImageSource:
    """Yields the images of a topic with the times of their headers; only the newest two wait, older ones leave gaps."""

    def __init__(
        self,
        topic: str,
        connect: Callable[[], Bus] = open_bus,
        *,
        first_s: float = _FIRST_S,
        calibration_s: float = _CALIBRATION_S,
        next_s: float = _NEXT_S,
    ) -> None:
        """Wait up to `first_s` for an image, then up to `calibration_s` for the CameraInfo that is sent beside it.

        Raises `SourceError` where no image comes, and `ConfigError` where ROS 2 cannot be reached. A reading raises `SourceError`
        after `next_s` without an image; the next reading goes on where images come again.
        """
        self._topic, self._kind, self._next_s = topic, image_type(topic), next_s
        self._changed = Condition()
        self._waiting: deque[tuple[int, Any]] = deque(maxlen=_WAITING)
        self._count = 0
        self._calibration: Any = None
        self._bus: Bus | None = connect()
        try:
            self._bus.subscribe(camera_info_topic(topic), CAMERA_INFO, self._take_calibration)
            self._bus.subscribe(topic, self._kind, self._take_image)
            self._info = self._found(first_s, calibration_s)
        except BaseException:
            self._leave()
            raise

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        return self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames as they come. Raises `SourceError` when none comes any more, or none that can be read."""
        latest_ns: int | None = None
        fault, until_s = "", time.monotonic() + self._next_s
        while True:
            index, message = self._next(until_s, fault)
            timestamp_ns = _time_ns(message)
            try:
                image = self._decoded(message)
            except SourceError as error:
                fault = f"; the last one could not be read: {error}"
                continue
            until_s = time.monotonic() + self._next_s
            if latest_ns is None or timestamp_ns > latest_ns:
                latest_ns = timestamp_ns
                yield RawFrame(index, timestamp_ns, image, f"{index:06d}")

    def _found(self, first_s: float, calibration_s: float) -> SourceInfo:
        """Wait for an image and a calibration; return what they tell."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), first_s):
                raise SourceError(f"No image came in {first_s:g} s on the topic {self._topic} ({self._kind}). {self._advice()}")
            self._changed.wait_for(lambda: self._calibration is not None, calibration_s)
            _, first = self._waiting[-1]
        is_ours = abs(time.time_ns() - _time_ns(first)) < _SAME_CLOCK_S * NANOSECONDS_PER_SECOND
        clock = Clock.SYSTEM.value if is_ours else "ROS header"
        return SourceInfo(f"ros:{self._topic}", live=True, length=None, camera=self._lens(), clock=clock)

    def _advice(self) -> str:
        if self._bus is None:
            return ""
        pictures = [name for name, kind in sorted(self._bus.topics().items()) if is_picture(name, kind)]
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        hint = f"Images are sent on {', '.join(pictures)}" if pictures else "No topic with images can be seen"
        return f"{hint} (ROS_DOMAIN_ID {domain}; senders must use the same CYCLONEDDS_URI)"

    def _lens(self) -> LensCamera | None:
        if self._calibration is None:
            return None
        try:
            return lens_from_camera_info(self._calibration, rectified=is_rectified(self._topic))
        except CalibrationError as error:
            _log.warning("The calibration in %s is not used: %s", camera_info_topic(self._topic), error)
            return None

    def _next(self, until_s: float, fault: str) -> tuple[int, Any]:
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._waiting), max(0.0, until_s - time.monotonic())):
                raise SourceError(f"No image came for {self._next_s:g} s on the topic {self._topic}{fault}")
            return self._waiting.popleft()

    def _decoded(self, message: Any) -> Image:
        if self._kind == COMPRESSED_IMAGE:
            return decode_image(bytes(message.data), Path(self._topic))
        return image_from_message(message)

    def _take_image(self, message: Any) -> None:
        """Keep a message; called by the bus."""
        with self._changed:
            self._waiting.append((self._count, message))
            self._count += 1
            self._changed.notify_all()

    def _take_calibration(self, message: Any) -> None:
        """Keep a calibration; called by the bus."""
        with self._changed:
            self._calibration = message
            self._changed.notify_all()

    def _leave(self) -> None:
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def __enter__(self) -> Self:
        """Do nothing: the topic is subscribed to already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the network."""
        self._leave()


def open_topic(spec: str) -> RosImageSource:
    """Return the source that `ros:/camera/image_raw` names."""
    topic = spec.partition(":")[2]
    return RosImageSource(topic if topic.startswith("/") else f"/{topic}")


def _time_ns(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS_PER_SECOND + int(stamp.nanosec)
