"""What a run left behind: its trajectory, and what was known of each frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reloc.errors import TrajectoryError
from reloc.evaluate.frames import RunFrames
from reloc.geometry.trajectory import Trajectory, load_tum

# The summary of a run takes a few kB; foreign files must not make us take memory for them.
_LARGEST_SUMMARY_BYTES = 1 << 18


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
    # Late: its parser takes 30 ms to load, which whoever only reads a TUM file need not wait for.
    from reloc.evaluate.frames_file import load_frames

    frames = load_frames(path / "frames.jsonl") if (path / "frames.jsonl").is_file() else None
    summary = _load_summary(path / "summary.json") if (path / "summary.json").is_file() else None
    return Run(_name(path, summary), load_tum(path / "trajectory.txt"), frames, summary, path)


def _name(folder: Path, summary: Mapping[str, Any] | None) -> str:
    """Return what to call a run: its folder, and for a second pass, which lies in that of the first, both."""
    path = folder.resolve()
    return f"{path.parent.name}/{path.name}" if summary is not None and "second_pass" in summary else path.name


def _load_summary(path: Path) -> Mapping[str, Any] | None:
    """Return the summary, or None where it cannot be understood: nothing that is computed rests on it."""
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_LARGEST_SUMMARY_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
