"""TUM: a text file with `timestamp tx ty tz qx qy qz qw` a line, world_from_camera, seconds."""

from __future__ import annotations

from reloc.export.selection import ExportedPoses
from reloc.geometry.trajectory import format_tum


def tum_file(poses: ExportedPoses) -> str:
    """Return the text of the file."""
    return format_tum(poses.trajectory)
