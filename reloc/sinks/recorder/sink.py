"""The sink that records what it sees."""

from __future__ import annotations

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.trajectory import format_tum_line
from reloc.sinks.recorder.recorder import Recorder
from reloc.sources.source import SourceInfo


class RecorderSink:
    """Hands raw frames and believed poses to a recorder. Raises `OutputError` once the recording has stopped."""

    def __init__(self, recorder: Recorder, *, lens: LensCamera | None = None) -> None:
        """Record with `recorder`; `lens` is the calibration in use where the source brings none."""
        self._recorder, self._lens = recorder, lens

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Make the folder and begin; raises `OutputError` where that fails."""
        self._recorder.open(info, self._lens or info.camera)

    def write(self, estimate: Estimate) -> None:
        """Leave the frame for the recorder's thread."""
        if self._recorder.failure is not None:
            raise self._recorder.failure
        believed = estimate.verdict.is_believed and estimate.camera_from_world.is_finite
        raw = estimate.frame.raw
        self._recorder.put(raw, format_tum_line(raw.timestamp_ns, estimate.world_from_camera) if believed else None)

    def close(self) -> None:
        """Finish the recording."""
        self._recorder.close()
