"""Fewer points with the same look: a curve on a page has a thousand pixels, a run may have a hundred thousand frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MOST_POINTS = 1600


def thinned(values: Array, most: int = _MOST_POINTS) -> NDArray[np.int64]:
    """Return indices (K,), increasing, with the smallest and the largest of `values` (N,) in each of `most` / 2 parts.

    A part without any number is represented by its first one, so that gaps stay gaps.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    bounds = np.linspace(0, count, most // 2 + 1).astype(np.int64)
    starts = bounds[:-1]
    low = _first_of(np.where(np.isfinite(values), values, np.inf), bounds)
    high = _first_of(np.where(np.isfinite(values), -values, np.inf), bounds)
    return np.unique(np.concatenate([starts[:1], low, high, [count - 1]]))


def _first_of(values: Array, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the smallest value of each part between bounds."""
    part = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    order = np.lexsort((values, part))
    return np.asarray(order[bounds[:-1]])


def stretches(labels: NDArray[np.str_], times: Array, most: int = _MOST_POINTS) -> list[tuple[str, float, float]]:
    """Return (label, begin, end) of the stretches of equal labels (N,) at increasing times (N,); each lasts until the next.

    Where there are more than `most`, the shortest are merged into those before them.
    """
    if len(labels) == 0:
        return []
    begins = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1])
    ends_s = np.concatenate([times[begins[1:]], [times[-1] + _frame_length(times)]])
    if len(begins) > most:
        lengths = ends_s - times[begins]
        kept = np.sort(np.argsort(-lengths, kind="stable")[:most])
        kept[0] = 0
        begins, ends_s = begins[kept], np.concatenate([times[begins[kept[1:]]], ends_s[-1:]])
    return [(str(labels[i]), float(times[i]), float(end)) for i, end in zip(begins.tolist(), ends_s.tolist(), strict=True)]


def _frame_length(times: Array) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0
