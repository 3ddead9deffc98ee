"""Which poses of a run are exported, at which times and in which frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.estimate import Verdict
from reloc.evaluate.frames import RunFrames
from reloc.evaluate.inputs import cameras_of
from reloc.evaluate.run import Run
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory

Array = NDArray[np.float64]
Times = NDArray[np.int64]

INTERPOLATED = "INTERPOLATED"
"""The verdict of a pose that was not measured but lies between two that were."""

BELIEVED = frozenset(verdict.value for verdict in Verdict if verdict.is_believed)
"""The verdicts of poses that were measured and are believed."""

# Half a second of hand-held motion is still nearly a straight line; a walk round a corner is not.
DEFAULT_GAP_S = 0.5
_MOST_POSES = 10_000_000


@dataclass(frozen=True, eq=False)
class ExportedPoses:
    """N poses ready to be written, with what is known of them; every writer takes this and nothing else."""

    name: str
    trajectory: Trajectory
    """Of target_from_camera: world_from_camera unless another frame was asked for."""
    indices: NDArray[np.int64]
    """(N,) places of the frames in the source; −1 for a time at which there was no frame."""
    names: tuple[str, ...]
    """Of the images; empty where there was none or it is not known."""
    verdicts: tuple[str, ...]
    """Such as `TRACKED` or `INTERPOLATED`; empty where it is not known."""
    scores: Array
    """(N,) 0..1, NaN where it is not known."""
    covariances: Array
    """(N, 6, 6) for exp(δ) @ target_from_camera, NaN where it is not known."""
    camera: PinholeCamera | None = None
    """Of the undistorted images."""
    lens: LensCamera | None = None
    """Of the images as they came."""

    def __len__(self) -> int:
        return len(self.trajectory)

    def parts(self, gap_s: float = DEFAULT_GAP_S) -> list[slice]:
        """Return the pieces of the trajectory between which there is no pose for longer than `gap_s`."""
        ends = np.flatnonzero(np.diff(self.trajectory.timestamps_ns) > gap_s * 1e9) + 1
        bounds = [0, *ends.tolist(), len(self)]
        return [slice(a, b) for a, b in pairwise(bounds) if b > a]


def select(run: Run, verdicts: frozenset[str] = BELIEVED) -> ExportedPoses:
    """Return the poses of a run whose verdict is one of `verdicts`; of a bare trajectory, which has none, all of them.

    Raises `TrajectoryError` if that leaves nothing.
    """
    poses = _of_trajectory(run) if run.frames is None else _of_frames(run, run.frames, verdicts)
    if len(poses) == 0:
        found = (
            {} if run.frames is None else {str(v): int((run.frames.verdicts == v).sum()) for v in np.unique(run.frames.verdicts)}
        )
        said = ", ".join(f"{count} {verdict}" for verdict, count in found.items()) or "no frame at all"
        raise TrajectoryError(f"{run.name} has no pose to export: asked for {', '.join(sorted(verdicts))}, found {said}")
    camera, lens = cameras_of(run.summary)
    return replace(poses, camera=camera, lens=lens)


def _of_trajectory(run: Run) -> ExportedPoses:
    count = len(run.trajectory)
    unknown = ("",) * count
    return ExportedPoses(
        run.name, run.trajectory, np.arange(count), unknown, unknown, np.full(count, np.nan), np.full((count, 6, 6), np.nan)
    )


def _of_frames(run: Run, frames: RunFrames, verdicts: frozenset[str]) -> ExportedPoses:
    which = np.isin(frames.verdicts, sorted(verdicts)) & frames.has_pose
    rows = np.flatnonzero(which)
    return ExportedPoses(
        name=run.name,
        trajectory=frames.poses(which),
        indices=frames.indices[rows],
        names=tuple(frames.names[row] for row in rows),
        verdicts=tuple(frames.verdicts[rows].tolist()),
        scores=frames.measures["score"][rows],
        covariances=frames.covariances[rows],
    )


def fill_gaps(poses: ExportedPoses, frames: RunFrames, max_gap_s: float) -> ExportedPoses:
    """Return the poses with those frames of the run added that lie between two of them, at most `max_gap_s` apart.

    Added poses lie on the geodesics of SE(3), have the verdict `INTERPOLATED`, and keep the frame's index and name.
    """
    inside = (frames.timestamps_ns >= poses.trajectory.timestamps_ns[0]) & (
        frames.timestamps_ns <= poses.trajectory.timestamps_ns[-1]
    )
    filled = resample(poses, np.union1d(frames.timestamps_ns[inside], poses.trajectory.timestamps_ns), max_gap_s)
    rows = np.searchsorted(frames.timestamps_ns, filled.trajectory.timestamps_ns)
    return replace(filled, indices=frames.indices[rows], names=tuple(frames.names[row] for row in rows))


def resample(poses: ExportedPoses, timestamps_ns: Times, max_gap_s: float) -> ExportedPoses:
    """Return the poses at other, increasing times (M,).

    Times outside the trajectory, or between two poses more than `max_gap_s` apart, are left out.
    Raises `TrajectoryError` if that leaves nothing.
    """
    own = poses.trajectory.timestamps_ns
    times = timestamps_ns[(timestamps_ns >= own[0]) & (timestamps_ns <= own[-1])]
    after = np.searchsorted(own, times)
    before = np.where(own[after] == times, after, np.maximum(after - 1, 0))
    near = own[after] - own[before] <= max_gap_s * 1e9
    times, after, before = times[near], after[near], before[near]
    if len(times) == 0:
        raise TrajectoryError(
            f"{poses.name} has no pose within {max_gap_s:g} s on both sides of any of the times that were asked for"
        )
    measured = before == after
    share = (times - own[before]) / np.maximum(own[after] - own[before], 1)
    weight = share[:, None, None]
    return replace(
        poses,
        trajectory=poses.trajectory.interpolated(times),
        indices=np.where(measured, poses.indices[before], -1),
        names=tuple(poses.names[b] if m else "" for b, m in zip(before, measured, strict=True)),
        verdicts=tuple(poses.verdicts[b] if m else INTERPOLATED for b, m in zip(before, measured, strict=True)),
        scores=np.minimum(poses.scores[before], poses.scores[after]),
        covariances=(1.0 - weight) * poses.covariances[before] + weight * poses.covariances[after],
    )


def at_rate(poses: ExportedPoses, rate_hz: float) -> Times:
    """Return the times of a clock that ticks `rate_hz` times a second from the first pose to the last."""
    first, last = (int(t) for t in poses.trajectory.timestamps_ns[[0, -1]])
    count = int((last - first) * rate_hz / 1e9) + 1
    if count > _MOST_POSES:
        raise TrajectoryError(
            f"{rate_hz:g} Hz over {(last - first) * 1e-9:g} s would be {count} poses; at most {_MOST_POSES} are made"
        )
    # Each from the start, so that no rounding adds up.
    return first + np.round(np.arange(count) * (1e9 / rate_hz)).astype(np.int64)


def moved(poses: ExportedPoses, target_from_world: SE3, scale: float) -> ExportedPoses:
    """Return the poses with their positions multiplied by `scale`, and then in another frame; covariances follow."""
    lever = target_from_world.adjoint() @ np.diag([scale] * 3 + [1.0] * 3)
    return replace(
        poses,
        trajectory=poses.trajectory.moved(target_from_world, scale),
        covariances=lever @ poses.covariances @ lever.T,
    )
