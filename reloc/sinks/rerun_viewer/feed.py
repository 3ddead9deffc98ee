"""What is drawn of every frame, cut down to a few numbers, and how often a picture is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Estimate, Exposure, Verdict
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.se3 import SE3

PIECE_POINTS = 64
"""A piece of the trajectory ends after this many points: what is drawn anew while it grows stays small."""


@dataclass(frozen=True, eq=False)
class Row:
    """One frame without its image, so that thousands may wait."""

    index: int
    timestamp_ns: int
    verdict: Verdict
    reason: str
    world_from_camera: SE3 | None
    """None where the pose is not finite."""
    plots: Mapping[str, Mapping[str, float]]
    """What is plotted: plot → curve → value."""


def row_of(estimate: Estimate) -> Row:
    """Return the few numbers of an estimate that are drawn for every frame; the image is let go."""
    pose = estimate.world_from_camera if estimate.camera_from_world.is_finite else None
    quality = estimate.quality
    plots = {
        "trust": {"score": estimate.score, "inlier share": quality.inlier_share, "correlation": quality.correlation},
        "milliseconds": dict(sorted(estimate.milliseconds.items(), key=lambda spent: spent[0] != "total")),
        "exposure": _exposure_curves(estimate.exposure),
        "residual": {"residual (rms)": quality.residual},
        "innovation": {"NIS, 6 degrees of freedom": quality.nis},
    }
    return Row(estimate.frame.index, estimate.frame.timestamp_ns, estimate.verdict, estimate.reason, pose, plots)


def _exposure_curves(exposure: Exposure) -> dict[str, float]:
    """Return gain and bias by name, one a channel where there are three."""
    channels = ("",) if len(exposure.gain) == 1 else (" red", " green", " blue")
    gains = {f"gain{channel}": float(value) for channel, value in zip(channels, exposure.gain, strict=True)}
    return gains | {f"bias{channel}": float(value) for channel, value in zip(channels, exposure.bias, strict=True)}


@dataclass(frozen=True, eq=False)
class CurveGroup:
    """Curves that are always logged together. A viewer wants their number constant, so newcomers form a group of their own."""

    names: tuple[str, ...]
    first_color: int
    """Number of the group's first curve within its plot."""

    def values(self, rows: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
        """Return (rows, curves); what a row lacks is 0: a stage that did not run took no time."""
        return np.array([[row.get(name, 0.0) for name in self.names] for row in rows], np.float64)


def with_newcomers(groups: Sequence[CurveGroup], rows: Sequence[Mapping[str, float]]) -> list[CurveGroup]:
    """Return the groups of one plot's curves, and one more where `rows` hold curves that are in none of them."""
    known = [name for group in groups for name in group.names]
    new = tuple(dict.fromkeys(name for row in rows for name in row if name not in known))
    return [*groups, CurveGroup(new, len(known))] if new else list(groups)


class PictureClock:
    """Says when a picture is due: in the first frame of each period, so that the long-run rate is met without drift."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = round(NANOSECONDS_PER_SECOND / rate_hz)
        self._start_ns: int | None = None
        self._period = -1
        self._rested_ns: int | None = None

    def due(self, now_ns: int) -> bool:
        """Return whether a picture is to be made of the frame at `now_ns`. Asked once a frame; time may jump back."""
        if self._start_ns is None:
            self._start_ns = now_ns
        if self._rested_ns is not None and now_ns < self._rested_ns:
            return False
        period = (now_ns - self._start_ns) // self._period_ns
        is_new = period != self._period
        self._period = period
        return is_new

    def rest(self, until_ns: int) -> None:
        """Let no picture be due before `until_ns`: making the last one took long."""
        self._rested_ns = until_ns


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of the trajectory under one verdict."""

    verdict: Verdict
    points_in_world: NDArray[np.float32]
    """(N, 3) camera centres, N ≥ 2."""


class TrajectoryPieces:
    """Cuts the trajectory into pieces of one verdict each, so that none is drawn twice however long it grows.

    A camera that stands still adds nothing. A pose found again after it was lost is not joined to the place where it was lost.
    """

    def __init__(self, shortest_step_m: float) -> None:
        self._shortest_step_m = shortest_step_m
        self._verdict = Verdict.LOST
        self._points: list[NDArray[np.float32]] = []

    def add(self, row: Row) -> Piece | None:
        """Take the next frame; return the piece that it completed, if any."""
        if row.world_from_camera is None:
            return None
        point = row.world_from_camera.translation.astype(np.float32)
        finished = None
        if row.verdict != self._verdict or len(self._points) >= PIECE_POINTS:
            finished = self.open_piece()
            joined = row.verdict == self._verdict or not self._verdict.is_lost
            self._points = self._points[-1:] if joined else []
            self._verdict = row.verdict
        if not self._points or np.linalg.norm(point - self._points[-1]) >= self._shortest_step_m:
            self._points.append(point)
        return finished

    def open_piece(self) -> Piece | None:
        """Return the piece that is still growing, if there is anything to draw of it."""
        return Piece(self._verdict, np.array(self._points)) if len(self._points) > 1 else None
