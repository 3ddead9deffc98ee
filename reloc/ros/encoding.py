"""From sensor_msgs/Image to pixels: the encodings of sensor_msgs/image_encodings.hpp that are pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError

Image = NDArray[np.uint8] | NDArray[np.uint16]

# As for image files: no camera has more, and a message can declare what it likes.
_MAX_PIXELS = 89_000_000


class ImageMessage(Protocol):
    """What a sensor_msgs/Image holds, whoever decoded it."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any
    """Bytes, or anything that numpy takes for an array of them."""


@dataclass(frozen=True)
class _Layout:
    dtype: type[np.uint8] | type[np.uint16]
    channels: int
    """Values a pixel."""
    conversion: int | None = None
    """What cv2.cvtColor is asked for, where the pixels are not RGB or grey already."""
    planes: int = 2
    """Rows of data for two rows of the image."""


# OpenCV names a Bayer pattern by its second row and second column, ROS by its first.
_LAYOUTS = {
    "mono8": _Layout(np.uint8, 1),
    "8UC1": _Layout(np.uint8, 1),
    "mono16": _Layout(np.uint16, 1),
    "16UC1": _Layout(np.uint16, 1),
    "rgb8": _Layout(np.uint8, 3),
    "rgb16": _Layout(np.uint16, 3),
    "bgr8": _Layout(np.uint8, 3, cv2.COLOR_BGR2RGB),
    "8UC3": _Layout(np.uint8, 3, cv2.COLOR_BGR2RGB),
    "bgr16": _Layout(np.uint16, 3, cv2.COLOR_BGR2RGB),
    "16UC3": _Layout(np.uint16, 3, cv2.COLOR_BGR2RGB),
    "rgba8": _Layout(np.uint8, 4, cv2.COLOR_RGBA2RGB),
    "rgba16": _Layout(np.uint16, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": _Layout(np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "8UC4": _Layout(np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "bgra16": _Layout(np.uint16, 4, cv2.COLOR_BGRA2RGB),
    "bayer_rggb8": _Layout(np.uint8, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _Layout(np.uint8, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _Layout(np.uint8, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _Layout(np.uint8, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": _Layout(np.uint16, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": _Layout(np.uint16, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": _Layout(np.uint16, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": _Layout(np.uint16, 1, cv2.COLOR_BayerGB2RGB),
    "yuv422": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _Layout(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "nv12": _Layout(np.uint8, 1, cv2.COLOR_YUV2RGB_NV12, planes=3),
    "nv21": _Layout(np.uint8, 1, cv2.COLOR_YUV2RGB_NV21, planes=3),
}


def image_from_message(message: ImageMessage) -> Image:
    """Return the pixels (H, W) grey or (H, W, 3) RGB, 8 or 16 bits as sent, without alpha and without the padding of the rows.

    Raises `SourceError` for an encoding that is no picture, and where the numbers of the message contradict each other.
    """
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise SourceError(
            f"an image message has the encoding {message.encoding[:40]!r}, which cannot be read as a picture; known are "
            f"{', '.join(sorted(_LAYOUTS))}"
        )
    pixels = _unpacked(message, layout)
    if layout.conversion is None:
        return pixels
    try:
        converted: Image = cv2.cvtColor(pixels, layout.conversion)
    except cv2.error as error:
        size = f"{message.width} × {message.height}"
        raise SourceError(f"an image message of {size} in {message.encoding} could not be converted ({error.err})") from error
    return converted


def _unpacked(message: ImageMessage, layout: _Layout) -> Image:
    """Return the values as they were sent, in the byte order of this machine: (rows, W) or (rows, W, channels)."""
    width, rows = message.width, message.height * layout.planes // 2
    itemsize = np.dtype(layout.dtype).itemsize
    row_bytes = width * layout.channels * itemsize
    _check(message, row_bytes, rows)
    data = np.frombuffer(message.data, np.uint8) if isinstance(message.data, bytes) else np.asarray(message.data, np.uint8)
    lines = np.lib.stride_tricks.as_strided(data, (rows, row_bytes), (message.step, 1), writeable=False)
    order: Any = np.dtype(layout.dtype).newbyteorder(">" if message.is_bigendian else "<")
    values = np.ascontiguousarray(lines).view(order)
    shape = (rows, width) if layout.channels == 1 else (rows, width, layout.channels)
    unpacked: Image = values.astype(layout.dtype, copy=False).reshape(shape)
    return unpacked


def _check(message: ImageMessage, row_bytes: int, rows: int) -> None:
    """Raise unless all rows lie within the data."""
    width, height, step, size = message.width, message.height, message.step, len(message.data)
    if not (width > 0 and height > 0 and width * height <= _MAX_PIXELS):
        raise SourceError(
            f"an image message declares {width} × {height} pixels; at least one and at most {_MAX_PIXELS} are expected"
        )
    if step < row_bytes:
        raise SourceError(
            f"an image message of {width} pixels in {message.encoding} declares rows of {step} bytes, which is too few"
        )
    # Some drivers send no padding after the last row.
    if size < step * (rows - 1) + row_bytes:
        raise SourceError(
            f"an image message of {width} × {height} in {message.encoding} with rows of {step} bytes holds only {size} bytes"
        )
