"""Finding RealSense cameras on this computer, and waking up one that has stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reloc.errors import SourceError
from reloc.sources.realsense.library import unusable

if TYPE_CHECKING:
    import pyrealsense2 as rs

# After a reset the camera leaves the bus and comes back: 2 to 6 seconds, and more behind a hub.
_RESET_S = 15.0
_LEAVES_S = 2.0
_POLL_S = 0.25

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RealSenseDevice:
    """What a RealSense says about itself; empty where it says nothing."""

    name: str
    serial: str
    firmware: str
    usb: str
    """The USB version of the connection, such as 3.2. With 2.1 the fast modes are missing."""


def list_realsense() -> list[RealSenseDevice]:
    """Return the cameras that are plugged in. Raises `SourceError` where the library is missing."""
    return [_described(device) for device in _query()]


def find_device(serial: str | None) -> rs.device:
    """Return the camera with a serial number, or the only one.

    Raises `SourceError` that lists the cameras that there are, and what to check if there is none.
    """
    found = _query()
    if not found:
        raise SourceError(
            "No RealSense was found. Check the cable and the plug (USB 3), that no other program uses the camera, and on Linux "
            "that librealsense's udev rules are installed; `reloc cameras` lists what is plugged in"
        )
    if serial is None:
        if len(found) > 1:
            raise SourceError(f"Several RealSense cameras were found; name one as realsense:SERIAL. Found: {_listed(found)}")
        return found[0]
    chosen = [device for device in found if _described(device).serial == serial]
    if not chosen:
        raise SourceError(f"No RealSense with the serial number {serial} was found. Found: {_listed(found)}")
    return chosen[0]


def restarted(
    find: Callable[[], rs.device],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> rs.device:
    """Reset the camera that `find` returns and wait for it to come back. Raises `SourceError` if it does not."""
    try:
        find().hardware_reset()
    except RuntimeError as error:
        _log.warning("A RealSense could not be reset: %s", error)
    begun_s = clock()
    while True:
        sleep(_POLL_S)
        waited_s = clock() - begun_s
        try:
            device = find()
        except SourceError:
            if waited_s > _RESET_S:
                raise
            continue
        if waited_s > _LEAVES_S:  # before that it may be the handle of the camera that is about to leave
            return device


def _query() -> list[rs.device]:
    try:
        import pyrealsense2 as rs
    except ImportError as error:
        raise SourceError(unusable(error)) from error
    try:
        return list(rs.context().query_devices())
    except RuntimeError as error:
        raise SourceError(f"RealSense cameras could not be listed: {error}") from error


def _described(device: rs.device) -> RealSenseDevice:
    import pyrealsense2 as rs

    def said(key: rs.camera_info) -> str:
        return str(device.get_info(key)) if device.supports(key) else ""

    info = rs.camera_info
    return RealSenseDevice(said(info.name), said(info.serial_number), said(info.firmware_version), said(info.usb_type_descriptor))


def _listed(found: list[rs.device]) -> str:
    return ", ".join(f"{one.name} {one.serial}" for one in map(_described, found))
