"""The figures that say how good a trajectory is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.evaluate.align import Alignment, AlignmentKind, align
from reloc.evaluate.association import associate
from reloc.evaluate.errors import (
    AbsoluteErrors,
    RelativeErrors,
    absolute_errors,
    pairs_by_distance,
    pairs_by_step,
    pairs_by_time,
    relative_errors,
)
from reloc.geometry.trajectory import Trajectory, format_seconds

Array = NDArray[np.float64]

RECALL_LIMITS: Mapping[str, tuple[float, float]] = {"1cm_1deg": (0.01, 1.0), "2cm_2deg": (0.02, 2.0), "5cm_5deg": (0.05, 5.0)}
"""Metres and degrees, both of which a frame must keep."""

# Frames at 30 Hz are 33 ms apart; clocks that were rounded to milliseconds still meet.
DEFAULT_TOLERANCE_S = 0.01


@dataclass(frozen=True)
class Statistics:
    """What is said about many errors; NaN where there were none."""

    median: float
    rmse: float
    p95: float
    max: float

    @classmethod
    def of(cls, errors: Array) -> Statistics:
        """Summarise errors (N,) ≥ 0; p95 interpolates linearly between the two nearest of them."""
        if len(errors) == 0:
            return cls(np.nan, np.nan, np.nan, np.nan)
        median, p95 = np.percentile(errors, [50.0, 95.0]).tolist()
        return cls(median, float(np.sqrt(np.mean(errors**2))), p95, float(errors.max()))


@dataclass(frozen=True)
class Relative:
    """Errors of the motion over pieces of the way that are about `length` long."""

    length: float
    unit: str
    """`frames`, `m` or `s`."""
    pairs: int
    position_m: Statistics
    rotation_deg: Statistics


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How far a trajectory is from the ground truth."""

    frames: int
    """Frames of the ground truth that count."""
    matched: int
    """Frames that have a pose of the trajectory within the tolerance of time."""
    position_m: Statistics
    """Over the matched frames."""
    rotation_deg: Statistics
    recall: Mapping[str, float]
    """Shares 0..1 of all frames within `RECALL_LIMITS`; a frame without a pose is a miss."""
    relative: Mapping[str, Relative]
    """`step`: from each matched frame to the next; `distance` and `time`: over pieces of a given length."""
    axes: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Medians of the absolute errors: `world` or `camera`, `position_m` or `rotation_deg`, `x`, `y` or `z`."""
    alignment: Alignment
    tolerance_s: float
    groundtruth: Trajectory
    """The frames that count, F of them."""
    frame_of_match: NDArray[np.int64]
    """(M,) which frame each matched pose belongs to."""
    pose_of_match: NDArray[np.int64]
    """(M,) which pose of the trajectory it is."""
    errors: AbsoluteErrors
    """Of the M matched frames."""

    def as_mapping(self) -> dict[str, Any]:
        """Return the figures as what `reloc evaluate --json` prints."""
        pose = self.alignment.groundtruth_from_estimate
        aligned = {
            "kind": self.alignment.kind.value,
            "scale": self.alignment.scale,
            "translation": pose.translation,
            "quaternion_wxyz": pose.wxyz,
        }
        return {
            "frames": self.frames,
            "matched": self.matched,
            "position_m": vars(self.position_m),
            "rotation_deg": vars(self.rotation_deg),
            "recall": dict(self.recall),
            "relative": {
                name: {**vars(one), "position_m": vars(one.position_m), "rotation_deg": vars(one.rotation_deg)}
                for name, one in self.relative.items()
            },
            "axes": self.axes,
            "alignment": aligned,
            "tolerance_s": self.tolerance_s,
        }


def evaluate(
    estimate: Trajectory,
    groundtruth: Trajectory,
    *,
    alignment: AlignmentKind | str = AlignmentKind.NONE,
    max_difference_s: float = DEFAULT_TOLERANCE_S,
    relative_distance_m: float = 1.0,
    relative_time_s: float = 1.0,
) -> Evaluation:
    """Return the errors of `estimate` over every frame of `groundtruth`, which must be in the same world and on the same clock.

    Raises `TrajectoryError` for an empty ground truth, for clocks that never meet and for an alignment that is not determined.
    """
    if len(groundtruth) == 0:
        raise TrajectoryError("the ground truth holds no pose")
    frame_of_match, pose_of_match = associate(groundtruth.timestamps_ns, estimate.timestamps_ns, round(max_difference_s * 1e9))
    if len(estimate) and not len(frame_of_match):
        raise _clocks_never_meet(estimate, groundtruth, max_difference_s)
    true, found = groundtruth.selected(frame_of_match), estimate.selected(pose_of_match)
    fitted = align(AlignmentKind(alignment), found.translations, true.translations)
    found = found.moved(fitted.groundtruth_from_estimate, fitted.scale)
    errors = absolute_errors(found, true)
    over_distance = pairs_by_distance(true.translations, relative_distance_m)
    over_time = pairs_by_time(true.timestamps_ns, relative_time_s)
    return Evaluation(
        frames=len(groundtruth),
        matched=len(true),
        position_m=Statistics.of(errors.position_m),
        rotation_deg=Statistics.of(np.degrees(errors.rotation_rad)),
        recall=_recall(errors, len(groundtruth)),
        relative={
            "step": _relative(1, "frames", relative_errors(found, true, *pairs_by_step(len(true)))),
            "distance": _relative(relative_distance_m, "m", relative_errors(found, true, *over_distance)),
            "time": _relative(relative_time_s, "s", relative_errors(found, true, *over_time)),
        },
        axes=_axes(errors),
        alignment=fitted,
        tolerance_s=max_difference_s,
        groundtruth=groundtruth,
        frame_of_match=frame_of_match,
        pose_of_match=pose_of_match,
        errors=errors,
    )


def _clocks_never_meet(estimate: Trajectory, groundtruth: Trajectory, tolerance_s: float) -> TrajectoryError:
    spans = [" to ".join(format_seconds(int(t)) for t in one.timestamps_ns[[0, -1]]) for one in (estimate, groundtruth)]
    return TrajectoryError(
        f"no pose lies within {tolerance_s:g} s of a frame of the ground truth: the trajectory spans {spans[0]} s, "
        f"the ground truth {spans[1]} s; are they on the same clock?"
    )


def _recall(errors: AbsoluteErrors, frames: int) -> dict[str, float]:
    position_m, rotation_deg = errors.position_m, np.degrees(errors.rotation_rad)
    return {
        name: int(np.count_nonzero((position_m <= metres) & (rotation_deg <= degrees))) / frames
        for name, (metres, degrees) in RECALL_LIMITS.items()
    }


def _relative(length: float, unit: str, errors: RelativeErrors) -> Relative:
    rotation_deg = np.degrees(errors.rotation_rad)
    return Relative(length, unit, len(rotation_deg), Statistics.of(errors.position_m), Statistics.of(rotation_deg))


def _axes(errors: AbsoluteErrors) -> dict[str, dict[str, dict[str, float]]]:
    return {
        "world": {"position_m": _medians(errors.offset_in_world), "rotation_deg": _medians(np.degrees(errors.turn_in_world))},
        "camera": {"position_m": _medians(errors.offset_in_camera), "rotation_deg": _medians(np.degrees(errors.turn_in_camera))},
    }


def _medians(errors: Array) -> dict[str, float]:
    """Return the medians of the absolute errors (M, 3) along each axis."""
    return {axis: Statistics.of(np.abs(errors[:, i])).median for i, axis in enumerate("xyz")}
