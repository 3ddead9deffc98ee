"""A webcam through OpenCV: V4L2 on Linux, whatever the system offers elsewhere."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources.clock import Clock
from reloc.sources.options import CameraOptions
from reloc.sources.source import SourceInfo
from reloc.sources.v4l2 import list_video_devices

# A stamp of a camera is believed to be on a clock of the host if it is so near to it.
_SAME_CLOCK_NS = 5 * NANOSECONDS_PER_SECOND
# OpenCV asks the driver for one buffer, and gets as many as the driver insists on.
_MOST_BUFFERS = 8
# Who takes the next frame later than this, in periods, left frames waiting in the buffers: they are old.
_AWAY = 1.5
# A frame that was waited for at least so long, in periods, was not waiting in a buffer.
_FRESH = 0.2
_MOST_DAMAGED = 30
_V4L2_MANUAL, _V4L2_AUTOMATIC = 1, 3  # V4L2_CID_EXPOSURE_AUTO: manual, and aperture priority
_V4L2_STEP_US = 100.0
_LINUX = platform.system() == "Linux"

_log = logging.getLogger(__name__)


class Capture(Protocol):
    """What we use of cv2.VideoCapture."""

    def isOpened(self) -> bool: ...  # noqa: D102, N802 - OpenCV's names
    def set(self, prop: int, value: float) -> bool: ...  # noqa: D102
    def get(self, prop: int) -> float: ...  # noqa: D102
    def grab(self) -> bool: ...  # noqa: D102
    def retrieve(self) -> tuple[bool, NDArray[Any]]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


def _open_capture(device: str) -> Capture:
    """Open a device by its path, or by its number where the system has no paths for cameras."""
    if _LINUX:
        return cv2.VideoCapture(device, cv2.CAP_V4L2)
    return cv2.VideoCapture(int(device.removeprefix("/dev/video")))


class Webcam:
    """Yields the frames of a webcam, always the newest: what piled up while nobody looked is thrown away and leaves a gap.

    Timestamps are the driver's where it stamps frames on a clock of the host (V4L2: the start of the frame on the monotonic
    clock), else the time of arrival.
    """

    def __init__(
        self,
        device: str,
        options: CameraOptions | None = None,
        *,
        open_capture: Callable[[str], Capture] = _open_capture,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._device = device
        self._options = options or CameraOptions()
        self._open_capture = open_capture
        self._now_ns = now_ns
        self._reading: _Reading | None = None
        self._info = SourceInfo(f"webcam {device}", live=True, length=None, camera=None, clock=Clock.MONOTONIC)

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; the clock may turn out to be another one."""
        return self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames. Raises `SourceError` when the camera cannot be opened, or stops."""
        reading = self._reading = _Reading(self._opened(), self._device, self._now_ns)
        try:
            for frame in reading.frames():
                if reading.clock != self._info.clock:
                    self._info = replace(self._info, clock=reading.clock)
                yield frame
        finally:
            reading.close()

    def _opened(self) -> Capture:
        capture = self._open_capture(self._device)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"A webcam could not be opened. {_what_to_check(self._device)}", self._device)
        _configure(capture, self._options, self._device)
        return capture

    def __enter__(self) -> Self:
        """Do nothing: each reading opens the device for itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the device; a thread that waits for a frame lets go of it when that has come."""
        if self._reading is not None:
            self._reading.close()


class _Reading:
    """One reading of an open device."""

    def __init__(self, capture: Capture, device: str, now_ns: Callable[[], int]) -> None:
        self._capture = capture
        self._device = device
        self._now_ns = now_ns
        self._busy = threading.Lock()
        self._closed = False
        fps = capture.get(cv2.CAP_PROP_FPS)
        self._period_ns = round(NANOSECONDS_PER_SECOND / (fps if 1 <= fps <= 1000 else 30))
        self._index = -1
        self._latest_ns: int | None = None
        self.clock = Clock.MONOTONIC
        self._stamped = False

    def frames(self) -> Iterator[RawFrame]:
        """Yield the frames until the reading is closed."""
        damaged, handed_out_ns = 0, self._now_ns()
        while not self._closed:
            away_ns = self._now_ns() - handed_out_ns
            pixels = self._newest(away_ns > _AWAY * self._period_ns and self._index >= 0)
            if pixels is None:
                damaged += 1
                if damaged >= _MOST_DAMAGED:
                    raise SourceError(
                        f"A webcam gave {damaged} damaged images in a row. Try another --fourcc or cable", self._device
                    )
                continue
            damaged = 0
            timestamp_ns = self._timestamp_ns()
            handed_out_ns = self._now_ns()
            yield RawFrame(self._index, timestamp_ns, pixels, f"{self._index:06d}")

    def _newest(self, drain: bool) -> NDArray[np.uint8] | None:
        """Return the newest image as RGB or grey; None if it is damaged, or the reading was closed meanwhile."""
        with self._busy:
            for _ in range(_MOST_BUFFERS if drain else 1):
                begun_ns = self._now_ns()
                if self._closed or not self._capture.grab():
                    break
                self._index += 1
                if self._now_ns() - begun_ns > _FRESH * self._period_ns:
                    return self._pixels()
            else:
                return self._pixels()
        if self._closed:
            return None
        raise SourceError(f"A webcam gives no more images. {_what_to_check(self._device)}", self._device)

    def _pixels(self) -> NDArray[np.uint8] | None:
        good, pixels = self._capture.retrieve()
        if not good:
            return None
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            return np.array(pixels.reshape(pixels.shape[:2]))
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))

    def _timestamp_ns(self) -> int:
        """Return the time of the frame at hand, later than all before."""
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1_000_000)
        if self._latest_ns is None:
            self._choose_clock(stamp_ns)
        usable = self._stamped and (self._latest_ns is None or stamp_ns > self._latest_ns)
        self._latest_ns = stamp_ns if usable else time.time_ns() if self.clock is Clock.SYSTEM else self._now_ns()
        return self._latest_ns

    def _choose_clock(self, stamp_ns: int) -> None:
        if abs(stamp_ns - self._now_ns()) < _SAME_CLOCK_NS:
            self._stamped = True
        elif abs(stamp_ns - time.time_ns()) < _SAME_CLOCK_NS:  # an option of the driver uvcvideo
            self._stamped, self.clock = True, Clock.SYSTEM
        else:
            _log.info("%s stamps no frames; their time is that of their arrival", self._device)

    def close(self) -> None:
        """Stop; the device is let go of now, or by the thread that is reading as soon as it can."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            try:
                self._capture.release()
            finally:
                self._busy.release()


