"""Joins the pieces of a long sequence into one run, by the covariances where two of them say where the camera was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.batch.folder import LOG, LOST_EXIT_CODE, RECORD, Outcome, new_attempt, publish
from reloc.batch.jobs import Job
from reloc.batch.joined_summary import JoinedSummary
from reloc.build import FRAMES, SUMMARY, TRAJECTORY
from reloc.errors import TrajectoryError
from reloc.estimate import Verdict
from reloc.files import json_document, json_line, write_atomically
from reloc.geometry.se3 import SE3, rotation_angle, wxyz_from_xyzw, xyzw_from_wxyz
from reloc.geometry.trajectory import TUM_HEADER, format_tum_line
from reloc.sinks.lines import LineFile

Array = NDArray[np.float64]
Record = dict[str, Any]

# χ² with 6 degrees of freedom stays below this in 999 of 1000 cases: two pieces that are further apart do not mean one place.
_AGREE_BELOW = 22.46
# A frame takes 2 kB; a longer line is no frame.
_LONGEST_LINE = 1 << 18
_REWRITTEN = (FRAMES, TRAJECTORY, SUMMARY, RECORD, LOG)


@dataclass(frozen=True, eq=False)
class Known:
    """A pose that is believed, with its covariance (6, 6) for exp(δ) @ world_from_camera."""

    world_from_camera: SE3
    covariance: Array


@dataclass(frozen=True)
class Seam:
    """How well two pieces agree on the frames that both have."""

    first: str
    """Name of the first of these frames."""
    frames: int
    compared: int
    """Frames whose pose both believe to know."""
    worst_m: float
    worst_deg: float
    worst_chi2: float
    """Squared distance of the two poses in units of both covariances, 6 degrees of freedom."""

    @property
    def agrees(self) -> bool:
        """Whether both pieces mean the same place, as far as they can be compared."""
        return self.worst_chi2 < _AGREE_BELOW


def fuse(a: Known, b: Known) -> tuple[Known, float]:
    """Return the pose between two of one frame that is weighted by their covariances, and χ² of their distance.

    Both looked at one image and one map, so that their errors are anything but independent: the covariance is that of covariance
    intersection with equal weights (Julier and Uhlmann 1997), which holds however they depend on each other, and is that of one
    of them where both are the same.
    """
    offset = (b.world_from_camera @ a.world_from_camera.inverse()).log()
    total = a.covariance + b.covariance
    pose = (SE3.exp(a.covariance @ np.linalg.solve(total, offset)) @ a.world_from_camera).normalized()
    covariance = 2.0 * a.covariance @ np.linalg.solve(total, b.covariance)
    return Known(pose, 0.5 * (covariance + covariance.T)), float(offset @ np.linalg.solve(total, offset))


def join_pieces(job: Job, folders: Sequence[Path], wall_s: float) -> Outcome:
    """Make one run of those in `folders`, whose frames follow one another and overlap, and publish it as the results of `job`.

    Raises `TrajectoryError` for runs that are not whole or do not fit.
    """
    attempt = new_attempt(job)
    seams: list[Seam] = []
    summary = JoinedSummary()
    frames, trajectory = LineFile(attempt / FRAMES), LineFile(attempt / TRAJECTORY)
    try:
        frames.open()
        trajectory.open()
        trajectory.write(TUM_HEADER)
        for record in _joined([folder / FRAMES for folder in folders], seams):
            frames.write(json_line(record))
            summary.add(record)
            known = _known(record)
            if known is not None:
                trajectory.write(format_tum_line(record["timestamp_ns"], known.world_from_camera))
    finally:
        frames.close()
        trajectory.close()
    told = {**_told_of(seams), "pieces": len(folders), "wall_s": round(wall_s, 3)}
    write_atomically(attempt / SUMMARY, json_document({**_summary(folders[0] / SUMMARY), **summary.figures(), **told}))
    for path in folders[0].iterdir():
        if path.is_file() and path.name not in _REWRITTEN:
            shutil.copy(path, attempt / path.name)
    apart = [seam.first for seam in seams if not seam.agrees]
    doubt = f"pieces disagree from {', '.join(apart[:3])} on" if apart else ""
    return publish(job, attempt, LOST_EXIT_CODE if summary.is_lost else 0, doubt, wall_s)


def _told_of(seams: Sequence[Seam]) -> dict[str, Any]:
    return {"seams": [{**asdict(seam), "agrees": seam.agrees} for seam in seams]}


def _joined(files: Sequence[Path], seams: list[Seam]) -> Iterator[Record]:
    """Yield the frames of all pieces once, in order of time, and add what is found where two of them overlap to `seams`."""
    starts = [_first_time(path) for path in files]
    held: dict[int, Record] = {}
    for path, ends in zip(files, [*starts[1:], None], strict=True):
        shared, held = held, {}
        pairs = []
        for record in _records(path):
            time = record["timestamp_ns"]
            earlier = shared.pop(time, None)
            if earlier is not None:
                pairs.append((earlier, record))
                record = _chosen(earlier, record)
            if ends is not None and time >= ends:
                held[time] = record
            else:
                yield record
        if shared:
            raise TrajectoryError("the pieces of a sequence do not fit: one lacks frames that the one before it has", path)
        if pairs:
            seams.append(_seam(pairs))


def _chosen(earlier: Record, later: Record) -> Record:
    """Return what is said of a frame that two pieces have: both poses where they agree, else what is trusted more."""
    a, b = _known(earlier), _known(later)
    better = max(earlier, later, key=_trust)
    if a is None or b is None:
        return better
    both, chi2 = fuse(a, b)
    if chi2 >= _AGREE_BELOW:
        return better
    pose = both.world_from_camera
    placed = {"translation": pose.translation, "quaternion_xyzw": xyzw_from_wxyz(pose.wxyz)}
    return {**better, "world_from_camera": placed, "covariance": both.covariance}


def _trust(record: Record) -> tuple[int, float]:
    order = list(Verdict)
    return -order.index(Verdict(record["verdict"])), record.get("score") or 0.0


def _seam(pairs: Sequence[tuple[Record, Record]]) -> Seam:
    known = [(a, b) for earlier, later in pairs if (a := _known(earlier)) is not None and (b := _known(later)) is not None]
    apart = [(a.world_from_camera.translation - b.world_from_camera.translation) for a, b in known]
    angles = [rotation_angle(a.world_from_camera, b.world_from_camera) for a, b in known]
    return Seam(
        first=pairs[0][0]["name"],
        frames=len(pairs),
        compared=len(known),
        worst_m=max((float(np.linalg.norm(offset)) for offset in apart), default=0.0),
        worst_deg=float(np.degrees(max(angles, default=0.0))),
        worst_chi2=max((fuse(a, b)[1] for a, b in known), default=0.0),
    )


def _known(record: Record) -> Known | None:
    """Return the pose of a frame, if it is believed and finite."""
    if not Verdict(record["verdict"]).is_believed:
        return None
    try:
        pose = record["world_from_camera"]
        values = np.array([*pose["translation"], *pose["quaternion_xyzw"]], dtype=np.float64)
        covariance = np.array(record["covariance"], dtype=np.float64)
    except (ValueError, TypeError, KeyError):
        return None
    if values.shape != (7,) or covariance.shape != (6, 6) or not (np.isfinite(values).all() and np.isfinite(covariance).all()):
        return None
    return Known(SE3.from_quaternion(wxyz_from_xyzw(values[3:]), values[:3]), covariance)


def _first_time(path: Path) -> int:
    first = next(_records(path), None)
    if first is None:
        raise TrajectoryError("a piece of a sequence holds no frame", path)
    return int(first["timestamp_ns"])


def _records(path: Path) -> Iterator[Record]:
    """Yield the frames of a run as they stand in its file."""
    try:
        with path.open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                record = json.loads(line)
                yield {**record, "timestamp_ns": int(record["timestamp_ns"]), "verdict": Verdict(record["verdict"]).value}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise TrajectoryError(f"the frames of a piece cannot be read ({error}); pieces need output.frames=true", path) from error


def _summary(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return dict(found) if isinstance(found, dict) else {}
