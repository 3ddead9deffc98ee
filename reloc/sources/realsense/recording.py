"""Recordings of librealsense: `.db3`, and `.bag` of older versions."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from reloc.errors import SourceError
from reloc.sources.realsense.library import unusable

if TYPE_CHECKING:
    import pyrealsense2 as rs

# Every topic of librealsense begins so; those of other ROS recordings do not.
_TOPIC = "/device_0/"
_BAG_MAGIC = b"#ROSBAG V2.0\n"
_MOST_INDEX_BYTES = 1 << 20  # connections come first in a bag's index; a RealSense has a hundred of a hundred bytes


def is_realsense_recording(path: Path) -> bool:
    """Tell whether a `.db3` or `.bag` file was recorded by librealsense, rather than by ROS."""
    try:
        with path.open("rb") as file:
            if file.read(len(_BAG_MAGIC)) == _BAG_MAGIC:
                return _TOPIC.encode() in _bag_index(path)
        return _sqlite_has_topic(path)
    except OSError:
        return False


def load_recording(path: Path) -> rs.device:
    """Return the device that a recording plays. Raises `SourceError` where librealsense cannot read it."""
    if not path.is_file():
        raise SourceError("A RealSense recording was not found", path)
    try:
        import pyrealsense2 as rs
    except ImportError as error:
        raise SourceError(unusable(error), path) from error
    try:
        return rs.context().load_device(str(path))
    except RuntimeError as error:
        hint = "Was its recording interrupted? librealsense writes what a reader needs when it closes the file"
        raise SourceError(f"A RealSense recording could not be opened: {error}. {hint}", path) from error


def _bag_index(path: Path) -> bytes:
    """Return the beginning of a bag's index: its header states where that lies (ROS bag format 2.0)."""
    with path.open("rb") as file:
        header = file.read(4096)
        field = header.find(b"index_pos=")
        if not 0 <= field <= len(header) - 18:
            return b""
        file.seek(struct.unpack("<Q", header[field + 10 : field + 18])[0] & 0x7FFF_FFFF_FFFF_FFFF)
        return file.read(_MOST_INDEX_BYTES)


def _sqlite_has_topic(path: Path) -> bool:
    connection = sqlite3.connect(f"file:{path.resolve().as_posix().replace('?', '%3f').replace('#', '%23')}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT count(*) FROM topics WHERE name LIKE ?", (_TOPIC + "%",)).fetchone()
        return bool(row[0])
    except sqlite3.Error:
        return False
    finally:
        connection.close()
