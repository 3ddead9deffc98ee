"""Into a gap from its end: where a camera was lost and found again, it is followed backwards in time from where it was found."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reloc.estimate import Estimate, Measurement
from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3
from reloc.relocalizer import Relocalizer
from reloc.sinks.frames_jsonl import frame_record
from reloc.smooth.config import SmoothConfig
from reloc.smooth.rts import Smoothed
from reloc.smooth.seen import Seen

MakeRelocalizer = Callable[[SE3], Relocalizer]
"""Makes a relocalizer that expects its first frame near a pose camera_from_world."""


@dataclass(frozen=True, eq=False)
class Found:
    """A frame that was aligned in the second pass: not its image, of which a gap may have thousands."""

    measurement: Measurement
    record: Mapping[str, Any]
    """As `frame_record` makes it."""


@dataclass
class _Gap:
    """Frames that were not aligned, and those that follow."""

    missing: deque[tuple[int, RawFrame]] = field(default_factory=deque)
    after: list[tuple[int, RawFrame]] = field(default_factory=list)
    bytes: int = 0

    def add(self, row: int, raw: RawFrame, most_bytes: int) -> None:
        """Keep a frame; the oldest make room."""
        self.missing.append((row, raw))
        self.bytes += raw.image.nbytes
        while self.bytes > most_bytes and len(self.missing) > 1:
            self.bytes -= self.missing.popleft()[1].image.nbytes


def walked_back(
    source: Iterable[RawFrame], frames: Sequence[Seen], make: MakeRelocalizer, config: SmoothConfig
) -> dict[int, Found]:
    """Return what was found in the gaps between `frames` by following the camera backwards from the end of each."""
    found: dict[int, Found] = {}
    for gap in _gaps(source, frames, config):
        found |= _walk(gap, frames, make, config)
    return found


def _gaps(source: Iterable[RawFrame], frames: Sequence[Seen], config: SmoothConfig) -> Iterator[_Gap]:
    """Yield each gap as soon as the frames of the run-up have followed it."""
    rows = {frame.timestamp_ns: row for row, frame in enumerate(frames)}
    gap = _Gap()
    for raw in source:
        row = rows.get(raw.timestamp_ns)
        if row is None:
            continue
        missing = frames[row].measurement is None
        if gap.after and (missing or len(gap.after) == config.run_up):
            yield gap
            gap = _Gap()
        if missing:
            gap.add(row, raw, config.memory_mib << 20)
        elif gap.missing:
            gap.after.append((row, raw))
    if gap.after:
        yield gap


def _walk(gap: _Gap, frames: Sequence[Seen], make: MakeRelocalizer, config: SmoothConfig) -> dict[int, Found]:
    last = frames[gap.after[-1][0]].measurement
    assert last is not None
    relocalizer = make(last.camera_from_world)
    for _, raw in reversed(gap.after):
        if relocalizer.step(raw).measurement is None:
            return {}
    found: dict[int, Found] = {}
    missed = 0
    for row, raw in reversed(gap.missing):
        one = _found(relocalizer.step(raw))
        missed = missed + 1 if one is None else 0
        if one is not None:
            found[row] = one
        if missed == config.misses:
            break
    return found


def guessed(
    source: Iterable[RawFrame],
    frames: Sequence[Seen],
    smoothed: Sequence[Smoothed | None],
    make: MakeRelocalizer,
    gate: float,
    config: SmoothConfig,
) -> dict[int, Found]:
    """Return what was found from the smoothed poses of frames without a measurement, where these are good enough to begin at.

    An alignment that is farther from the smoothed pose than both allow (`gate`, normalised and squared) is not taken.
    """
    wanted = {frame.timestamp_ns: row for row, frame in enumerate(frames) if worth_a_try(frame, smoothed[row], config)}
    found: dict[int, Found] = {}
    for raw in source if wanted else ():
        row = wanted.get(raw.timestamp_ns)
        guess = None if row is None else smoothed[row]
        if row is None or guess is None:
            continue
        one = _found(make(guess.camera_from_world).step(raw))
        if one is not None and _surprise(guess, one.measurement) <= gate:
            found[row] = one
    return found


def worth_a_try(frame: Seen, guess: Smoothed | None, config: SmoothConfig) -> bool:
    """Return whether a frame has no measurement and a smoothed pose that is good enough to begin at."""
    return frame.measurement is None and guess is not None and guess.spread <= config.guess_spread


def _surprise(guess: Smoothed, measured: Measurement) -> float:
    difference = (measured.camera_from_world @ guess.camera_from_world.inverse()).log()
    return float(difference @ np.linalg.solve(guess.covariance + measured.noise_covariance, difference))


def _found(estimate: Estimate) -> Found | None:
    return None if estimate.measurement is None else Found(estimate.measurement, frame_record(estimate))


def with_found(frames: Sequence[Seen], found: Mapping[int, Found]) -> list[Seen]:
    """Return the frames with the measurements that were found added."""
    return [replace(frame, measurement=found[row].measurement) if row in found else frame for row, frame in enumerate(frames)]
