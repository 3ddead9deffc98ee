"""The sink that writes all that is known of each frame, one JSON object a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reloc.estimate import Estimate
from reloc.files import json_line
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.sinks.lines import LineFile
from reloc.sources.source import SourceInfo


class FramesSink:
    """Writes every frame, whatever its verdict: the file to look into when something went wrong."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Begin the file, in place of one that is there; raises `OutputError` where that fails."""
        self._file.open()

    def write(self, estimate: Estimate) -> None:
        """Append a line."""
        self._file.write(json_line(frame_record(estimate)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def frame_record(estimate: Estimate) -> dict[str, Any]:
    """Return what is known of a frame by the names that the file has; `evaluate/run.py` reads it back.

    `covariance` (6, 6) is that of `world_from_camera`, for exp(δ) @ world_from_camera with δ = (translation, rotation) along
    the axes of the map. What a filter or solver could not say is NaN here and null in the file.
    """
    frame, pose = estimate.frame, estimate.world_from_camera
    return {
        "index": frame.index,
        "name": frame.raw.name,
        "timestamp_ns": frame.timestamp_ns,
        "timestamp": frame.timestamp_s,
        "verdict": estimate.verdict.value,
        "reason": estimate.reason,
        "weaknesses": list(estimate.weaknesses),
        "score": estimate.score,
        "world_from_camera": {"translation": pose.translation, "quaternion_xyzw": xyzw_from_wxyz(pose.wxyz)},
        "covariance": estimate.world_covariance,
        "exposure": {"gain": estimate.exposure.gain, "bias": estimate.exposure.bias},
        "outcome": estimate.outcome.value,
        "iterations": estimate.iterations,
        **vars(estimate.quality),
        "keyframe_renewed": estimate.keyframe_renewed,
        "milliseconds": estimate.milliseconds,
    }
