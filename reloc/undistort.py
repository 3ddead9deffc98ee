"""From the image that a camera delivers to that of an ideal pinhole camera, at the size that the alignment works at.

The image is first averaged down, then straightened: on the small image that costs a quarter or less, and since averaging maps
the lens exactly (`LensCamera.scaled_to`), the two orders differ only by interpolation. The undistorted camera has the K of the
lens, so nothing is magnified; where its corners look past the image, `Frame.valid` is false.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import cv2
import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from reloc.errors import ConfigError, SourceError
from reloc.frame import Frame, RawFrame
from reloc.geometry.area import AreaReduction
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera

Image = NDArray[Any]
Mask = NDArray[np.bool_]

# Maps are float32, which at 1000 px keeps four decimals: closer than this to the border is on it.
_ON_BORDER_PX = 1e-3
# Where a map points if the lens shows nothing there: just outside.
_NOWHERE_PX = -1.0
# So many rows of a map stay in the processor's cache while its formula is worked out: three times as fast as all at once.
_ROWS_AT_ONCE = 16
_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


@dataclass(frozen=True)
class UndistortConfig:
    """The image that the alignment works on."""

    working_width: Annotated[int, Ge(16)] = 480
    """Images are halved until they are at most this many pixels wide, then aligned; wider is slower, and more exact far off."""
    still_width: Annotated[int, Ge(16)] = 960
    """The same for a single image (`reloc align`), for which there is time."""


def halved_width(width: int, widest: int) -> int:
    """Return the width of an image that is halved until it is at most `widest` wide: whole factors average exactly and fast."""
    factor = 1
    while width / factor > widest:
        factor *= 2
    return round(width / factor)


class Undistorter:
    """Turns raw frames into frames. What it computes once for a size of image is kept; nothing of a frame is.

    Args:
        lens: The calibration. Frames of another size but the same shape are taken for the same image, averaged down or enlarged.
        working_width: The width of the frames in pixels; the height follows. Smaller images are never enlarged.
        color: Whether frames are RGB (H, W, 3) rather than luminance (H, W), weighted as by cv2.COLOR_RGB2GRAY.

    16-bit images are divided by 65535. A sensor of 10 or 12 bits that fills only the lower bits so comes out dark; the exposure
    that the alignment solves for takes that up, but a source that knows its sensor should shift the values up.
    """

    def __init__(self, lens: LensCamera, *, working_width: int = 320, color: bool = False) -> None:
        if working_width < 1:
            raise ConfigError(f"The working width must be at least 1 pixel, found {working_width}.")
        self._lens = lens
        self._working_width = working_width
        self._color = color
        self._views: dict[tuple[int, int], _View] = {}
        self._ignored: tuple[Mask, _View, Mask] | None = None

    @property
    def full_camera(self) -> PinholeCamera:
        """The camera of the undistorted image in the size of the calibration."""
        return self._lens.pinhole

    @property
    def working_camera(self) -> PinholeCamera:
        """The camera of the frames, for images in the size of the calibration."""
        return self._view(self._lens.width, self._lens.height).camera

    def __call__(self, raw: RawFrame) -> Frame:
        """Return the undistorted frame.

        Raises:
            SourceError: The image or its mask is empty, or of a type or shape that no camera delivers.
            CalibrationError: The image has another shape than the calibration.
        """
        _check_image(raw)
        view = self._view(raw.image.shape[1], raw.image.shape[0])
        return Frame(
            index=raw.index,
            timestamp_ns=raw.timestamp_ns,
            camera=view.camera,
            image=view.straighten(_with_channels(raw.image, self._color)),
            valid=self._valid(view, raw),
            raw=raw,
            rectify=lambda: (view.lens.pinhole, view.straighten_for_people(raw.image)),
        )

    def _view(self, width: int, height: int) -> _View:
        if (width, height) not in self._views:
            lens = self._lens.scaled_to(width, height)
            working = min(width, self._working_width)
            self._views[width, height] = _View(lens, working, max(1, round(height * working / width)))
        return self._views[width, height]

    def _valid(self, view: _View, raw: RawFrame) -> Mask:
        """Return the valid pixels; the result for one mask is kept, since most often the same one comes with every frame."""
        if raw.ignore is None:
            return view.valid
        known = self._ignored
        if known is None or known[0] is not raw.ignore or known[1] is not view:
            _check_ignore(raw, raw.ignore)
            known = self._ignored = (raw.ignore, view, view.valid_without(raw.ignore))
        return known[2]


@dataclass(frozen=True, eq=False)
class _View:
    """What is computed once for images of one size."""

    lens: LensCamera
    """The lens at the size of the images."""
    width: int
    height: int

    @cached_property
    def camera(self) -> PinholeCamera:
        return self.lens.pinhole.area_scaled(self.width, self.height)

    @cached_property
    def valid(self) -> Mask:
        """(h, w), true where the small image was seen; not to be written to, since every frame shares it."""
        x, y = np.moveaxis(self._map, -1, 0)
        inside: Mask = (np.abs(x - (self.width - 1) / 2) <= (self.width - 1) / 2 + _ON_BORDER_PX) & (
            np.abs(y - (self.height - 1) / 2) <= (self.height - 1) / 2 + _ON_BORDER_PX
        )
        inside.setflags(write=False)
        return inside

    def straighten(self, image: Image) -> NDArray[np.float32]:
        """Return the small undistorted image in 0..1 of one in its camera's own integers."""
        small = self._reduction(image) * np.float32(1 / _FULL_SCALE[image.dtype])
        # What lies outside repeats the border: it is not valid, and so makes no edge that the pyramid would smear inwards.
        return small if self.lens.is_pinhole else _remap(small, self._map, cv2.BORDER_REPLICATE)

    def straighten_for_people(self, image: Image) -> NDArray[np.uint8]:
        """Return the undistorted RGB image (H, W, 3) at full size, black where there is nothing."""
        eight_bits = image if image.dtype == np.uint8 else cv2.convertScaleAbs(image, alpha=255 / 65535)
        rgb = _with_channels(eight_bits, color=True)
        return np.asarray(rgb if self.lens.is_pinhole else _remap(rgb, self._full_map, cv2.BORDER_CONSTANT), dtype=np.uint8)

    def valid_without(self, ignore: Mask) -> Mask:
        """Return `valid` less every pixel that an ignored one had the smallest share in."""
        small = (self._reduction.exactly(ignore.view(np.uint8)) > 0).astype(np.float32)
        touched = small if self.lens.is_pinhole else _remap(small, self._map, cv2.BORDER_REPLICATE)
        result: Mask = self.valid & (touched == 0)
        result.setflags(write=False)
        return result

    @cached_property
    def _reduction(self) -> AreaReduction:
        return AreaReduction(self.lens.width, self.lens.height, self.width, self.height)

    @cached_property
    def _map(self) -> NDArray[np.float32]:
        return _map_of(self.lens.scaled_to(self.width, self.height))

    @cached_property
    def _full_map(self) -> NDArray[np.float32]:
        return _map_of(self.lens)


