"""One unbroken sequence of frames out of many readings of one camera."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources.clock import age_s

# A frame that claims to be older than this, or from the future, counts on another clock than it says.
_OLDEST_S = 10.0
# By so much, or half of the pause, a camera's clock may differ from ours over a pause and still be the same clock as before.
_SLACK_NS = NANOSECONDS_PER_SECOND

_log = logging.getLogger(__name__)


class FrameOrder:
    """Gives the frames of all readings increasing numbers and times, and leaves out what comes twice or too late.

    A camera that was reset counts from 0 again, often in time as well: its times are then shifted such that they go on from
    where they were, by the time that has passed here.

    Args:
        age: Returns how many seconds ago a frame was exposed, from the name of its clock and its timestamp; None if unknown.
    """

    def __init__(self, age: Callable[[str, int], float | None] = age_s) -> None:
        self._age = age
        self._latest_ns: int | None = None
        self._latest_index = -1
        self._arrived_ns = 0
        self._is_new_reading = False
        self._first_index = 0
        self._shift_ns = 0
        self._unordered = self._skipped = 0

    @property
    def unordered(self) -> int:
        """How many frames were left out because their time was not later than that of the one before."""
        return self._unordered

    @property
    def skipped(self) -> int:
        """How many frames the camera itself has left out, judged by gaps in its numbers."""
        return self._skipped

    def begin(self) -> None:
        """Say that the next frame is the first of another reading."""
        self._is_new_reading = True

    def place(self, raw: RawFrame, clock: str, now_ns: int) -> RawFrame | None:
        """Return a frame that arrived at `now_ns` (monotonic) with its number and times in the sequence; None to leave it out.

        `clock` is `SourceInfo.clock`.
        """
        is_first, self._is_new_reading = self._is_new_reading, False
        if is_first and self._latest_ns is not None:
            self._join(raw, self._latest_ns, now_ns)
        timestamp_ns = raw.timestamp_ns + self._shift_ns
        if self._latest_ns is not None and timestamp_ns <= self._latest_ns:
            self._unordered += 1
            return None
        index = max(self._first_index + raw.index, self._latest_index + 1)
        self._skipped += 0 if is_first or self._latest_ns is None else index - self._latest_index - 1
        self._latest_index, self._latest_ns, self._arrived_ns = index, timestamp_ns, now_ns
        host_ns = raw.host_ns if raw.host_ns is not None else self._exposed_ns(raw.timestamp_ns, clock, now_ns)
        return replace(raw, index=index, timestamp_ns=timestamp_ns, host_ns=host_ns)

    def _join(self, raw: RawFrame, latest_ns: int, now_ns: int) -> None:
        """Let numbers and times go on from those of the reading before."""
        self._first_index = self._latest_index + 1 - raw.index
        pause_ns = max(now_ns - self._arrived_ns, 1)
        step_ns = raw.timestamp_ns + self._shift_ns - latest_ns
        if step_ns > 0 and abs(step_ns - pause_ns) <= max(_SLACK_NS, pause_ns // 2):
            return
        self._shift_ns += pause_ns - step_ns
        _log.warning(
            "the camera's clock has started anew: its times are shifted by %.3f s, so that they go on from before",
            self._shift_ns / NANOSECONDS_PER_SECOND,
        )

    def _exposed_ns(self, timestamp_ns: int, clock: str, now_ns: int) -> int:
        age = self._age(clock, timestamp_ns)
        return now_ns if age is None or not 0.0 <= age <= _OLDEST_S else now_ns - round(age * NANOSECONDS_PER_SECOND)
