"""The ground truth, and which of its frames count."""

from __future__ import annotations

from decimal import InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.evaluate.association import associate
from reloc.geometry.trajectory import Trajectory, load_tum, parse_seconds, text_blocks

_IN_FOLDER = ("groundtruth.txt", "trajectory.txt")


def load_groundtruth(path: str | Path) -> Trajectory:
    """Read a TUM file, the poses of a dataset, or the file of a recording's folder (groundtruth.txt) or a run's (trajectory.txt).

    Raises `TrajectoryError` where there is none or it holds no pose.
    """
    path = Path(path)
    poses = None if path.is_file() else _poses_of_dataset(path)
    if poses is not None:
        return poses
    if path.is_dir():
        found = [path / name for name in _IN_FOLDER if (path / name).is_file()]
        if not found:
            raise TrajectoryError(f"no ground truth in the folder: expected one of {', '.join(_IN_FOLDER)}", path)
        path = found[0]
    trajectory = load_tum(path)
    if len(trajectory) == 0:
        raise TrajectoryError("the ground truth holds no pose", path)
    return trajectory


def _poses_of_dataset(path: Path) -> Trajectory | None:
    # Late: a trajectory in a file needs none of what reads images.
    from reloc.sources.datasets import load_dataset_poses

    return load_dataset_poses(path)


def load_times(path: str | Path) -> NDArray[np.int64]:
    """Return the times (N,) in nanoseconds, increasing, of a text file whose lines begin with seconds, or of a run's frames.

    `path` may be timestamps.txt, a TUM or CSV file, frames.jsonl, or the folder of a recording or run.
    """
    path = Path(path)
    if path.is_dir():
        path = path / ("frames.jsonl" if (path / "frames.jsonl").is_file() else "timestamps.txt")
    if path.suffix == ".jsonl":
        # Late, as in `load_run`: a first pose needs no parser of frames.
        from reloc.evaluate.frames_file import load_frames

        return load_frames(path).timestamps_ns
    times = [
        _time(line, number, path)
        for first, lines in text_blocks(path)
        for number, line in enumerate(lines, first)
        if _is_data(line)
    ]
    return np.unique(np.array(times, dtype=np.int64))


def _is_data(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _time(line: str, number: int, path: Path) -> int:
    token = line.replace(",", " ").split()[0]
    try:
        return parse_seconds(token)
    except (ValueError, OverflowError, InvalidOperation):
        raise TrajectoryError(f"line {number} does not begin with a time in seconds: `{token[:40]}`", path) from None


def every_nth(groundtruth: Trajectory, step: int) -> Trajectory:
    """Return the frames 0, step, 2 step, ... of the ground truth, as `reloc track --every` uses them."""
    return groundtruth.selected(np.arange(0, len(groundtruth), step))


def at_times(groundtruth: Trajectory, timestamps_ns: NDArray[np.int64], max_difference_s: float) -> Trajectory:
    """Return the frames of the ground truth that were given to the tracker at `timestamps_ns` (N,)."""
    frames, _ = associate(groundtruth.timestamps_ns, timestamps_ns, round(max_difference_s * 1e9))
    return groundtruth.selected(frames)
