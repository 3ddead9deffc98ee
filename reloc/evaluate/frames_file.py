"""Reads frames.jsonl into a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import TrajectoryError
from reloc.evaluate.frame_line import LINE_FAULTS, ExposureOfLine, FrameLine, Numbers, PoseOfLine, decode_line
from reloc.evaluate.frames import RunFrames
from reloc.geometry.se3 import wxyz_from_xyzw

Array = NDArray[np.float64]

# A frame takes 2 kB; a longer line is no frame, and foreign files must not make us take memory for it.
_LONGEST_LINE = 1 << 18
# Far more than there are; a file must not decide how many columns we make.
_MOST_STAGES, _LONGEST_VERDICT = 64, 32
# Few enough that what was parsed is given back while it is still in the processor's cache.
_BATCH = 128
_QUATERNION_NORM_SLACK = 0.01
# What numbers raise that are no poses, covariances or times, though they are numbers.
_FAULTS = (ValueError, OverflowError)
_NO_POSE, _NO_EXPOSURE = PoseOfLine(), ExposureOfLine()
_MEASURES = ("score", "iterations", "inlier_share", "correlation", "coverage", "visible_share", "condition", "residual", "nis")


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


def _batches(path: Path) -> Iterator[tuple[int, list[FrameLine]]]:
    """Yield (number of the first line, parsed lines) so that only a part of the text is in memory."""
    try:
        with path.open("rb") as stream:
            first = 1
            records: list[FrameLine] = []
            while line := stream.readline(_LONGEST_LINE):
                if len(records) == _BATCH:
                    yield first, records
                    first, records = first + len(records), []
                try:
                    records.append(decode_line(line))
                except LINE_FAULTS as error:
                    if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                        break  # the process was killed, or the disk was full, in the middle of the last line
                    raise _not_a_frame(first + len(records), error, path) from error
            yield first, records
    except OSError as error:
        raise TrajectoryError(f"cannot read the frames: {error.strerror or error}", path) from error


def _not_a_frame(number: int, error: Exception, path: Path) -> TrajectoryError:
    return TrajectoryError(f"line {number} is not a frame as `reloc track` writes it: {error!r:.120}", path)


def _checked_columns(first: int, records: list[FrameLine], path: Path) -> RunFrames:
    try:
        return _columns(records)
    except _FAULTS as error:
        if len(records) == 1:
            raise _not_a_frame(first, error, path) from error
    # All at once is ten times as fast; one by one tells which it was, the halves have the fewest to try.
    half = len(records) // 2
    return _joined([_checked_columns(first, records[:half], path), _checked_columns(first + half, records[half:], path)])


def _columns(records: list[FrameLine]) -> RunFrames:
    """Return the table of parsed lines; raises one of `_FAULTS` where their numbers are not what the sink writes."""
    poses = [record.world_from_camera or _NO_POSE for record in records]
    exposures = [record.exposure or _NO_EXPOSURE for record in records]
    milliseconds = [record.milliseconds or {} for record in records]
    stages = sorted(set(chain.from_iterable(milliseconds)))[:_MOST_STAGES]
    return RunFrames(
        indices=np.array([record.index for record in records], dtype=np.int64),
        timestamps_ns=np.array([record.timestamp_ns for record in records], dtype=np.int64),
        names=tuple(record.name for record in records),
        verdicts=np.array([record.verdict[:_LONGEST_VERDICT] for record in records], dtype=np.str_),
        reasons=tuple(record.reason for record in records),
        translations=_numbers([pose.translation or [None] * 3 for pose in poses], (3,)),
        quaternions=_unit(wxyz_from_xyzw(_numbers([pose.quaternion_xyzw or [None] * 4 for pose in poses], (4,)))),
        covariances=_numbers([record.covariance or [[None] * 6] * 6 for record in records], (6, 6)),
        measures={name: _numbers([getattr(record, name) for record in records], ()) for name in _MEASURES},
        exposure={
            "gain": np.array([_mean(exposure.gain) for exposure in exposures], dtype=np.float64),
            "bias": np.array([_mean(exposure.bias) for exposure in exposures], dtype=np.float64),
        },
        milliseconds={stage: _numbers([one.get(stage) for one in milliseconds], ()) for stage in stages},
    )


def _numbers(rows: Sequence[Any], shape: tuple[int, ...]) -> Array:
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


def _mean(channels: Numbers | None) -> float:
    """Return the mean of some channels, NaN where there is none or one is null, as in frames that were not aligned."""
    if not channels:
        return math.nan
    known = [value for value in channels if value is not None]
    return sum(known) / len(known) if len(known) == len(channels) else math.nan


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
