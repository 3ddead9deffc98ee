"""RealSense cameras through pyrealsense2, and recordings that librealsense made."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reloc.sources.options import CameraOptions
from reloc.sources.realsense.apart import ApartRecording
from reloc.sources.realsense.devices import RealSenseDevice, find_device, list_realsense, restarted
from reloc.sources.realsense.recording import is_realsense_recording
from reloc.sources.realsense.source import RealSenseSource

__all__ = [
    "RealSenseDevice",
    "RealSenseSource",
    "is_realsense_recording",
    "list_realsense",
    "open_realsense",
    "open_realsense_recording",
]


def open_realsense(serial: str | None = None, options: CameraOptions | None = None) -> RealSenseSource:
    """Return the live camera with a serial number, or the only one that is plugged in.

    Raises `SourceError` if it is not there or has no such mode, `CalibrationError` if its lens is of no known kind.
    """
    find = partial(find_device, serial)
    return RealSenseSource(find, options or CameraOptions(), partial(restarted, find))


def open_realsense_recording(path: Path, *, depth: bool = False) -> ApartRecording:
    """Return a `.db3` or `.bag` file that librealsense recorded, read without losing a frame, by a process of its own.

    Raises `SourceError` if it cannot be read, `CalibrationError` if its lens is of no known kind.
    """
    return ApartRecording(path, depth=depth)
