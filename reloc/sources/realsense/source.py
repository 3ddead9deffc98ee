"""A RealSense as a source of frames, live or recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.options import CameraOptions
from reloc.sources.realsense.depth import aligner, paired
from reloc.sources.realsense.pixels import pixels_of
from reloc.sources.realsense.plan import clock_of, expected_clock, plan_streams
from reloc.sources.realsense.session import Session
from reloc.sources.source import SourceInfo

if TYPE_CHECKING:
    import pyrealsense2 as rs

# The sensors take a second or two to start; after that, silence means that something is wrong.
_FIRST_FRAME_S = 5.0
_NEXT_FRAME_S = 1.0
_NANOSECONDS_PER_MILLISECOND = 1_000_000
# A recording may end a little before its stated length, where another stream went on.
_SLACK_S = 1.0

_log = logging.getLogger(__name__)


class RealSenseSource:
    """Yields the images of a RealSense with their device timestamps and the lens that the device states.

    Indices follow the device's own frame numbers, so a gap is a frame that was dropped; `name` is that number.

    Args:
        find: Returns the device; called again for each reading, since a handle dies with the cable. May raise `SourceError`.
        options: Mode, exposure, depth and clock.
        restart: Resets a live camera and returns it; called instead of `find` for a reading after one that failed. None for
            recordings.
    """

    def __init__(self, find: Callable[[], rs.device], options: CameraOptions, restart: Callable[[], rs.device] | None) -> None:
        self._find = find
        self._restart = restart
        self._options = options
        self._failed = False
        self._session: Session | None = None
        device = find()
        plan, live = plan_streams(device, options), restart is not None
        clock = expected_clock(plan, options)
        self._info = SourceInfo(_name(device), live=live, length=None, camera=plan.lens, clock=clock)
        if not live:
            self._look_at_first()

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; the clock is what the camera promised, and corrected by the first frame."""
        return self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames. Raises `SourceError` when a live camera falls silent; the next reading then resets it first."""
        return self._reading()

    def _reading(self) -> Generator[RawFrame]:
        session = self._session = self._opened()
        try:
            yield from self._frames(session)
        except SourceError:
            self._failed = True
            raise
        finally:
            session.close()

    def _opened(self) -> Session:
        device = self._restart() if self._failed and self._restart is not None else self._find()
        return Session(device, self._options)

    def _frames(self, session: Session) -> Iterator[RawFrame]:
        first, latest_index, latest_ns = None, -1, None
        for image, depth in self._images(session):
            number, timestamp_ns = image.get_frame_number(), _nanoseconds(image.get_timestamp())
            if latest_ns is not None and timestamp_ns <= latest_ns:
                _log.warning("Frame %d of %s is left out: its time is not later than the one before", number, self._info.name)
                continue
            if first is None:
                first = number
                self._failed = False
            self._note_clock(image)
            latest_index, latest_ns = max(number - first, latest_index + 1), timestamp_ns
            yield RawFrame(latest_index, timestamp_ns, pixels_of(image), f"{number:06d}", depth=depth)
        self._explain_end(session, latest_index + 1)

    def _images(self, session: Session) -> Iterator[tuple[rs.frame, NDArray[np.float32] | None]]:
        frames = session.frames(self._options.patience_s(_FIRST_FRAME_S), self._options.patience_s(_NEXT_FRAME_S))
        if session.plan.depth is None:
            yield from ((image, None) for image in frames)
            return
        align = aligner()
        for image, depth in paired(frames, 1000.0 / session.plan.fps):
            yield image, None if depth is None else align(image, depth)

    def _note_clock(self, image: rs.frame) -> None:
        clock = clock_of(image)
        text = clock.value if self._info.live else f"recording, {clock.value}"
        if text != self._info.clock:
            if self._info.live:
                _log.warning("The timestamps of %s count on another clock than expected: %s", self._info.name, text)
            self._info = replace(self._info, clock=text)

    def _explain_end(self, session: Session, count: int) -> None:
        if session.closed:
            return
        if self._info.live:
            raise SourceError(
                f"{self._info.name} has sent {'no' if count == 0 else 'no further'} frames for some time. Check the cable and "
                f"the plug (USB 3), that no other program uses it, and its power. {self._presence()}"
            )
        if count == 0 or session.unread_s > _SLACK_S:
            found = "no images" if count == 0 else f"{count} images, and {session.unread_s:.1f} s of its length are missing"
            raise SourceError(f"A RealSense recording breaks off: it holds {found}", self._info.name)

    def _presence(self) -> str:
        try:
            self._find()
        except SourceError as error:
            return str(error)
        return "It is still plugged in"

    def _look_at_first(self) -> None:
        frames = self._reading()
        next(frames)
        frames.close()

    def __enter__(self) -> Self:
        """Do nothing: each reading opens the device for itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop streaming, also where another thread waits for a frame: that one then ends."""
        if self._session is not None:
            self._session.close()


def _nanoseconds(milliseconds: float) -> int:
    """Return the exact product, rounded: in floating point a time of day would lose 100 ns."""
    return round(Fraction(milliseconds) * _NANOSECONDS_PER_MILLISECOND)


def _name(device: rs.device) -> str:
    import pyrealsense2 as rs

    if device.is_playback():
        return Path(device.as_playback().file_name()).name
    known = [device.get_info(key) for key in (rs.camera_info.name, rs.camera_info.serial_number) if device.supports(key)]
    return " ".join(known) or "RealSense"
