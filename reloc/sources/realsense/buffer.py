"""Where the library's threads leave their frames and ours fetches them."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyrealsense2 import frame as Frame  # noqa: N812 - the library's classes have small letters


class FrameBuffer:
    """A bounded queue: full, it drops its oldest frame if the camera is live, else lets the library wait.

    pyrealsense2's own frame_queue waits with Python's lock in its hand (2.59), which stops the whole process for good.
    """

    def __init__(self, capacity: int, *, lossless: bool) -> None:
        self._frames: deque[Frame] = deque()
        self._capacity = capacity
        self._lossless = lossless
        self._holding_back = False
        self._changed = threading.Condition()
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Take a frame; called by the library's threads."""
        frame.keep()  # else it belongs to a pool of 16, and the camera starves
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self._closed or not self._holding_back or len(self._frames) < self._capacity)
            elif len(self._frames) >= self._capacity:
                self._frames.popleft()
            if not self._closed:
                self._frames.append(frame)
            self._changed.notify_all()

    def hold_back(self) -> None:
        """Let the library wait from now on. Before, it is still starting, and would wait for us while we wait for it."""
        with self._changed:
            self._holding_back = True

    def get(self, timeout_s: float) -> Frame | None:
        """Return the oldest frame, or None if none came in time or the buffer was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._frames), timeout_s)
            if self._closed or not self._frames:
                return None
            self._changed.notify_all()
            return self._frames.popleft()

    @property
    def closed(self) -> bool:
        """Whether nothing will come any more."""
        return self._closed

    def close(self) -> None:
        """Let everybody go who waits, and refuse all frames from now on."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._changed.notify_all()
