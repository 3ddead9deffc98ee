"""Pyramids of an image: raw intensities and locally normalised ones, with NaN where nothing is known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.config import AlignConfig
from reloc.geometry.camera import PinholeCamera

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Levels from here on hold so few pixels that comparing raw intensities there costs next to nothing.
FIRST_COARSE_LEVEL = 2
# A local window on a coarse level takes at most this share of the image's width, else it is not local.
_WINDOW_SHARE = 0.38
# All of fastmath but that no number is NaN.
_NAN_SAFE = {"reassoc", "contract", "nsz", "arcp"}
# What pyrDown averages is trusted where at least this share of its kernel is valid.
_LEAST_SHARE = 0.5


class Kind(StrEnum):
    """What a layer holds."""

    INTENSITY = "intensity"
    LOCAL = "local"


@dataclass(frozen=True, eq=False)
class Layer:
    """One level of a pyramid, of one kind."""

    camera: PinholeCamera
    values: Image
    """(H, W, C), NaN where the image is not valid: a lookup there shows itself without a mask."""


@dataclass(frozen=True, eq=False)
class Layers:
    """All levels of an image, finest first: the kind that decides on every level, raw intensities on the coarse ones."""

    main: tuple[Layer, ...]
    intensity: tuple[Layer | None, ...]
    """None on the fine levels, unless intensity is the main kind."""
    kind: Kind
    image: Image
    """(H, W) or (H, W, C) what all of them were made from."""

    def __len__(self) -> int:
        """The number of levels."""
        return len(self.main)

    def kinds_at(self, level: int) -> tuple[Kind, ...]:
        """Return the kinds that are there at a level, the deciding one first."""
        return (self.kind,) if self.kind is Kind.INTENSITY or self.intensity[level] is None else (self.kind, Kind.INTENSITY)

    def at(self, level: int, kind: Kind) -> Layer:
        """Return the layer of a level and kind that is in `kinds_at`."""
        layer = self.main[level] if kind is self.kind else self.intensity[level]
        assert layer is not None
        return layer


def build_layers(image: Image, valid: Mask, camera: PinholeCamera, config: AlignConfig, *, most: int | None = None) -> Layers:
    """Return the pyramid of an image (H, W) or (H, W, 3) in 0..1, at most so many of its finest levels."""
    kind = Kind(config.residual)
    main: list[Layer] = []
    intensity: list[Layer | None] = []
    levels = min(level_count(camera.width, config), most or sys.maxsize)
    for level, (values, mask, level_camera) in enumerate(image_pyramid(image, valid, camera, levels)):
        raw = _layer(values, mask, level_camera) if kind is Kind.INTENSITY or level >= FIRST_COARSE_LEVEL else None
        intensity.append(raw)
        if kind is Kind.INTENSITY and raw is not None:
            main.append(raw)
        else:
            main.append(_local_layer(values, mask, level_camera, config))
    return Layers(tuple(main), tuple(intensity), kind, image)


def level_count(width: int, config: AlignConfig) -> int:
    """Return how many levels the pyramid of an image of this width has."""
    levels = 1
    while width >> levels >= config.coarsest_width_px:
        levels += 1
    return levels


def window_px(width: int, config: AlignConfig) -> int:
    """Return the odd side of the local window at a level of this width."""
    return min(config.window_px, int(width * _WINDOW_SHARE)) | 1


def image_pyramid(image: Image, valid: Mask, camera: PinholeCamera, levels: int) -> list[tuple[Image, Mask, PinholeCamera]]:
    """Return `levels` images, each half as large as the one before, with their valid masks and cameras, finest first.

    Where parts are invalid, the blur is normalised by the share of valid pixels under it, so that what lies beyond the edge of
    the map does not leak into it.
    """
    result = [(image, valid, camera)]
    for _ in range(levels - 1):
        image, valid = _halved(image, valid)
        camera = camera.decimated()
        result.append((image, valid, camera))
    return result


def _halved(image: Image, valid: Mask) -> tuple[Image, Mask]:
    """Blur and keep the even pixels (cv2.pyrDown), over the valid pixels alone."""
    shape = (valid.shape[0] + 1) // 2, (valid.shape[1] + 1) // 2
    if valid.all():
        return cv2.pyrDown(image), np.ones(shape, dtype=np.bool_)
    enough = np.empty(shape, dtype=np.bool_)

    def halve(channel: Image) -> Image:
        result = np.empty(shape, dtype=np.float32)
        _halve(channel, valid, result, enough)
        return result

    return _by_channel(halve, image), enough


@njit(cache=True, nogil=True, fastmath=True)
def _halve(image, valid, result, enough):  # type: ignore[no-untyped-def]
    """Write the mean of the valid pixels under the kernel of Burt and Adelson, (1, 4, 6, 4, 1) / 16 along each axis."""
    height, width = image.shape
    value, share = np.empty(width + 4, np.float32), np.empty(width + 4, np.float32)
    for row in range(result.shape[0]):
        value[:], share[:] = 0, 0
        for offset in range(-2, 3):
            factor = np.float32((6 - 2 * abs(offset) - (abs(offset) == 2)) / 16)
            source = _mirrored(2 * row + offset, height, 1)
            for u in range(width):
                weight = factor * np.float32(valid[source, u])
                value[u + 2] += weight * image[source, u]
                share[u + 2] += weight
        for line in (value, share):
            for k in range(2):
                line[1 - k] = line[2 + _mirrored(-1 - k, width, 1)]
                line[width + 2 + k] = line[2 + _mirrored(width + k, width, 1)]
        for column in range(result.shape[1]):
            k = 2 * column
            total = value[k] + value[k + 4] + 4 * (value[k + 1] + value[k + 3]) + 6 * value[k + 2]
            weight = share[k] + share[k + 4] + 4 * (share[k + 1] + share[k + 3]) + 6 * share[k + 2]
            enough[row, column] = weight >= 16 * _LEAST_SHARE
            result[row, column] = total / weight if enough[row, column] else 0


@njit(cache=True, nogil=True)
def _mirrored(index, size, skip):  # type: ignore[no-untyped-def]
    """Return where an index of an axis falls that goes on mirrored at its ends, `skip` 1 without repeating the last entry."""
    while index < 0 or index >= size:
        if size == 1:
            return 0
        index = skip - 1 - index if index < 0 else 2 * size - 1 - skip - index
    return index


def _by_channel(function: Callable[[Image], Image], image: Image) -> Image:
    """Apply a function of (H, W) to an image of one or several channels."""
    if image.ndim == 2:
        return function(image)
    return np.stack([function(np.ascontiguousarray(image[:, :, c])) for c in range(image.shape[2])], axis=2)


def normalized_locally(image: Image, valid: Mask, window: int, floor: float) -> Image:
    """Return (I − μ) / √(σ² + floor²) with mean and deviation of a window of side `window` around each pixel of (H, W), or NaN.

    A shadow's edge, a lamp or a change of gamma moves μ and σ and leaves the quotient nearly as it was. `floor`, in intensities,
    keeps the noise of a blank wall from being blown up to full contrast.
    """
    result = np.empty_like(image)
    if valid.all():
        _normalize_whole(image, window // 2, floor, result)
    else:
        _normalize(image, valid, window // 2, floor, result)
    return result


# Both write the image, normalised, from sums over windows that run down and along the rows. The image goes on mirrored at its
# borders. Sums are float64: what has been added is taken off again rows later.


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _normalize_whole(image, half, floor, result):  # type: ignore[no-untyped-def]
    """Normalise an image that is valid as a whole, as most are: nothing needs to be counted."""
    height, width = image.shape
    before, side = half + 1, 2 * half + 1
    # Of each column the sum over the rows of the window, with as many columns before and behind as a window reaches.
    total, square = np.zeros(width + side), np.zeros(width + side)
    inner_total, inner_square = total[before : before + width], square[before : before + width]
    row_total, row_square = np.empty(width), np.empty(width)
    for row in range(-half - 1, half):
        _add_whole_row(image[_mirrored(row, height, 0)], inner_total, inner_square)
    for row in range(height):
        first, last = image[_mirrored(row - half - 1, height, 0)], image[_mirrored(row + half, height, 0)]
        _move_on(first, last, inner_total, inner_square)
        _mirror_ends(total, before, width, half)
        _mirror_ends(square, before, width, half)
        _run_along(total, square, side, row_total, row_square)
        _standardize_whole(image[row], row_total, row_square, 1.0 / (side * side), np.float32(floor * floor), result[row])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _normalize(image, valid, half, floor, result):  # type: ignore[no-untyped-def]
    """Normalise an image over its valid pixels, and write NaN where it is not valid."""
    height, width = image.shape
    before, side = half + 1, 2 * half + 1
    total, square, count = np.zeros(width + side), np.zeros(width + side), np.zeros(width + side)
    inner = slice(before, before + width)
    row_total, row_square, row_count = np.empty(width), np.empty(width), np.empty(width)
    for row in range(-half, half):
        here = _mirrored(row, height, 0)
        _add_row(image[here], valid[here], np.float32(1), total[inner], square[inner], count[inner])
    for row in range(height):
        here = _mirrored(row + half, height, 0)
        _add_row(image[here], valid[here], np.float32(1), total[inner], square[inner], count[inner])
        for line in (total, square, count):
            _mirror_ends(line, before, width, half)
        _run_along_counted(total, square, count, side, row_total, row_square, row_count)
        _standardize(image[row], valid[row], row_total, row_square, row_count, np.float32(floor * floor), result[row])
        here = _mirrored(row - half, height, 0)
        _add_row(image[here], valid[here], np.float32(-1), total[inner], square[inner], count[inner])


@njit(cache=True, nogil=True)
def _run_along(total, square, side, row_total, row_square):  # type: ignore[no-untyped-def]
    """Write the sums of `side` neighbouring columns, from the second on."""
    a, b = total[:side].sum(), square[:side].sum()
    for column in range(len(row_total)):
        a += total[column + side] - total[column]
        b += square[column + side] - square[column]
        row_total[column], row_square[column] = a, b


@njit(cache=True, nogil=True)
def _run_along_counted(total, square, count, side, row_total, row_square, row_count):  # type: ignore[no-untyped-def]
    """Do the same where not all pixels are valid. One loop: each sum waits for its last addition, three wait side by side."""
    a, b, c = total[:side].sum(), square[:side].sum(), count[:side].sum()
    for column in range(len(row_total)):
        a += total[column + side] - total[column]
        b += square[column + side] - square[column]
        c += count[column + side] - count[column]
        row_total[column], row_square[column], row_count[column] = a, b, c


# Each of these loops, alone in its function, becomes vector instructions.


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _add_whole_row(values, total, square):  # type: ignore[no-untyped-def]
    """Add a row's values and their squares to the sums of the columns."""
    for column in range(len(values)):
        value = np.float64(values[column])
        total[column] += value
        square[column] += value * value


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _move_on(left, entered, total, square):  # type: ignore[no-untyped-def]
    """Take the row that the window has left off the sums of the columns, and add the one that has entered."""
    for column in range(len(left)):
        old, new = np.float64(left[column]), np.float64(entered[column])
        total[column] += new - old
        square[column] += new * new - old * old


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _add_row(values, valid, factor, total, square, count):  # type: ignore[no-untyped-def]
    """Add `factor` times a row's valid values, their squares, and how many there are, to the sums of the columns."""
    for column in range(len(values)):
        weight, value = factor * np.float32(valid[column]), values[column]
        total[column] += np.float64(weight * value)
        square[column] += np.float64(weight * value) * np.float64(value)
        count[column] += np.float64(weight)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _standardize_whole(image, total, square, share, floor, result):  # type: ignore[no-untyped-def]
    """Write one row's values less the mean of their windows, over the deviation; `share` is one over the pixels of a window."""
    for column in range(len(image)):
        mean = total[column] * share
        variance = np.float32(square[column] * share - mean * mean)
        result[column] = (image[column] - np.float32(mean)) / np.sqrt((variance if variance > 0 else np.float32(0)) + floor)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_NAN_SAFE)
