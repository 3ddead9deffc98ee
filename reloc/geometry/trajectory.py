"""Where a camera was over time, and the TUM text files that hold it.

A TUM file has one pose a line, `timestamp tx ty tz qx qy qz qw`: seconds, metres, the real part of the quaternion last. Times
are kept as integers of nanoseconds from end to end, since a float64 of seconds since 1970 resolves no better than 200 ns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reloc.errors import TrajectoryError
from reloc.files import write_atomically
from reloc.geometry import batch
from reloc.geometry.se3 import SE3, wxyz_from_xyzw, xyzw_from_wxyz

Array = NDArray[np.float64]
Times = NDArray[np.int64]

TUM_HEADER = "# timestamp tx ty tz qx qy qz qw (world_from_camera: metres, x right y down z forward)"

_NANOSECONDS = 1_000_000_000
# Further from 1 than any rounding to two decimals would bring it: not a rotation, or not in this order.
_QUATERNION_NORM_SLACK = 0.01
# Year 2255, near the end of int64 in nanoseconds; anything beyond is no count of seconds.
_LARGEST_TIME_S = 9e9
# A longer token or line cannot be a pose; foreign files must not make us take memory for them.
_LONGEST_TOKEN, _LONGEST_LINE = 64, 4096
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses world_from_camera in order of time. Raises `TrajectoryError` for arrays that are not that."""

    timestamps_ns: Times
    """(N,), strictly increasing."""
    translations: Array
    """(N, 3) positions of the camera in the world, in metres."""
    quaternions: Array
    """(N, 4) unit quaternions (w, x, y, z) of world_from_camera."""

    def __post_init__(self) -> None:
        n = len(self.timestamps_ns)
        if self.timestamps_ns.shape != (n,) or self.translations.shape != (n, 3) or self.quaternions.shape != (n, 4):
            found = f"{self.timestamps_ns.shape}, {self.translations.shape} and {self.quaternions.shape}"
            raise TrajectoryError(f"a trajectory needs arrays (N,), (N, 3) and (N, 4); found {found}")
        if (np.diff(self.timestamps_ns) <= 0).any():
            raise TrajectoryError("the timestamps of a trajectory must increase from pose to pose")
        if not (np.isfinite(self.translations).all() and np.isfinite(self.quaternions).all()):
            raise TrajectoryError("a trajectory must not hold NaN or infinite poses")

    @classmethod
    def from_poses(cls, timestamps_ns: Iterable[int], poses: Iterable[SE3]) -> Trajectory:
        """Build from times in increasing order and as many poses world_from_camera."""
        listed = list(poses)
        translations = np.array([pose.translation for pose in listed], dtype=np.float64).reshape(-1, 3)
        quaternions = np.array([pose.wxyz for pose in listed], dtype=np.float64).reshape(-1, 4)
        return cls(np.array(list(timestamps_ns), dtype=np.int64), translations, quaternions)

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    def pose(self, index: int) -> SE3:
        """Return world_from_camera of the pose at `index`."""
        return SE3.from_quaternion(self.quaternions[index], self.translations[index])

    def nearest(self, timestamp_ns: int) -> int:
        """Return the index of the pose nearest in time, the earlier of two at the same distance."""
        if len(self) == 0:
            raise TrajectoryError("the trajectory holds no pose, so there is none nearest in time")
        after = int(np.searchsorted(self.timestamps_ns, timestamp_ns))
        candidates = [index for index in (after - 1, after) if 0 <= index < len(self)]
        return min(candidates, key=lambda index: abs(int(self.timestamps_ns[index]) - timestamp_ns))

    def selected(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Trajectory:
        """Return the poses of a mask (N,) or of increasing indices."""
        return Trajectory(self.timestamps_ns[which], self.translations[which], self.quaternions[which])

    def interpolated(self, timestamps_ns: ArrayLike) -> Trajectory:
        """Return the poses at other, increasing times, along the geodesics of SE(3) that join the neighbours in time.

        Raises `TrajectoryError` for times before the first pose or after the last.
        """
        times = np.asarray(timestamps_ns, dtype=np.int64).reshape(-1)
        if len(times) == 0:
            return self.selected(np.zeros(0, dtype=np.int64))
        if len(self) == 0 or times.min() < self.timestamps_ns[0] or times.max() > self.timestamps_ns[-1]:
            raise TrajectoryError("a pose can only be interpolated between the first and the last of the trajectory")
        b = np.searchsorted(self.timestamps_ns, times)
        a = np.maximum(b - 1, 0)
        span = np.maximum(self.timestamps_ns[b] - self.timestamps_ns[a], 1)
        fraction = ((times - self.timestamps_ns[a]) / span)[:, None]
        inverse = batch.conjugate(self.quaternions[a])
        step = batch.motion_logs(
            batch.multiply(inverse, self.quaternions[b]), batch.rotate(inverse, self.translations[b] - self.translations[a])
        )
        turns, shifts = batch.motion_exps(fraction * step)
        translations = self.translations[a] + batch.rotate(self.quaternions[a], shifts)
        return Trajectory(times, translations, _unit(batch.multiply(self.quaternions[a], turns)))

    def moved(self, target_from_world: SE3, scale: float = 1.0) -> Trajectory:
        """Return target_from_camera: the positions multiplied by `scale`, then everything moved to another frame."""
        turn = target_from_world.wxyz
        translations = scale * batch.rotate(turn, self.translations) + target_from_world.translation
        return Trajectory(self.timestamps_ns, translations, batch.multiply(turn, self.quaternions))


def load_tum(path: str | Path) -> Trajectory:
    """Read a TUM file; comments, blank lines, commas and any order of time are fine, and it may hold no pose at all.

    Raises `TrajectoryError`, with the number of the line, for anything that is not a finite pose with a unit quaternion at a
    time in seconds, and for two different poses at one time.
    """
    path = Path(path)
    parts = [_parse(lines, first, path) for first, lines in text_blocks(path)]
    times, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    again = np.flatnonzero(np.diff(times) == 0)
    different = again[(values[again] != values[again + 1]).any(axis=1)]
    if len(different):
        time = format_seconds(int(times[different[0]]))
        raise TrajectoryError(f"two different poses have the timestamp {time}; leave one of them out", path)
    keep = np.setdiff1d(np.arange(len(times)), again + 1)
    return Trajectory(times[keep], values[keep, :3], _unit(wxyz_from_xyzw(values[keep, 3:])))


def save_tum(path: str | Path, trajectory: Trajectory) -> None:
    """Write a TUM file in one step, times exact to the nanosecond."""
    write_atomically(Path(path), format_tum(trajectory))


def format_tum(trajectory: Trajectory) -> str:
    """Return the text of a TUM file, times exact to the nanosecond."""
    xyzw = xyzw_from_wxyz(trajectory.quaternions)
    rows = zip(trajectory.timestamps_ns.tolist(), np.hstack([trajectory.translations, xyzw]).tolist(), strict=True)
    lines = [TUM_HEADER, *(f"{format_seconds(time)} {_VALUES % tuple(row)}" for time, row in rows)]
    return "\n".join(lines) + "\n"


_VALUES = " ".join(["%.9f"] * 7)


def format_tum_line(timestamp_ns: int, world_from_camera: SE3) -> str:
    """Return one line of a TUM file, without its end."""
    values = (*world_from_camera.translation, *xyzw_from_wxyz(world_from_camera.wxyz))
    return f"{format_seconds(timestamp_ns)} {_VALUES % values}"


def format_seconds(timestamp_ns: int) -> str:
    """Return a time in seconds with nine decimals, exact since it never becomes a float."""
    seconds, rest = divmod(abs(timestamp_ns), _NANOSECONDS)
    return f"{'-' if timestamp_ns < 0 else ''}{seconds}.{rest:09d}"


def parse_seconds(token: str) -> int:
    """Return the nanoseconds of a decimal number of seconds, exact; further decimals are rounded.

    Raises ValueError for what is no finite number and OverflowError for what can only be another unit.
    """
    if len(token) > _LONGEST_TOKEN or "_" in token:
        raise ValueError(token)
    seconds = float(token)
    if not abs(seconds) < _LARGEST_TIME_S:
        raise OverflowError(token) if abs(seconds) < float("inf") else ValueError(token)
    whole, _, decimals = token.partition(".")
    if decimals.isdecimal() and len(decimals) <= 9:
        return int(whole + decimals.ljust(9, "0"))
    return int((Decimal(token) * _NANOSECONDS).to_integral_value())


def _unit(quaternions: Array) -> Array:
    return np.asarray(quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True))


