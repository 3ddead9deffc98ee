"""Percentiles of an endless stream of durations in a fixed amount of memory."""

from __future__ import annotations

import math
from array import array

# Neighbouring bins differ by 1 %, so a value is known to half of that; 1 µs to 3 hours, in milliseconds.
_RATIO = 1.01
_SMALLEST_MS, _LARGEST_MS = 1e-3, 1e7
_BINS = math.ceil(math.log(_LARGEST_MS / _SMALLEST_MS) / math.log(_RATIO)) + 1


class DurationHistogram:
    """Counts durations in bins of equal ratio: 18 kB whatever their number, percentiles within 0.5 %.

    Unlike a sample or a window it covers the whole run, depends on nothing random and never forgets the slow frames.
    """

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BINS))
        self.count = 0
        self.total_ms = 0.0

    def add(self, milliseconds: float) -> None:
        """Count a duration; what is not finite, or negative, is left out."""
        if not 0.0 <= milliseconds < math.inf:
            return
        self.count += 1
        self.total_ms += milliseconds
        position = math.log(max(milliseconds, _SMALLEST_MS) / _SMALLEST_MS) / math.log(_RATIO)
        self._counts[min(int(position), _BINS - 1)] += 1

    def percentile(self, percent: float) -> float:
        """Return the percentile in milliseconds, as numpy.percentile does between the two nearest values; NaN of nothing."""
        if self.count == 0:
            return math.nan
        position = percent / 100.0 * (self.count - 1)
        below = self._ranked(math.floor(position))
        above = self._ranked(math.ceil(position))
        return below + (above - below) * (position - math.floor(position))

    def _ranked(self, rank: int) -> float:
        """Return about the value at place `rank`, from 0, in increasing order: the middle of its bin."""
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen > rank:
                return _SMALLEST_MS * math.pow(_RATIO, index + 0.5)
        raise IndexError(rank)
