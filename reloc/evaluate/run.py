"""What a run left behind: its trajectory, and what was known of each frame."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.estimate import Verdict
from reloc.geometry.se3 import wxyz_from_xyzw
from reloc.geometry.trajectory import Trajectory, load_tum

Array = NDArray[np.float64]

# A frame takes 2 kB; a longer line is no frame, and foreign files must not make us take memory for it.
_LONGEST_LINE = 1 << 18
# Far more than there are; a file must not decide how many columns we make.
_MOST_STAGES, _LONGEST_VERDICT = 64, 32
_BATCH = 4096
_QUATERNION_NORM_SLACK = 0.01
# What foreign JSON raises where a frame was expected.
_FAULTS = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
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

    @property
    def is_believed(self) -> NDArray[np.bool_]:
        """(N,) where the pose was measured and can be used: TRACKED or LIMITED."""
        return np.isin(self.verdicts, [verdict.value for verdict in Verdict if verdict.is_believed])

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
    folder: Path | None = None
    """None for a bare trajectory file."""


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
    return Run(_name(path, summary), load_tum(path / "trajectory.txt"), frames, summary, path)


def _name(folder: Path, summary: Mapping[str, Any] | None) -> str:
    """Return what to call a run: its folder, and for a second pass, which lies in that of the first, both."""
    path = folder.resolve()
    return f"{path.parent.name}/{path.name}" if summary is not None and "second_pass" in summary else path.name


def load_frames(path: str | Path) -> RunFrames:
    """Read a frames.jsonl; a last line that was cut off is left out.

    Raises `TrajectoryError`, with the number of the line, for what is not a frame and for times that do not increase.
    """
    path = Path(path)
    blocks = [_checked_columns(first, records, path) for first, records in _batches(path)] or [_columns([])]
    frames = _joined(blocks)
    backwards = np.flatnonzero(np.diff(frames.timestamps_ns) <= 0)
    if len(backwards):
        raise TrajectoryError(f"line {backwards[0] + 2} is not later than the one before it", path)
    return frames


def _batches(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield (number of the first line, parsed lines) so that only a part of the text is in memory."""
    try:
        with path.open("rb") as stream:
            first = 1
            records: list[Any] = []
            while line := stream.readline(_LONGEST_LINE):
                if len(records) == _BATCH:
                    yield first, records
                    first, records = first + len(records), []
                try:
                    records.append(json.loads(line))
                except (ValueError, RecursionError) as error:
                    if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                        break  # the process was killed, or the disk was full, in the middle of the last line
                    raise _not_a_frame(first + len(records), error, path) from error
            yield first, records
    except OSError as error:
        raise TrajectoryError(f"cannot read the frames: {error.strerror or error}", path) from error


def _not_a_frame(number: int, error: Exception, path: Path) -> TrajectoryError:
    return TrajectoryError(f"line {number} is not a frame as `reloc track` writes it: {error!r:.120}", path)


def _checked_columns(first: int, records: list[Any], path: Path) -> RunFrames:
    try:
        return _columns(records)
    except _FAULTS as error:
        if len(records) == 1:
            raise _not_a_frame(first, error, path) from error
    # All at once is ten times as fast; one by one tells which it was, the halves have the fewest to try.
    half = len(records) // 2
    return _joined([_checked_columns(first, records[:half], path), _checked_columns(first + half, records[half:], path)])


def _columns(records: list[Any]) -> RunFrames:
    """Return the table of parsed lines; raises one of `_FAULTS` where they are not what the sink writes."""
    poses = [record.get("world_from_camera") or {} for record in records]
    exposures = [record.get("exposure") or {} for record in records]
    milliseconds = [record.get("milliseconds") or {} for record in records]
    stages = sorted(set(chain.from_iterable(one.keys() for one in milliseconds)))[:_MOST_STAGES]
    return RunFrames(
        indices=np.array([operator.index(record.get("index", -1)) for record in records], dtype=np.int64),
        timestamps_ns=np.array([operator.index(record["timestamp_ns"]) for record in records], dtype=np.int64),
        names=tuple(str(record.get("name", "")) for record in records),
        verdicts=np.array([str(record["verdict"])[:_LONGEST_VERDICT] for record in records], dtype=np.str_),
        reasons=tuple(str(record.get("reason", "")) for record in records),
        translations=_numbers([pose.get("translation") or [None] * 3 for pose in poses], (3,)),
        quaternions=_unit(wxyz_from_xyzw(_numbers([pose.get("quaternion_xyzw") or [None] * 4 for pose in poses], (4,)))),
        covariances=_numbers([record.get("covariance") or [[None] * 6] * 6 for record in records], (6, 6)),
        measures={name: _numbers([record.get(name) for record in records], ()) for name in _MEASURES},
        exposure={name: _numbers([_mean(exposure.get(name)) for exposure in exposures], ()) for name in ("gain", "bias")},
        milliseconds={stage: _numbers([one.get(stage) for one in milliseconds], ()) for stage in stages},
    )


def _numbers(rows: list[Any], shape: tuple[int, ...]) -> Array:
    """Return an array (N, *shape), NaN for null; raises ValueError for rows of another shape."""
    array = np.array(rows, dtype=np.float64) if rows else np.zeros((0, *shape))
    if array.shape != (len(rows), *shape):
        raise ValueError(f"expected numbers of shape {shape}, found {array.shape[1:]}")
    return array


def _unit(quaternions: Array) -> Array:
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(quaternions, axis=1, keepdims=True)
    if (np.abs(lengths - 1.0) > _QUATERNION_NORM_SLACK).any():
        raise ValueError("a quaternion is not of length 1")
    return np.asarray(quaternions / lengths)


def _mean(channels: Any) -> float:
    """Return the mean of some channels, NaN where there is none or one is null, as in frames that were not aligned."""
    if not channels or None in channels:
        return math.nan
    return float(sum(channels) / len(channels))


def _joined(parts: list[RunFrames]) -> RunFrames:
    """Return the tables one below the other; a stage that one of them lacks is NaN there."""
    stages = sorted({stage for part in parts for stage in part.milliseconds})[:_MOST_STAGES]
    return RunFrames(
        indices=np.concatenate([part.indices for part in parts]),
        timestamps_ns=np.concatenate([part.timestamps_ns for part in parts]),
        names=tuple(chain.from_iterable(part.names for part in parts)),
        verdicts=np.concatenate([part.verdicts for part in parts]),
        reasons=tuple(chain.from_iterable(part.reasons for part in parts)),
        translations=np.concatenate([part.translations for part in parts]),
        quaternions=np.concatenate([part.quaternions for part in parts]),
        covariances=np.concatenate([part.covariances for part in parts]),
        measures={name: np.concatenate([part.measures[name] for part in parts]) for name in _MEASURES},
        exposure={name: np.concatenate([part.exposure[name] for part in parts]) for name in ("gain", "bias")},
        milliseconds={
            stage: np.concatenate([part.milliseconds.get(stage, np.full(len(part), np.nan)) for part in parts])
            for stage in stages
        },
    )


def _load_summary(path: Path) -> Mapping[str, Any] | None:
    """Return the summary, or None where it cannot be understood: nothing that is computed rests on it."""
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
