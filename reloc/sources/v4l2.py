"""Video devices of Linux: what is plugged in, and what it is called."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SYSFS = Path("/sys/class/video4linux")
# linux/videodev2.h: struct v4l2_capability, VIDIOC_QUERYCAP and the flags in it.
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_QUERYCAP = 0x8068_5600
_VIDEO_CAPTURE, _VIDEO_CAPTURE_MPLANE, _DEVICE_CAPS = 0x1, 0x1000, 0x8000_0000


@dataclass(frozen=True)
class VideoDevice:
    """A node /dev/videoN. One camera has several, of which some carry no images but data about them."""

    path: str
    name: str
    captures: bool | None
    """Whether it gives images; None where the device could not be asked, for want of rights or because it is in use."""

    @property
    def spec(self) -> str:
        """The name to open it by, such as `webcam:0`."""
        return f"webcam:{self.path.removeprefix('/dev/video')}"


def gives_images(path: str) -> bool | None:
    """Ask a device whether it captures video; None where it cannot be asked."""
    try:
        import fcntl
    except ImportError:  # not on Windows, which has no such devices either
        return None
    answer = bytearray(_CAPABILITY.size)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(handle, _QUERYCAP, answer)
        finally:
            os.close(handle)
    except OSError:
        return None
    *_, capabilities, device_capabilities = _CAPABILITY.unpack(answer)
    relevant = device_capabilities if capabilities & _DEVICE_CAPS else capabilities
    return bool(relevant & (_VIDEO_CAPTURE | _VIDEO_CAPTURE_MPLANE))


def list_video_devices(sysfs: Path = _SYSFS, ask: Callable[[str], bool | None] = gives_images) -> list[VideoDevice]:
    """Return the video devices in order of their numbers, without those that say that they give no images."""
    try:
        nodes = sorted((node for node in sysfs.iterdir() if node.name[5:].isdecimal()), key=lambda node: int(node.name[5:]))
    except OSError:  # no Linux, or no video driver
        return []
    devices = [VideoDevice(f"/dev/{node.name}", _read(node / "name"), ask(f"/dev/{node.name}")) for node in nodes]
    return [device for device in devices if device.captures is not False]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
