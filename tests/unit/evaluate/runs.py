"""Folders of runs, written by the sinks as `reloc track` does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reloc.estimate import Estimate
from reloc.sinks.frames_jsonl import FramesSink
from reloc.sinks.sink import FanOut
from reloc.sinks.summary import SummarySink
from reloc.sinks.trajectory_file import TrajectorySink
from reloc.sources.source import SourceInfo
from tests.unit.sinks.estimates import CAMERA, INFO


def write_run(
    folder: Path, estimates: Iterable[Estimate], *, inputs: Mapping[str, Any] | None = None, info: SourceInfo = INFO
) -> Path:
    summary = SummarySink(folder / "summary.json", inputs=inputs)
    sinks = FanOut([TrajectorySink(folder / "trajectory.txt"), FramesSink(folder / "frames.jsonl"), summary])
    sinks.open(info, CAMERA)
    for estimate in estimates:
        sinks.write(estimate)
    sinks.close()
    assert sinks.failed == ()
    return folder