def _map_of(lens: LensCamera) -> NDArray[np.float32]:
    """Return for each pixel of the undistorted image (H, W, 2) where the lens shows it.

    As float32, not in cv2.remap's 16-bit form: OpenCV 5 interpolates between those in steps of 1/32 px, and no faster.
    """
    result = np.empty((lens.height, lens.width, 2), dtype=np.float32)
    for top in range(0, lens.height, _ROWS_AT_ONCE):
        band = result[top : top + _ROWS_AT_ONCE]
        v, u = np.mgrid[top : top + len(band), : lens.width]
        band[:] = lens.project(lens.pinhole.unproject(np.stack([u, v], axis=-1)))
    return np.nan_to_num(result, copy=False, nan=_NOWHERE_PX, posinf=_NOWHERE_PX, neginf=_NOWHERE_PX)


def _remap(image: Image, source_px: NDArray[np.float32], border: int) -> Image:
    return np.asarray(cv2.remap(image, source_px, None, cv2.INTER_LINEAR, borderMode=border))


def _with_channels(image: Image, color: bool) -> Image:
    """Return an RGB image (H, W, 3) or a luminance image (H, W), whatever comes in."""
    if color:
        return image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def _check_image(raw: RawFrame) -> None:
    image = raw.image
    if image.dtype not in _FULL_SCALE:
        raise SourceError(f"The {_called(raw)} must have 8 or 16 bits (uint8 or uint16), found {image.dtype}.")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or image.size == 0:
        raise SourceError(
            f"The {_called(raw)} must be grey (H, W) or RGB (H, W, 3) and not empty, found the shape {image.shape}."
        )


def _check_ignore(raw: RawFrame, ignore: Mask) -> None:
    expected = raw.image.shape[:2]
    if ignore.dtype != np.bool_ or ignore.shape != expected:
        raise SourceError(
            f"The mask of {_called(raw)} must be true or false (bool) for each of its pixels, in the shape {expected}, "
            f"found {ignore.dtype} in the shape {ignore.shape}."
        )


def _called(raw: RawFrame) -> str:
    return f"image {raw.index} ({raw.name})" if raw.name else f"image {raw.index}"
