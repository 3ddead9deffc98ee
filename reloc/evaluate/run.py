"""What a run left behind: its trajectory, and what was known of each frame."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.geometry.se3 import wxyz_from_xyzw
from reloc.geometry.trajectory import Trajectory, load_tum

Array = NDArray[np.float64]

# A frame takes 2 kB; a longer line is no frame, and foreign files must not make us take memory for it.
_LONGEST_LINE = 1 << 18
_MOST_STAGES = 64
_MEASURES = ("score", "iterations", "inlier_share", "correlation", "coverage", "visible_share", "condition", "residual", "nis")


@dataclass(frozen=True, eq=False)
class RunFrames:
    """The table of frames.jsonl: N rows in order of time; NaN and empty text where a row said nothing."""

    indices: NDArray[np.int64]
    """(N,) place in the source."""
    timestamps_ns: NDArray[np.int64]
    """(N,)"""
    names: tuple[str, ...]
    verdicts: NDArray[np.str_]
    """(N,) such as `TRACKED`."""
    reasons: tuple[str, ...]
    translations: Array
    """(N, 3) of world_from_camera, whatever the verdict."""
    quaternions: Array
    """(N, 4) in the order (w, x, y, z)."""
    covariances: Array
    """(N, 6, 6) for exp(δ) @ world_from_camera."""
    measures: Mapping[str, Array]
    """(N,) each: `score`, `residual`, `nis`, ... as in the file."""
    exposure: Mapping[str, Array]
    """(N,) `gain` and `bias`, averaged over the channels."""
    milliseconds: Mapping[str, Array]
    """(N,) for each stage."""

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    @property
    def has_pose(self) -> NDArray[np.bool_]:
        """(N,) where a finite pose was written, believed or not."""
        return np.asarray(np.isfinite(np.hstack([self.translations, self.quaternions])).all(axis=1))

    def poses(self, which: NDArray[np.bool_]) -> Trajectory:
        """Return the trajectory of the frames in a mask (N,), which must have a pose."""
        return Trajectory(self.timestamps_ns[which], self.translations[which], self.quaternions[which])


@dataclass(frozen=True, eq=False)
class Run:
    """A trajectory, and what else its folder holds."""

    name: str
    trajectory: Trajectory
    frames: RunFrames | None = None
    """None for a bare trajectory file."""
    summary: Mapping[str, Any] | None = None


def load_run(path: str | Path) -> Run:
    """Read the folder of a run (trajectory.txt, frames.jsonl, summary.json), or a bare TUM file.

    A run that was killed is read up to its last whole line. Raises `TrajectoryError` for anything that is neither.
    """
    path = Path(path)
    if not path.is_dir():
        return Run(path.stem, load_tum(path))
    if not (path / "trajectory.txt").is_file():
        raise TrajectoryError("not the folder of a run: expected a trajectory.txt in it; a TUM file may be named directly", path)
    frames = load_frames(path / "frames.jsonl") if (path / "frames.jsonl").is_file() else None
    summary = _load_summary(path / "summary.json") if (path / "summary.json").is_file() else None
    return Run(path.resolve().name, load_tum(path / "trajectory.txt"), frames, summary)


def load_frames(path: str | Path) -> RunFrames:
    """Read a frames.jsonl; a last line that was cut off is left out.

    Raises `TrajectoryError`, with the number of the line, for what is not a frame and for times that do not increase.
    """
    path = Path(path)
    records = list(_records(path))
    times = np.array([record["timestamp_ns"] for record in records], dtype=np.int64)
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if len(backwards):
        raise TrajectoryError(f"line {backwards[0] + 2} is not later than the one before it", path)
    stages = sorted({stage for record in records for stage in record["milliseconds"]})
    return RunFrames(
        indices=np.array([record["index"] for record in records], dtype=np.int64),
        timestamps_ns=times,
        names=tuple(record["name"] for record in records),
        verdicts=np.array([record["verdict"] for record in records], dtype=np.str_),
        reasons=tuple(record["reason"] for record in records),
        translations=np.array([record["translation"] for record in records]).reshape(-1, 3),
        quaternions=np.array([record["quaternion"] for record in records]).reshape(-1, 4),
        covariances=np.array([record["covariance"] for record in records]).reshape(-1, 6, 6),
        measures={name: np.array([record[name] for record in records]) for name in _MEASURES},
        exposure={name: np.array([record[name] for record in records]) for name in ("gain", "bias")},
        milliseconds={stage: np.array([record["milliseconds"].get(stage, np.nan) for record in records]) for stage in stages},
    )


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the checked content of each line."""
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(_LONGEST_LINE):
                number += 1
                try:
                    yield _record(json.loads(line))
                except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
                    if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                        return  # the process was killed, or the disk was full, in the middle of the last line
                    raise TrajectoryError(
                        f"line {number} is not a frame as `reloc track` writes it: {error!r:.120}", path
                    ) from error
    except OSError as error:
        raise TrajectoryError(f"cannot read the frames: {error.strerror or error}", path) from error


def _record(found: Any) -> dict[str, Any]:
    """Return the fields of a frame with their types and shapes checked."""
    pose = found.get("world_from_camera") or {}
    exposure = found.get("exposure") or {}
    stages = found.get("milliseconds") or {}
    if len(stages) > _MOST_STAGES:
        raise ValueError(f"{len(stages)} stages in one frame")
    return {
        "index": operator.index(found.get("index", -1)),
        "timestamp_ns": np.int64(operator.index(found["timestamp_ns"])),
        "name": str(found.get("name", "")),
        "verdict": str(found["verdict"]),
        "reason": str(found.get("reason", "")),
        "translation": _numbers(pose.get("translation"), (3,)),
        "quaternion": _unit(wxyz_from_xyzw(_numbers(pose.get("quaternion_xyzw"), (4,)))),
        "covariance": _numbers(found.get("covariance"), (6, 6)),
        **{name: float(_numbers(found.get(name), ())) for name in _MEASURES},
        **{name: _mean(exposure.get(name)) for name in ("gain", "bias")},
        "milliseconds": {str(stage): float(_numbers(time, ())) for stage, time in stages.items()},
    }


def _numbers(value: Any, shape: tuple[int, ...]) -> Array:
    """Return an array of `shape`, NaN for null; raises ValueError for another shape."""
    if value is None:
        return np.full(shape, np.nan)
    array = np.array(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"expected numbers of shape {shape}, found {array.shape}")
    return array


def _unit(quaternion: Array) -> Array:
    length = math.hypot(*quaternion)
    if abs(length - 1.0) > 0.01:
        raise ValueError(f"the quaternion has length {length:.4g} instead of 1")
    return np.asarray(quaternion / length)


def _mean(value: Any) -> float:
    channels = np.array([] if value is None else value, dtype=np.float64)
    return float(channels.mean()) if channels.size else math.nan


def _load_summary(path: Path) -> Mapping[str, Any] | None:
    """Return the summary, or None where it cannot be understood: nothing that is computed rests on it."""
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
