"""What a user may ask of a camera; each kind of camera takes what it understands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from reloc.errors import SourceError


class Transport(StrEnum):
    """How an RTSP stream travels."""

    TCP = "tcp"
    """Every packet arrives, late if need be."""
    UDP = "udp"
    """Packets may get lost, which damages images; the rest is never late."""


@dataclass(frozen=True)
class CameraOptions:
    """Wishes; None leaves the choice to the camera. Raises `SourceError` for numbers that nothing can have."""

    width: int | None = None
    """Pixels; a camera that has no such mode is refused (RealSense) or gives its nearest and says so (webcam)."""
    height: int | None = None
    fps: float | None = None
    """Frames a second."""
    exposure_us: float | None = None
    """Exposure time in microseconds; None lets the camera choose."""
    depth: bool = False
    """Whether to ask for depth, aligned to the image, from a camera that measures it."""
    global_time: bool = True
    """Whether a RealSense translates its timestamps to the host's clock, so that ages of frames can be told."""
    fourcc: str | None = "MJPG"
    """The pixel format that a webcam sends. Raw formats fill a USB 2 cable with a few frames a second."""
    transport: Transport = Transport.TCP
    """How an RTSP stream travels."""
    timeout_s: float | None = None
    """How long to wait for the next frame before the camera counts as gone; None is the usual for its kind."""
    rate_hz: float | None = None
    """Frames a second at which a recording is played; None is the pace at which it was recorded."""

    def __post_init__(self) -> None:
        for name in ("width", "height", "fps", "exposure_us", "timeout_s", "rate_hz"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise SourceError(f"A camera's {name} must be a positive number, not {value}")
        if (self.width is None) != (self.height is None):
            raise SourceError("A camera's size needs both a width and a height")
        if self.fourcc is not None and not (len(self.fourcc) == 4 and self.fourcc.isascii()):
            raise SourceError(f"A pixel format has four letters, such as MJPG or YUYV, not “{self.fourcc}”")

    def patience_s(self, usual_s: float) -> float:
        """Return how long to wait for a frame: as asked, else `usual_s`, and never less than three frames take."""
        if self.timeout_s is not None:
            return self.timeout_s
        return usual_s if self.fps is None else max(usual_s, 3.0 / self.fps)
