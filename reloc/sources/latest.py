"""Newest frame wins: a live source that is read all the time, whatever its consumer does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource

_PATIENCE_S = 30.0
# A reader that hangs in the network is left behind when its consumer goes; it ends by its own time-out.
_FAREWELL_S = 1.0


def latest_only(source: FrameSource, patience_s: float = _PATIENCE_S) -> FrameSource:
    """Return the same source, read by a thread of its own that keeps the newest frame and forgets the one before.

    What the source raises comes out after its last frame. Raises `SourceError` if it gives nothing for `patience_s`, even if it
    hangs. The thread ends with the source; leaving the iteration closes the source, and so must end its reading.
    """
    return DerivedSource(source, lambda inner: _newest(inner, patience_s))


class _Slot:
    """Room for one frame."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: RawFrame | None = None
        self._error: BaseException | None = None
        self._ended = False

    def fill(self, source: FrameSource) -> None:
        """Read the source to its end, or until the slot is closed."""
        try:
            for frame in source:
                if not self._put(frame):
                    return
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that asks
            self._end(error)
        else:
            self._end(None)

    def _put(self, frame: RawFrame) -> bool:
        with self._changed:
            self._frame = frame
            self._changed.notify_all()
            return not self._ended

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def close(self) -> None:
        """Let the reading end with its next frame."""
        self._end(None)

    def take(self, patience_s: float) -> RawFrame | None:
        """Return the newest frame that was not taken yet, or None at the end."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._frame is not None or self._ended, patience_s):
                raise SourceError(f"A camera gave no frame for {patience_s:g} s")
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame


def _newest(source: FrameSource, patience_s: float) -> Iterator[RawFrame]:
    slot = _Slot()
    thread = threading.Thread(target=slot.fill, args=(source,), name="reloc-latest", daemon=True)
    thread.start()
    try:
        while (frame := slot.take(patience_s)) is not None:
            yield frame
    finally:
        slot.close()
        source.__exit__(None, None, None)
        thread.join(min(patience_s, _FAREWELL_S))
