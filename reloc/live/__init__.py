"""A live camera kept alive: read by a thread of its own, newest frame first, watched, and opened anew for ever."""

from reloc.live.camera import LiveCamera
from reloc.live.config import LiveConfig
from reloc.live.watchdog import CameraState, CameraStatus

__all__ = ["CameraState", "CameraStatus", "LiveCamera", "LiveConfig"]
