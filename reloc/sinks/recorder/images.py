"""The frames of a recording as image files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reloc.errors import OutputError
from reloc.files import write_atomically
from reloc.frame import RawFrame
from reloc.geometry.trajectory import format_seconds
from reloc.sources.decode import Image

# Level 1 takes a third of the time of OpenCV's default and makes files a tenth larger.
_PNG_LEVEL = 1
_JPEG_QUALITY = 95


class ImageFiles:
    """Writes each frame to `images/NUMBER` and a suffix, `.png` or `.jpg`, whole or not at all."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self._count = 0

    def write(self, raw: RawFrame) -> list[str]:
        """Write a frame; return its line of timestamps.txt."""
        name = f"images/{self._count:06d}{self._suffix}"
        write_atomically(self._folder / name, encode_image(raw.image, self._suffix))
        self._count += 1
        return [f"{format_seconds(raw.timestamp_ns)} {name}"]

    def close(self) -> list[str]:
        """Do nothing: every file is finished."""
        return []


def encode_image(image: Image, suffix: str, jpeg_quality: int = _JPEG_QUALITY) -> bytes:
    """Return an RGB or grey image as PNG (`.png`, bit by bit) or JPEG (`.jpg`). Raises `OutputError` for 16 bits as JPEG."""
    if suffix != ".png" and image.dtype != np.uint8:
        raise OutputError(f"a JPEG cannot hold images of {image.dtype}; 8 bits were expected: choose png or ffv1 instead")
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    ok, data = cv2.imencode(suffix, bgr, options)
    if not ok:
        raise OutputError(f"an image of {image.shape} and {image.dtype} could not be encoded as {suffix.removeprefix('.')}")
    return bytes(data)
