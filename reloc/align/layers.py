"""Pyramids of an image: raw intensities and locally normalised ones, with NaN where nothing is known."""

from __future__ import annotations

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


def build_layers(image: Image, valid: Mask, camera: PinholeCamera, config: AlignConfig) -> Layers:
    """Return the pyramid of an image (H, W) or (H, W, 3) in 0..1."""
    kind = Kind(config.residual)
    main: list[Layer] = []
    intensity: list[Layer | None] = []
    for level, (values, mask, level_camera) in enumerate(image_pyramid(image, valid, camera, level_count(camera.width, config))):
        raw = _layer(values, mask, level_camera) if kind is Kind.INTENSITY or level >= FIRST_COARSE_LEVEL else None
        intensity.append(raw)
        if kind is Kind.INTENSITY and raw is not None:
            main.append(raw)
        else:
            normalize = _local_normalizer(mask, window_px(level_camera.width, config), config.noise_floor)
            main.append(_layer(_by_channel(normalize, values), mask, level_camera))
    return Layers(tuple(main), tuple(intensity), kind)


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
    if valid.all():
        return cv2.pyrDown(image), np.ones(((valid.shape[0] + 1) // 2, (valid.shape[1] + 1) // 2), dtype=np.bool_)
    weight = valid.astype(np.float32)
    share = cv2.pyrDown(weight)
    enough = share >= _LEAST_SHARE
    scale = np.where(enough, 1 / np.maximum(share, _LEAST_SHARE), 0).astype(np.float32)
    return _by_channel(lambda channel: cv2.pyrDown(channel * weight) * scale, image), enough


def _by_channel(function: Callable[[Image], Image], image: Image) -> Image:
    """Apply a function of (H, W) to an image of one or several channels."""
    if image.ndim == 2:
        return function(image)
    return np.stack([function(np.ascontiguousarray(image[:, :, c])) for c in range(image.shape[2])], axis=2)


def normalized_locally(image: Image, valid: Mask, window: int, floor: float) -> Image:
    """Return (I − μ) / √(σ² + floor²) with the mean and deviation of a window of side `window` around each pixel of (H, W).

    A shadow's edge, a lamp or a change of gamma moves μ and σ and leaves the quotient nearly as it was. `floor`, in intensities,
    keeps the noise of a blank wall from being blown up to full contrast.
    """
    return _local_normalizer(valid, window, floor)(image)


def _local_normalizer(valid: Mask, window: int, floor: float) -> Callable[[Image], Image]:
    size = (window, window)
    if valid.all():
        weight, share = None, None
    else:
        weight = valid.astype(np.float32)
        share = np.maximum(cv2.boxFilter(weight, -1, size, borderType=cv2.BORDER_REFLECT), 1e-6)

    def normalize(image: Image) -> Image:
        masked = image if weight is None else image * weight
        mean = cv2.boxFilter(masked, -1, size, borderType=cv2.BORDER_REFLECT)
        square = cv2.sqrBoxFilter(masked, -1, size, borderType=cv2.BORDER_REFLECT)
        if share is not None:
            mean, square = mean / share, square / share
        result = np.empty_like(image)
        _standardize(image.ravel(), mean.ravel(), square.ravel(), np.float32(floor * floor), result.ravel())
        return result

    return normalize


@njit(cache=True, nogil=True, fastmath=True)
def _standardize(image, mean, square, floor, result):  # type: ignore[no-untyped-def]
    for k in range(len(image)):
        m = mean[k]
        variance = square[k] - m * m
        result[k] = (image[k] - m) / np.sqrt((variance if variance > 0 else np.float32(0)) + floor)


def _layer(image: Image, valid: Mask, camera: PinholeCamera) -> Layer:
    values = image if image.ndim == 3 else image[:, :, None]
    if not valid.all():
        values = np.where(valid[:, :, None], values, np.float32(np.nan))
    return Layer(camera, np.ascontiguousarray(values))
