"""A camera that does what a test tells it, when it tells it."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from threading import Event
from types import TracebackType
from typing import Self

import numpy as np

from reloc.frame import RawFrame
from reloc.sources.source import SourceInfo

PATIENCE_S = 30.0
IMAGE = np.zeros((2, 2), np.uint8)
FPS = 30


class Hang:
    """Tells a camera to hang until it is let go of."""

    def __init__(self) -> None:
        self.begun, self.released = Event(), Event()


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Camera:
    """A live source that takes its orders from a queue: a time in seconds is a frame, an exception is raised, None ends it."""

    def __init__(self, *orders: float | Exception | Hang | None, name: str = "made") -> None:
        self.orders: Queue[float | Exception | Hang | None] = Queue()
        for order in orders:
            self.orders.put(order)
        self.info = SourceInfo(name, live=True, length=None, camera=None)
        self.events: list[str] = []
        self.closed = Event()
        self.exit_error: Exception | None = None

    def __iter__(self) -> Iterator[RawFrame]:
        self.events.append("read")
        index = 0
        while (order := self.orders.get(timeout=PATIENCE_S)) is not None:
            if isinstance(order, Hang):
                order.begun.set()
                assert order.released.wait(PATIENCE_S)
                continue
            if isinstance(order, Exception):
                raise order
            yield RawFrame(index, round(order * 1e9), IMAGE)
            index += 1

    def __enter__(self) -> Self:
        self.events.append("enter")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.events.append("exit")
        self.closed.set()
        # What ends a reading that waits.
        self.orders.put(None)
        if self.exit_error is not None:
            raise self.exit_error
