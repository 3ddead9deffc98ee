"""What frames are kept in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from reloc.frame import RawFrame
from reloc.sinks.recorder.images import ImageFiles
from reloc.sinks.recorder.video import H264, LOSSLESS, VideoSegments


class RecordFormat(StrEnum):
    """How the frames of a recording are kept."""

    PNG = "png"
    """An image file a frame, bit by bit."""
    JPG = "jpg"
    """An image file a frame, small, not quite the same; 8 bits only."""
    FFV1 = "ffv1"
    """Video, bit by bit, about half the size of PNG."""
    H264 = "h264"
    """Video, very small, not quite the same; 8 bits only."""

    @property
    def is_exact(self) -> bool:
        """Whether what is read back equals what was written, bit by bit."""
        return self in (RecordFormat.PNG, RecordFormat.FFV1)


class FrameFiles(Protocol):
    """Writes frames into a recording. Both methods return the lines of timestamps.txt of frames that are now safe on disk."""

    def write(self, raw: RawFrame) -> list[str]:
        """Write a frame; raises `OutputError` where the disk does not take it or the format cannot hold it."""
        ...

    def close(self) -> list[str]:
        """Write what was held back and close the files."""
        ...


def frame_files(form: RecordFormat, folder: Path) -> FrameFiles:
    """Return what writes frames of this format into a recording's folder."""
    match form:
        case RecordFormat.PNG | RecordFormat.JPG:
            return ImageFiles(folder, f".{form.value}")
        case RecordFormat.FFV1:
            return VideoSegments(folder, LOSSLESS)
        case RecordFormat.H264:
            return VideoSegments(folder, H264)
