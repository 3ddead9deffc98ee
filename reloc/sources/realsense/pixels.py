"""From a RealSense frame to pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.sources.decode import Image

if TYPE_CHECKING:
    from pyrealsense2 import video_frame

Raw = NDArray[Any]


def _converted(code: int, raw: Raw) -> Raw:
    return np.asarray(cv2.cvtColor(raw, code))


def _packed(code: int, raw: Raw) -> Raw:
    """Unpack two bytes a pixel; the library gives them as one 16-bit number."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(raw).view(np.uint8).reshape(*raw.shape[:2], 2), code))


# Every conversion makes a copy: the library takes its memory back with the frame.
_CONVERSIONS: Mapping[str, Callable[[Raw], Raw]] = {
    "rgb8": np.array,
    "bgr8": partial(_converted, cv2.COLOR_BGR2RGB),
    "rgba8": partial(_converted, cv2.COLOR_RGBA2RGB),
    "bgra8": partial(_converted, cv2.COLOR_BGRA2RGB),
    "yuyv": partial(_packed, cv2.COLOR_YUV2RGB_YUYV),
    "uyvy": partial(_packed, cv2.COLOR_YUV2RGB_UYVY),
    "y8": np.array,
    "y16": np.array,
}

FORMATS: tuple[str, ...] = tuple(_CONVERSIONS)
"""The names of the pixel formats that can be read, the best first."""


def pixels_of(frame: video_frame) -> Image:
    """Return the pixels of a frame as an array of its own: (H, W, 3) RGB or (H, W) grey, as the format says."""
    name = frame.get_profile().format().name
    if name not in _CONVERSIONS:
        raise SourceError(f"A RealSense stream has the pixel format {name}; one of {', '.join(FORMATS)} was expected")
    return _CONVERSIONS[name](np.asanyarray(frame.get_data()))