def _configure(capture: Capture, options: CameraOptions, device: str) -> None:
    """Ask for the options; a webcam takes what it likes of them."""
    if options.fourcc is not None:  # first, since sizes and rates depend on it
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
    wishes = [
        (cv2.CAP_PROP_FRAME_WIDTH, options.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, options.height),
        (cv2.CAP_PROP_FPS, options.fps),
    ]
    for prop, value in [*wishes, (cv2.CAP_PROP_BUFFERSIZE, 1)]:
        if value is not None:
            capture.set(prop, value)
    _set_exposure(capture, options.exposure_us)
    got = [capture.get(prop) for prop, _ in wishes]
    if any(value is not None and value != found for (_, value), found in zip(wishes, got, strict=True)):
        _log.warning("%s gives %gx%g at %g Hz, which is not what was asked for", device, *got)


def _set_exposure(capture: Capture, exposure_us: float | None) -> None:
    manual = exposure_us is not None
    accepted = capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _V4L2_MANUAL if manual else _V4L2_AUTOMATIC)
    if exposure_us is not None and not (accepted and capture.set(cv2.CAP_PROP_EXPOSURE, exposure_us / _V4L2_STEP_US)):
        raise SourceError("This webcam does not let its exposure be set. Leave out --exposure")


def _what_to_check(device: str) -> str:
    """Return a sentence about what may be wrong, from what can be seen of the device."""
    if _LINUX and not os.path.exists(device):
        found = ", ".join(f"{one.path} ({one.name})" for one in list_video_devices()) or "none"
        return f"It is not plugged in; video devices found: {found}"
    if _LINUX and not os.access(device, os.R_OK | os.W_OK):
        return "You have no right to use it: join the group `video` and log in again"
    return "Check that no other program uses it, and its cable"