def text_blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, lines) of a text file without holding the whole of it.

    Raises `TrajectoryError` for what cannot be read or is no text.
    """
    try:
        with path.open("rb") as stream:
            first, rest = 1, b""
            while block := stream.read(_BLOCK_BYTES):
                *lines, rest = (rest + block).removeprefix(b"\xef\xbb\xbf").split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    raise TrajectoryError(f"line {first + len(lines)} is too long for a pose: is this a text file?", path)
                yield first, [line.decode() for line in lines]
                first += len(lines)
            yield first, [rest.decode()]
    except UnicodeDecodeError as error:
        raise TrajectoryError("not a text file: expected lines that begin with a timestamp", path) from error
    except OSError as error:
        raise TrajectoryError(f"cannot read the trajectory: {error.strerror or error}", path) from error


def _parse(lines: list[str], first: int, path: Path) -> tuple[Times, Array]:
    """Return times in nanoseconds (N,) and values (N, 7) of the lines that hold a pose."""
    poses = [line for line in lines if line.strip() and line.lstrip()[0] != "#"]
    if not poses:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 7))
    try:
        # Times stay text until they are integers; one character more than allowed shows what would have been cut.
        table = np.loadtxt(
            (line.replace(",", " ") for line in poses), dtype=[("time", f"U{_LONGEST_TOKEN + 1}"), ("pose", "f8", (7,))], ndmin=1
        )
        times = np.array([parse_seconds(token) for token in table["time"].tolist()], dtype=np.int64)
        values = np.ascontiguousarray(table["pose"])
        if not (np.isfinite(values).all() and _are_unit(values[:, 3:]).all()):
            raise ValueError
    except (ValueError, OverflowError, InvalidOperation):
        raise _explain(lines, first, path) from None
    return times, values


def _are_unit(quaternions: Array) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(quaternions, axis=-1)
    return np.asarray(np.abs(norms - 1.0) < _QUATERNION_NORM_SLACK)


def _explain(lines: list[str], first: int, path: Path) -> TrajectoryError:
    """Return the error of the first line that is no pose."""
    for number, line in enumerate(lines, first):
        fields = line.partition("#")[0].replace(",", " ").split()
        fault = _fault(fields) if fields else ""
        if fault:
            return TrajectoryError(f"line {number} is no pose: {fault}", path)
    return TrajectoryError("expected lines `timestamp tx ty tz qx qy qz qw` of plain decimal numbers", path)


def _fault(row: list[str]) -> str:
    """Return what is wrong with the fields of one line, empty where nothing is."""
    if len(row) != 8:
        return f"expected `timestamp tx ty tz qx qy qz qw`, found {len(row)} values"
    try:
        parse_seconds(row[0])
        values = np.array([float(field) for field in row[1:]])
    except OverflowError:
        return f"the timestamp {row[0][:40]} is not in seconds: divide nanoseconds by 1e9 (EuRoC files, in ns, put qw first)"
    except (ValueError, InvalidOperation):
        return f"`{' '.join(row)[:80]}` holds what is not a number; comments begin with #"
    if not np.isfinite(values).all():
        return "it holds NaN or infinity; leave out the frames without a pose"
    if not _are_unit(values[3:]):
        return f"the quaternion has length {math.hypot(*values[3:]):.4g} instead of 1; the order is tx ty tz qx qy qz qw"
    return ""
