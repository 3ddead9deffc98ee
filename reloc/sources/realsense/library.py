"""What to do where librealsense cannot be loaded."""

from __future__ import annotations


def unusable(error: ImportError) -> str:
    """Return in words what is missing: the package, or a system library that its wheel does not bring."""
    if isinstance(error, ModuleNotFoundError):
        return "RealSense cameras and recordings need the package pyrealsense2: pip install pyrealsense2"
    hint = ": apt install libusb-1.0-0" if "libusb" in str(error) else ""
    return f"pyrealsense2 is installed and cannot be loaded, since the system lacks a library{hint} ({error})"