def _standardize(image, valid, total, square, count, floor, result):  # type: ignore[no-untyped-def]
    """Do the same where not all pixels are valid; NaN at those that are not."""
    for column in range(len(image)):
        share = 1.0 / count[column]
        mean = total[column] * share
        variance = np.float32(square[column] * share - mean * mean)
        deviation = np.sqrt((variance if variance > 0 else np.float32(0)) + floor)
        found = (image[column] - np.float32(mean)) / deviation
        result[column] = found if valid[column] else np.float32(np.nan)


@njit(cache=True, nogil=True)
def _mirror_ends(line, before, size, behind):  # type: ignore[no-untyped-def]
    """Continue the entries `before` to `before + size` of a line on both sides, mirrored."""
    for k in range(1, before + 1):
        line[before - k] = line[before + _mirrored(-k, size, 0)]
    for k in range(size, size + behind):
        line[before + k] = line[before + _mirrored(k, size, 0)]


def _local_layer(image: Image, valid: Mask, camera: PinholeCamera, config: AlignConfig) -> Layer:
    window = window_px(camera.width, config)
    values = _by_channel(lambda channel: normalized_locally(channel, valid, window, config.noise_floor), image)
    return Layer(camera, values if values.ndim == 3 else values[:, :, None])


def _layer(image: Image, valid: Mask, camera: PinholeCamera) -> Layer:
    values = image if image.ndim == 3 else image[:, :, None]
    if not valid.all():
        values = np.where(valid[:, :, None], values, np.float32(np.nan))
    return Layer(camera, np.ascontiguousarray(values))
