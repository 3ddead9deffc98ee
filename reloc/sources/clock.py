"""The clocks that timestamps of cameras count on, and the age of a frame where it can be told."""

from __future__ import annotations

import time
from enum import StrEnum

from reloc.frame import NANOSECONDS_PER_SECOND


class Clock(StrEnum):
    """Values of `SourceInfo.clock` for cameras."""

    MONOTONIC = "host, monotonic clock"
    """time.monotonic: what V4L2 stamps frames with, and what we stamp them with where a camera does not."""
    SYSTEM = "host, system time"
    """Seconds since 1970 on this computer, when the frame arrived."""
    GLOBAL = "device, translated to the host's system time"
    """The camera's own clock, which the RealSense library keeps aligned with the host's."""
    HARDWARE = "device, hardware clock"
    """The camera's own clock, which starts anywhere."""
    STREAM = "stream, presentation time"
    """What the sender wrote into a network stream."""


def age_s(clock: str, timestamp_ns: int) -> float | None:
    """Return how long ago a frame was exposed, in seconds; None where its clock says nothing about now."""
    if clock == Clock.MONOTONIC:
        return (time.monotonic_ns() - timestamp_ns) / NANOSECONDS_PER_SECOND
    if clock in (Clock.SYSTEM, Clock.GLOBAL):
        return (time.time_ns() - timestamp_ns) / NANOSECONDS_PER_SECOND
    return None
