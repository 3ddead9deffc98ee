"""A camera that is read by a thread of its own, watched by another, and opened anew whenever it fails, for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from reloc.frame import RawFrame
from reloc.live.config import LiveConfig
from reloc.live.mailbox import Mailbox
from reloc.live.order import FrameOrder
from reloc.live.reading import Reading
from reloc.live.watchdog import Action, CameraStatus, Watchdog
from reloc.sources.source import FrameSource, SourceInfo

_LOOK_EVERY_S = 0.05
# Letting go of a device may take a moment, and may never return.
_FAREWELL_S = 3.0

_log = logging.getLogger(__name__)


class LiveCamera:
    """Hands out the newest frame of a camera, in order of time, whatever the camera does.

    One that raises or ends is read anew, after a pause that doubles from failure to failure; one that hangs is closed, opened
    again by `reopen` and read by a new thread, while the old one is left behind. Its frames go on in number and time.

    Args:
        source: The camera, not yet entered.
        reopen: Opens it again after it hung; may raise. None for a recording: its end is the end, what it raises comes out of
            `take`, and it goes on only when its first frame has been dealt with, which may take longer than the others.
        config: How long to wait for what.
        clock: Seconds that only grow; frames are stamped by it, so it must be that of `time.monotonic`.
    """

    def __init__(
        self,
        source: FrameSource,
        reopen: Callable[[], FrameSource] | None,
        config: LiveConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source: FrameSource | None = source
        self._reopen, self._clock = reopen, clock
        self._info = source.info
        self._entered: FrameSource | None = None
        self._hung = False
        self._mailbox, self._order = Mailbox(), FrameOrder()
        self._lock = threading.Lock()
        self._watchdog = Watchdog(config or LiveConfig(), clock())
        self._reading: Reading | None = None
        self._left_behind: list[Reading] = []
        self._error: Exception | None = None
        self._is_under_way = threading.Event()
        self._taken = 0
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._watch_to_the_end, name="reloc-watchdog", daemon=True)

    @property
    def info(self) -> SourceInfo:
        """What is known of the camera; its clock may turn out to be another one with the first frame."""
        return self._info

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come out of `take`, not even an error: only for a recording, or after `close`."""
        return self._mailbox.is_over and self._error is None

    @property
    def dropped(self) -> int:
        """How many frames nobody has seen: left out by the camera itself, or here in favour of newer ones."""
        return self._mailbox.dropped + self._order.skipped

    def status(self) -> CameraStatus:
        """Return how the camera is."""
        with self._lock:
            status = self._watchdog.status(self._clock())
            return replace(status, hanging=self._hanging(), unordered=self._order.unordered, dropped=self.dropped)

    def start(self) -> None:
        """Begin to read, and to watch."""
        self.look()
        # A recording is not watched: it may pause, and cannot be opened in its middle.
        if self._reopen is not None:
            self._watch.start()

    def take(self, timeout_s: float) -> RawFrame | None:
        """Return the newest frame that was not taken yet; None where none comes in time.

        Raises what a recording has raised, once its frames are taken.
        """
        if self._taken:
            self._is_under_way.set()
        raw = self._mailbox.take(timeout_s)
        self._taken += raw is not None
        if raw is None and self._error is not None and self._mailbox.is_over:
            error, self._error = self._error, None
            raise error
        return raw

    def look(self) -> None:
        """Do what is to be done now; the thread that watches calls it many times a second."""
        with self._lock:
            if self._closing.is_set():
                return
            now_s = self._clock()
            match self._watchdog.due(now_s, self._hanging()):
                case Action.OPEN:
                    self._watchdog.opened(now_s)
                    self._order.begin()
                    self._reading = Reading(self._open, self._deliver, self._end)
                    self._reading.start()
                case Action.ABANDON:
                    self._abandon()
                case Action.NOTHING:
                    pass

    def close(self) -> None:
        """Stop reading and let go of the camera; waits for that no longer than some seconds."""
        self._closing.set()
        self._is_under_way.set()
        with self._lock:
            self._mailbox.close()
            self._watchdog.ended(self._clock())
            reading, source = self._reading, self._source
            if reading is not None:
                reading.abandon()
        if reading is None:
            return
        if source is not None:
            letting_go = threading.Thread(target=_let_go, args=(source,), name="reloc-camera-close", daemon=True)
            letting_go.start()
            letting_go.join(_FAREWELL_S)
        # A recording may be in the middle of a long pause, which harms nobody.
        reading.join(_FAREWELL_S if self._reopen is not None else _LOOK_EVERY_S)
        if reading.is_alive and self._reopen is not None:
            _log.warning("the camera hangs while it is closed, and is left behind")

    def _watch_to_the_end(self) -> None:
        while not self._closing.wait(_LOOK_EVERY_S):
            self.look()

    def _abandon(self) -> None:
        if self._reading is not None:
            self._reading.abandon()
            self._left_behind.append(self._reading)
        self._hung = True

    def _hanging(self) -> int:
        """Return how many threads that were left behind are still there."""
        self._left_behind = [reading for reading in self._left_behind if reading.is_alive]
        return len(self._left_behind)

    def _open(self, reading: Reading) -> Iterable[RawFrame]:
        """Return the frames of the camera, opened anew if it hung; called by the thread that reads, where it may hang again."""
        with self._lock:
            _refuse_if_abandoned(reading)
            hung = self._source if self._hung else None
            if self._hung:
                # Forgotten before it is closed: where that hangs as well, the next thread must not try again.
                self._source, self._hung = None, False
            source, entered = self._source, self._entered
        if hung is not None:
            _let_go(hung)
        if source is None:
            source = self._reopened(reading)
        if source is not entered:
            source.__enter__()
            with self._lock:
                self._entered = self._entered if reading.is_abandoned else source
        return source

    def _reopened(self, reading: Reading) -> FrameSource:
        assert self._reopen is not None
        source = self._reopen()
        with self._lock:
            is_late = reading.is_abandoned
            self._source = self._source if is_late else source
        if is_late:
            _let_go(source)
        _refuse_if_abandoned(reading)
        return source

    def _deliver(self, reading: Reading, raw: RawFrame) -> None:
        with self._lock:
            if reading.is_abandoned or self._source is None:
                return
            self._info = self._source.info
            now_s = self._clock()
            placed = self._order.place(raw, self._info.clock, round(now_s * 1e9))
            if placed is not None:
                self._watchdog.frame(now_s)
                self._mailbox.put(placed)
        if self._reopen is None:
            self._is_under_way.wait()

    def _end(self, reading: Reading, error: Exception | None) -> None:
        with self._lock:
            if reading.is_abandoned:
                return
            if self._reopen is not None:
                self._watchdog.failed(str(error or "it ended"), self._clock())
                return
            self._error = error
            self._watchdog.ended(self._clock())
            self._mailbox.close()


def _refuse_if_abandoned(reading: Reading) -> None:
    if reading.is_abandoned:
        raise TimeoutError("the camera was given up before it was open")


def _let_go(source: FrameSource) -> None:
    try:
        source.__exit__(None, None, None)
    except Exception as error:  # noqa: BLE001 - drivers raise anything, and there is nothing left to do
        _log.warning("the camera could not be closed: %s", error)
