"""What the second pass knows of a frame from the first."""

from __future__ import annotations

from dataclasses import dataclass

from reloc.estimate import Measurement


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame of the recording, and what its image says of the pose."""

    timestamp_ns: int
    measurement: Measurement | None
    """None where it could not be aligned."""
