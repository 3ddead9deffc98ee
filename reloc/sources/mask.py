"""What to ignore in the images of a source, such as the robot's own arm: one mask for all frames or one a frame."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.decode import read_image
from reloc.sources.derived import DerivedSource
from reloc.sources.folder import list_images
from reloc.sources.source import FrameSource

# JPEG turns black into nearly black; every other format keeps what was drawn.
_JPEG_SUFFIXES = (".jpg", ".jpeg")
_JPEG_THRESHOLD = 127

Mask = NDArray[np.bool_]

_log = logging.getLogger(__name__)


def with_mask(source: FrameSource, mask: Path) -> FrameSource:
    """Return the frames of `source` with `ignore` set where the mask is not zero.

    `mask` is an image, or a folder with an image for each frame, named as the frame but for the suffix (frames of a video
    are 000000, 000001, ...). A frame without a mask is used whole; a mask of another size than its frame is a `SourceError`.
    """
    if mask.is_dir():
        by_stem = {path.stem: path for path in list_images(mask)}
        return DerivedSource(source, lambda inner: _masked(inner, lambda frame: _mask_of(frame, by_stem, mask)))
    if not mask.exists():
        raise SourceError("A mask was not found: an image, or a folder with one image a frame, was expected", mask)
    ignore = read_mask(mask)
    return DerivedSource(source, lambda inner: _masked(inner, lambda frame: _fitting(ignore, frame, mask)))


def read_mask(path: Path) -> Mask:
    """Return (H, W), true where any colour channel of an image is not zero; for JPEG, where it is brighter than half."""
    pixels = read_image(path)
    lit: NDArray[Any] = pixels > (_JPEG_THRESHOLD if path.suffix.lower() in _JPEG_SUFFIXES else 0)
    return lit if lit.ndim == 2 else np.asarray(lit.any(axis=2))


def read_object_mask(path: Path) -> Mask:
    """Return (H, W), true where an image is brighter than half of its brightest pixel: 0 and 1, 0 and 255, or a soft edge."""
    pixels = read_image(path)
    brightness = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    brightest = int(brightness.max(initial=0))
    return np.asarray(brightness > brightest / 2)


def _masked(source: FrameSource, mask_of: Callable[[RawFrame], Mask | None]) -> Iterator[RawFrame]:
    unmasked = 0
    for frame in source:
        ignore = mask_of(frame)
        unmasked += ignore is None
        if ignore is None and unmasked == 1:
            _log.warning("There is no mask for frame %s; it is used whole, as all others without a mask", frame.name)
        yield frame if ignore is None else replace(frame, ignore=_union(ignore, frame.ignore))
    if unmasked:
        _log.warning("%d frames had no mask", unmasked)


def _union(mask: Mask, other: Mask | None) -> Mask:
    return mask if other is None else mask | other


def _mask_of(frame: RawFrame, by_stem: dict[str, Path], folder: Path) -> Mask | None:
    path = by_stem.get(Path(frame.name).stem)
    return None if path is None else _fitting(read_mask(path), frame, folder)


def _fitting(mask: Mask, frame: RawFrame, path: Path) -> Mask:
    if mask.shape != frame.image.shape[:2]:
        height, width = mask.shape
        frame_height, frame_width = frame.image.shape[:2]
        raise SourceError(
            f"The mask for frame {frame.name} has {width} × {height} pixels, but the frame {frame_width} × {frame_height}. "
            "Make the mask at the size of the unprocessed images",
            path,
        )
    return mask
