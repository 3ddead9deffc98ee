"""Which frames of a run are worth a look: those that went wrong, but not many neighbours of one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.evaluate.association import associate
from reloc.evaluate.errors import absolute_errors
from reloc.evaluate.frames import RunFrames
from reloc.evaluate.trust import GOOD_DEG, GOOD_M
from reloc.geometry.trajectory import Trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Frames of one mishap look alike: of a run, one in so many parts of it is enough.
_PARTS = 40


@dataclass(frozen=True)
class WorstFrame:
    """A frame and what is known of it."""

    row: int
    """In the table of the run's frames."""
    why: str
    """For people: why it is shown."""
    position_m: float
    """Error against the ground truth, NaN without one."""
    rotation_deg: float


def worst_frames(frames: RunFrames, groundtruth: Trajectory | None, tolerance_s: float, most: int) -> tuple[WorstFrame, ...]:
    """Return at most `most` frames: two in three of those believed, by error or else by score, and others."""
    position_m, rotation_deg = frame_errors(frames, groundtruth, tolerance_s)
    believed = frames.is_believed & frames.has_pose
    score = np.nan_to_num(frames.measures["score"], nan=0.0)
    error = position_m / GOOD_M + rotation_deg / GOOD_DEG
    known = np.isfinite(error)
    said = (
        "among the largest errors of those believed" if (believed & known).any() else "among the lowest scores of those believed"
    )
    badness = np.where(known, error, -np.inf) if (believed & known).any() else 1.0 - score
    failed = ~believed & frames.has_pose
    failures = _spread_out(1.0 - score, failed, max(most // 3, most - int(believed.sum())))
    chosen = [(row, said) for row in _spread_out(badness, believed, most - len(failures))]
    chosen += [(row, "among the lowest scores of those not believed") for row in failures]
    return tuple(WorstFrame(row, why, float(position_m[row]), float(rotation_deg[row])) for row, why in chosen)


def frame_errors(frames: RunFrames, groundtruth: Trajectory | None, tolerance_s: float) -> tuple[Array, Array]:
    """Return metres (N,) and degrees (N,) for every frame of a run, whatever its verdict; NaN where they are not known."""
    metres, degrees = np.full((2, len(frames)), np.nan)
    if groundtruth is None:
        return metres, degrees
    of_truth, of_frame = associate(groundtruth.timestamps_ns, frames.timestamps_ns, round(tolerance_s * 1e9))
    posed = frames.has_pose[of_frame]
    of_truth, of_frame = of_truth[posed], of_frame[posed]
    which = np.zeros(len(frames), dtype=np.bool_)
    which[of_frame] = True
    errors = absolute_errors(frames.poses(which), groundtruth.selected(of_truth))
    metres[of_frame], degrees[of_frame] = errors.position_m, np.degrees(errors.rotation_rad)
    return metres, degrees


def _spread_out(badness: Array, among: Mask, most: int) -> list[int]:
    """Return rows of a mask, the worst first, none nearer to another than a part of the table."""
    apart = max(1, len(badness) // _PARTS)
    chosen: list[int] = []
    for row in np.argsort(-badness, kind="stable").tolist():
        if len(chosen) >= most:
            break
        if among[row] and all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    return chosen
