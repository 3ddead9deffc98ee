"""Between the thread that reads a camera and the one that tracks."""

from __future__ import annotations

from threading import Condition

from reloc.frame import RawFrame


class Mailbox:
    """Room for one frame: a newer one takes its place, and the one that nobody took is counted."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._frame: RawFrame | None = None
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many frames were replaced before they were taken."""
        return self._dropped

    @property
    def is_over(self) -> bool:
        """Whether it is closed and empty."""
        return self._closed and self._frame is None

    def put(self, frame: RawFrame) -> None:
        """Leave the newest frame; never waits. After `close` nothing is taken any more."""
        with self._changed:
            if self._closed:
                return
            self._dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def take(self, timeout_s: float) -> RawFrame | None:
        """Return the newest frame that was not taken yet; None where none comes in time, or ever."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """Say that nothing more will come; a frame that is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
