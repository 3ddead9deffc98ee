"""A sink behind a queue and a thread of its own, so that it may be slow, stall or fail without anybody waiting for it."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from threading import Condition, Thread

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.sinks.sink import Sink
from reloc.sources.source import SourceInfo

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class QueueStatus:
    """How a sink behind a queue is doing."""

    name: str
    written: int
    """How many estimates it has taken."""
    dropped: int
    """How many were let go in favour of newer ones, or since it failed."""
    failure: str
    """What it failed of; empty while it works."""


class QueuedSink:
    """Hands estimates in order to a sink in a thread of its own; where that is too slow, the oldest that wait are let go.

    Only `open` waits and raises, as long as somebody sits at the terminal. A sink that fails is logged, closed and left out.
    """

    def __init__(self, sink: Sink, *, name: str = "", capacity: int = 8, close_timeout_s: float = 5.0) -> None:
        """Let up to `capacity` estimates wait, with their images, and wait for the end up to `close_timeout_s`.

        `name` is what people are told; by default that of its class.
        """
        self._sink, self._capacity, self._close_timeout_s = sink, capacity, close_timeout_s
        self.name = name or type(sink).__name__
        self._changed = Condition()
        self._waiting: deque[Estimate] = deque()
        self._ended = self._behind = False
        self._written = self._dropped = 0
        self._failure: Exception | None = None
        # A daemon: what hangs must not keep the process alive.
        self._thread = Thread(target=self._work, name=f"reloc-{self.name}", daemon=True)

    @property
    def status(self) -> QueueStatus:
        """How it is doing."""
        failure = "" if self._failure is None else f"{type(self._failure).__name__}: {self._failure}"
        return QueueStatus(self.name, self._written, self._dropped, failure)

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Open the sink here and now; raises what it raises."""
        self._sink.open(info, camera)
        self._thread.start()

    def write(self, estimate: Estimate) -> None:
        """Leave an estimate; never waits and never raises."""
        with self._changed:
            if self._failure is not None or self._ended:
                self._dropped += 1
                return
            was_behind = self._behind and bool(self._waiting)
            self._waiting.append(estimate)
            is_full = len(self._waiting) > self._capacity
            if is_full:
                self._waiting.popleft()
                self._dropped += 1
            self._behind = was_behind or is_full
            is_news = self._behind and not was_behind
            self._changed.notify_all()
        if is_news:
            _log.warning("%s is too slow or stalls: frames are left out of it, tracking goes on", self.name)

    def end(self) -> None:
        """Say that nothing more will come; the thread takes what is left and closes the sink."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let the sink take what is left, and close it; one that does not end in time is left behind."""
        self.end()
        if self._thread.ident is None:  # it was never opened, or could not be
            self._sink.close()
            return
        self._thread.join(self._close_timeout_s)
        if self._thread.is_alive():
            _log.error("%s does not end within %g s and is left behind; its file may end early", self.name, self._close_timeout_s)

    def _work(self) -> None:
        try:
            while (estimate := self._next()) is not None:
                self._sink.write(estimate)
                self._written += 1
        except Exception as error:  # noqa: BLE001 - whatever breaks in a viewer, on a disk or a network, tracking goes on
            self._fail(error)
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _next(self) -> Estimate | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._ended)
            return self._waiting.popleft() if self._waiting else None

    def _fail(self, error: Exception) -> None:
        with self._changed:
            is_first, self._failure = self._failure is None, self._failure or error
            self._dropped += len(self._waiting)
            self._waiting.clear()
        if is_first:
            _log.error("%s failed and is left out from now on; the others go on: %s: %s", self.name, type(error).__name__, error)
