"""Between the tracker and the thread that draws: bounded, and never in the tracker's way unless asked to wait."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition

from reloc.estimate import Estimate
from reloc.sinks.rerun_viewer.feed import Row

MOST_ROWS = 2_000
"""Rows that wait for a viewer that stalls: a minute at 30 Hz, some megabytes; then the oldest are let go."""


@dataclass(frozen=True, eq=False)
class Delivery:
    """What the drawing thread gets at once."""

    rows: list[Row]
    picture: Estimate | None
    """The frame to make pictures of; its row is among `rows`."""
    is_last: bool


class Mailbox:
    """Holds the rows in order and one frame to make pictures of: a newer one takes its place."""

    def __init__(self, *, lossless: bool) -> None:
        """With `lossless`, `put` waits for what was left before to be fetched, and nothing is replaced or let go."""
        self._lossless = lossless
        self._changed = Condition()
        self._rows: deque[Row] = deque(maxlen=MOST_ROWS)
        self._picture: Estimate | None = None
        self._closed = False

    def put(self, row: Row, picture: Estimate | None) -> None:
        """Leave a row, and the whole frame where pictures of it are due."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self._closed or not self._is_full())
            self._rows.append(row)
            if picture is not None:
                self._picture = picture
            if self._is_full():
                self._changed.notify_all()

    def take(self, timeout_s: float | None) -> Delivery:
        """Wait for a frame to make pictures of, for the end, or for `timeout_s`; return everything that has come."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_full(), timeout_s)
            delivery = Delivery(list(self._rows), self._picture, self._closed)
            self._rows.clear()
            self._picture = None
            self._changed.notify_all()
            return delivery

    def _is_full(self) -> bool:
        return self._picture is not None or len(self._rows) >= MOST_ROWS

    def close(self) -> None:
        """Say that nothing more will come; also frees a `put` that waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
