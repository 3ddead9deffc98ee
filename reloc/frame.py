"""A frame, as it comes from a source and as the alignment wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera

NANOSECONDS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, eq=False)
class RawFrame:
    """An image as the camera delivered it, lens distortion and all."""

    index: int
    """Counts the frames of the source from 0; gaps are frames that were dropped."""
    timestamp_ns: int
    """Time of exposure on the source's own clock."""
    image: NDArray[np.uint8] | NDArray[np.uint16]
    """(H, W) grey or (H, W, 3) RGB, 8 or 16 bits."""
    name: str = ""
    """What a person would call it, such as the file name."""
    ignore: NDArray[np.bool_] | None = None
    """(H, W), true where the image must not be used (the robot's own arm), or None."""
    depth: NDArray[np.float32] | None = None
    """(H, W) metres along the optical axis in the pixels of `image`, 0 where nothing was measured; None from most cameras."""
    host_ns: int | None = None
    """When it was exposed on this computer's `time.monotonic_ns`, as well as that can be told: where the camera's clock says
    nothing about now, when it arrived; in a replay, when it was due. None where nobody needs to know."""
    others: Mapping[str, RawFrame] = field(default_factory=dict)
    """What the other cameras of a rig took at the same instant, by their names; one that dropped out is not there."""


@dataclass(frozen=True, eq=False)
class Frame:
    """An undistorted image of an ideal pinhole camera, at the size that the alignment works at."""

    index: int
    timestamp_ns: int
    camera: PinholeCamera
    """The camera of `image`."""
    image: NDArray[np.float32]
    """(H, W) luminance or (H, W, 3) RGB in 0..1."""
    valid: NDArray[np.bool_]
    """(H, W), false where undistortion found no pixel or the user's mask says to ignore it."""
    raw: RawFrame
    rectify: Callable[[], tuple[PinholeCamera, NDArray[np.uint8]]]
    """Makes the full-size undistorted RGB image (H, W, 3) and its camera, for people to look at; costs milliseconds."""

    @property
    def timestamp_s(self) -> float:
        """The time of exposure in seconds on the source's clock."""
        return self.timestamp_ns / NANOSECONDS_PER_SECOND
