"""One reading of a camera, in a thread that can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from reloc.frame import RawFrame


class Reading:
    """Opens a camera and hands on its frames until it fails, ends or is abandoned.

    The thread is a daemon that nobody needs to wait for: a driver may never return from a call.

    Args:
        frames: Opens the camera and returns its frames; called in the thread.
        deliver: Takes each frame; called in the thread.
        ended: Takes what the camera raised, or None where it just ended; called at the end of the thread.
    """

    def __init__(
        self,
        frames: Callable[[Reading], Iterable[RawFrame]],
        deliver: Callable[[Reading, RawFrame], None],
        ended: Callable[[Reading, Exception | None], None],
    ) -> None:
        self._frames, self._deliver, self._ended = frames, deliver, ended
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="reloc-camera", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether the thread is still there."""
        return self._thread.is_alive()

    @property
    def is_abandoned(self) -> bool:
        """Whether what it brings is no longer wanted."""
        return self._abandoned

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def abandon(self) -> None:
        """Want nothing of it any more; the thread ends when the driver returns, if ever."""
        self._abandoned = True

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end, for a while."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._read()
        except Exception as raised:  # noqa: BLE001 - drivers raise anything; whatever it was, the camera is opened anew
            error = raised
        self._ended(self, error)

    def _read(self) -> None:
        for raw in self._frames(self):
            if self._abandoned:
                return
            self._deliver(self, raw)
