"""The protocol of a sink, and the fan-out that keeps one broken sink from stopping the others."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.sources.source import SourceInfo


@runtime_checkable
class Sink(Protocol):
    """Receives every estimate in order. `open` may raise `RelocError`; a failure later concerns this sink alone."""

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Make ready. `camera` is the full-size undistorted camera."""
        ...

    def write(self, estimate: Estimate) -> None:
        """Take one estimate. What has been written must survive a crash of the process right after."""
        ...

    def close(self) -> None:
        """Finish the files. Called once, also after a failure."""
        ...
