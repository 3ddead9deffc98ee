"""A recording played as if it were a camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource


def replayed(
    source: FrameSource,
    rate_hz: float | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> FrameSource:
    """Return a live source that delivers each frame of a recording when it is due, and never leaves one out by itself.

    Frames are due `rate_hz` a second, or else at the distances of their timestamps, counted from when the second one is asked
    for: a consumer may take its time over the first, to get going. They keep the timestamps of the recording. A consumer that was
    late gets those that have become due meanwhile at once, as from a camera with endless buffers.

    Args:
        source: The recording.
        rate_hz: Frames a second; None is the pace of the recording.
        clock: Seconds that only grow.
        sleep: Waits for seconds on that clock.
    """
    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise SourceError(f"The rate of a replay must be a positive number of frames a second, not {rate_hz}")
    info = replace(source.info, live=True, replayed=True)
    return DerivedSource(source, lambda inner: _paced(inner, rate_hz, clock, sleep), info)


def _paced(
    source: FrameSource, rate_hz: float | None, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[RawFrame]:
    begun_s, first_ns = clock(), 0
    for count, frame in enumerate(source):
        if count == 0:
            begun_s, first_ns = clock(), frame.timestamp_ns
        after_s = (frame.timestamp_ns - first_ns) / NANOSECONDS_PER_SECOND if rate_hz is None else count / rate_hz
        due_s = begun_s + after_s
        while (early_s := due_s - clock()) > 0:
            sleep(early_s)
        # When it was due, not when it comes: what makes it late is part of the latency that the replay is there to show.
        yield replace(frame, host_ns=round(due_s * NANOSECONDS_PER_SECOND))
        if count == 0:
            begun_s = clock()
