"""A made-up live camera that goes wrong in every way that real ones do, in turn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import cycle
from types import TracebackType
from typing import Self

import numpy as np

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.sources.source import SourceInfo


class Fault(StrEnum):
    """What goes wrong."""

    RAISES = "the driver raises an error of its own"
    SAYS = "the camera says what is wrong"
    UNPLUGGED = "it is unplugged: reading ends, and opening fails twice"
    HANGS = "reading hangs until the camera is closed"
    HANGS_FOR_EVER = "reading hangs, whatever is done"
    STALLS = "no frame for a while, then on as before"
    TWICE = "two frames have the same time"
    BACKWARDS = "a frame is older than the one before"
    BLACK = "black images for a while"
    RESTARTS = "its clock and its numbers start anew"
    TORN = "images of another shape for a while, as after a change of mode"


class Room:
    """What all the cameras of one session share: pictures of a walk to and fro, the faults still to come, and what happened."""

    def __init__(
        self, pictures: Sequence[np.ndarray], lens: LensCamera, *, rate_hz: float, fault_every: int, most_for_ever: int = 3
    ) -> None:
        """Let a fault happen after every `fault_every` frames; once `most_for_ever` threads hang for ever, no other one does."""
        # To and fro, so that nothing ever jumps.
        self.pictures = cycle([*pictures, *pictures[-2:0:-1]])
        self.info = SourceInfo("faulty", live=True, length=None, camera=lens)
        self.period_s, self.fault_every = 1.0 / rate_hz, fault_every
        self.faults = cycle(Fault)
        self.happened: Counter[Fault] = Counter()
        self.most_for_ever = most_for_ever
        self.refusals = self.black = self.torn = 0
        self.until_fault, self.latest_fault_s = fault_every, time.monotonic()
        self.released = threading.Event()
        self.clock_zero_s = time.monotonic() - 1000.0

    def open(self) -> Camera:
        """Open the camera anew, or fail to."""
        self._refuse()
        return Camera(self)

    def _refuse(self) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise SourceError("no such device")

    def spoilt(self, picture: np.ndarray) -> np.ndarray:
        """Return what becomes of a picture. A camera that is opened anew goes on with what was wrong with the images."""
        self.black, self.torn = self.black - 1, self.torn - 1
        image = np.zeros_like(picture) if self.black >= 0 else picture
        return image[: image.shape[0] // 2] if self.torn >= 0 else image

    def due(self) -> Fault | None:
        """Return the next fault if it is time for one; called once a frame."""
        self.until_fault -= 1
        if self.until_fault > 0:
            return None
        self.until_fault, self.latest_fault_s = self.fault_every, time.monotonic()
        fault = next(self.faults)
        if fault is Fault.HANGS_FOR_EVER and self.happened[fault] >= self.most_for_ever:
            fault = next(self.faults)
        self.happened[fault] += 1
        return fault


class Camera:
    """One opening of the camera."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._closed = threading.Event()
        self.info = room.info

    def __iter__(self) -> Iterator[RawFrame]:
        room, index = self._room, 0
        room._refuse()
        next_s = time.monotonic()
        while not self._closed.wait(max(0.0, next_s - time.monotonic())):
            next_s = max(next_s + room.period_s, time.monotonic() - room.period_s)
            timestamp_ns = round((time.monotonic() - room.clock_zero_s) * 1e9)
            picture = next(room.pictures)
            match room.due():
                case Fault.RAISES:
                    raise RuntimeError("ioctl failed")
                case Fault.SAYS:
                    raise SourceError("the camera has sent no further frames")
                case Fault.UNPLUGGED:
                    room.refusals = 2
                    return
                case Fault.HANGS:
                    self._closed.wait()
                    return
                case Fault.HANGS_FOR_EVER:
                    room.released.wait()
                    return
                case Fault.STALLS:
                    time.sleep(40 * room.period_s)
                case Fault.TWICE:
                    yield RawFrame(index, timestamp_ns, picture)
                case Fault.BACKWARDS:
                    yield RawFrame(index, timestamp_ns - 500_000_000, picture)
                case Fault.BLACK:
                    room.black = 8
                case Fault.RESTARTS:
                    room.clock_zero_s = time.monotonic()
                    raise SourceError("reset")
                case Fault.TORN:
                    room.torn = 10
                case None:
                    pass
            index += 1
            yield RawFrame(index, timestamp_ns, room.spoilt(picture))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
