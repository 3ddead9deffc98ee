"""From an image file to pixels: RGB or grey, 8 or 16 bits, exactly as stored."""

from __future__ import annotations

import stat
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError

Image = NDArray[np.uint8] | NDArray[np.uint16]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".pnm", ".jp2"})

# A file of a few kilobytes can declare an image of many gigabytes. This is where Pillow begins to warn of that.
MAX_PIXELS = 89_000_000
_MAX_BYTES = 2 * 6 * MAX_PIXELS
# From this size on, a byte of a file that says more than so many pixels is a header without an image behind it: what
# packs best, PNG with one bit a pixel that never changes, holds 8,256 a byte.
_LARGE_PIXELS = 16_000_000
_MOST_PIXELS_A_BYTE = 10_000


def read_image(path: Path) -> Image:
    """Return the pixels (H, W) or (H, W, 3) RGB of a file, uint8 or uint16 as stored; an alpha channel is dropped.

    The orientation that EXIF asks for is not applied: a lens calibration belongs to the sensor, and COLMAP reads its
    images in the same way. Raises `SourceError` for anything but a whole image.
    """
    try:
        status = path.stat()
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):  # devices and pipes may have no end
            raise SourceError("An image could not be read: it is no ordinary file", path)
        if size > _MAX_BYTES:
            raise SourceError(f"An image file of {size} bytes is larger than any image of {MAX_PIXELS} pixels", path)
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"An image could not be read: {error.strerror or error}", path) from error
    return decode_image(data, path)


def decode_image(data: bytes, path: Path) -> Image:
    """Return the pixels of an encoded image; `path` is for the messages only. See `read_image`."""
    if not data:
        raise SourceError("An image file is empty", path)
    _refuse_huge(data, path)
    if data.startswith(b"\xff\xd8") and not _jpeg_is_whole(data):
        raise SourceError("A JPEG image breaks off before its end: was its recording interrupted?", path)
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise SourceError(f"An image could not be decoded ({error.err})", path) from error
    if pixels is None:
        raise SourceError("An image could not be decoded: it is damaged, or not an image", path)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise SourceError(f"An image holds {pixels.dtype} values; 8 or 16 bits a channel were expected. Convert it first", path)
    return _as_rgb_or_grey(pixels, path)


def _as_rgb_or_grey(pixels: NDArray[Any], path: Path) -> Image:
    """Turn OpenCV's order of channels into ours."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1:
        return pixels.reshape(pixels.shape[:2])
    if channels == 2:  # grey and alpha
        return np.ascontiguousarray(pixels[:, :, 0])
    if channels not in (3, 4):
        raise SourceError(f"An image has {channels} channels; grey, RGB or RGB with alpha was expected", path)
    rgb: NDArray[Any] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGB)
    return rgb


def _refuse_huge(data: bytes, path: Path) -> None:
    """Raise if the header declares more pixels than a camera has, before any memory is taken for them."""
    from PIL import Image as PillowImage

    try:
        with PillowImage.open(BytesIO(data)) as header:
            width, height = header.size
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise SourceError(f"An image is larger than {MAX_PIXELS} pixels. Shrink it, and scale the calibration", path) from error
    except (OSError, ValueError, OverflowError, struct.error, Warning):  # warnings where a process makes them errors
        return  # a format that Pillow does not know, or a damaged header: the decoder decides, within limits of its own
    if width * height > MAX_PIXELS:
        raise SourceError(
            f"An image of {width} × {height} is larger than {MAX_PIXELS} pixels. Shrink it, and scale the calibration", path
        )
    if width * height > max(_LARGE_PIXELS, _MOST_PIXELS_A_BYTE * len(data)):
        raise SourceError(f"An image states {width} × {height} pixels, which {len(data)} bytes cannot hold: it is damaged", path)


def _jpeg_is_whole(data: bytes) -> bool:
    """Return whether the end-of-image marker follows the first scan.

    Some decoders fill what is missing with grey and say nothing. The segments before the scan are stepped over, since a
    thumbnail in them has an end marker of its own.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xDA:
            return data.find(b"\xff\xd9", position) >= 0
        position += 1 if marker == 0xFF else 2 + length  # 0xFF may be repeated as padding
    return False
