"""Folders of runs, written by the sinks as `reloc track` does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reloc.estimate import Estimate
from reloc.sinks.frames_jsonl import FramesSink
from reloc.sinks.sink import FanOut
from reloc.sinks.summary import SummarySink
from reloc.sinks.trajectory_file import TrajectorySink
from tests.unit.sinks.estimates import CAMERA, INFO


def write_run(folder: Path, estimates: Iterable[Estimate]) -> Path:
    sinks = FanOut(
        [TrajectorySink(folder / "trajectory.txt"), FramesSink(folder / "frames.jsonl"), SummarySink(folder / "summary.json")]
    )
    sinks.open(INFO, CAMERA)
    for estimate in estimates:
        sinks.write(estimate)
    sinks.close()
    assert sinks.failed == ()
    return folder
