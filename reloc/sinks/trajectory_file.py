"""The sink that writes a trajectory as a TUM file while it grows."""

from __future__ import annotations

from pathlib import Path

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.trajectory import TUM_HEADER, format_tum_line
from reloc.sinks.lines import LineFile
from reloc.sources.source import SourceInfo


class TrajectorySink:
    """Writes the pose of every frame that is TRACKED or LIMITED to a TUM file; one that is coasting or lost has no line.

    What reads a bare trajectory cannot see a verdict, so it only gets poses that are believed. `FramesSink` writes the others.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Begin the file, in place of one that is there; raises `OutputError` where that fails."""
        self._file.open()
        self._file.write(TUM_HEADER)

    def write(self, estimate: Estimate) -> None:
        """Append a line if the pose is believed."""
        # A pose that is not finite would make the whole file unreadable.
        if estimate.verdict.is_believed and estimate.camera_from_world.is_finite:
            self._file.write(format_tum_line(estimate.frame.timestamp_ns, estimate.world_from_camera))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
