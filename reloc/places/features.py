"""Local features of an image: SIFT keypoints, spread over the image, with RootSIFT descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Descriptors = NDArray[np.integer[Any]]
"""(N, 128) of uint8 or int8; see `as_floats`."""

DESCRIPTOR_SIZE = 128
# OpenCV's default of 0.04 leaves a plain wall with too few; renderings are smoother than photographs as well.
_CONTRAST = 0.01
# A root of a share 0..1 times this fits a byte: entries beyond one half, which hardly occur, are cut.
_SCALE = 512.0
# The same for descriptors with signs.
_SIGNED_SCALE = 256.0
# The share of the keypoints that is chosen cell by cell, and the cells.
_CELLS = (8, 6)


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints and what they look like."""

    pixels: NDArray[np.float64]
    """(N, 2) positions (u, v)."""
    descriptors: Descriptors
    """(N, 128): of SIFT the roots of the shares of the gradient histogram, times 512; of others see `signed_descriptors`."""

    def __len__(self) -> int:
        """The number of keypoints."""
        return len(self.pixels)

    def selected(self, which: NDArray[np.bool_]) -> Features:
        """Return those of a mask (N,)."""
        return Features(self.pixels[which], self.descriptors[which])


class FeatureExtractor(Protocol):
    """Finds local features in an image. `detect` is one."""

    def __call__(self, image: NDArray[np.uint8], count: int, mask: NDArray[np.bool_] | None = None, /) -> Features:
        """Return at most `count` features of a grey image (H, W), none where `mask` (H, W) is false."""
        ...


def detect(image: NDArray[np.uint8], count: int, mask: NDArray[np.bool_] | None = None) -> Features:
    """Return at most `count` features of a grey image (H, W), none where `mask` (H, W) is false.

    The strongest of each cell of the image go first, so that one busy corner does not take all places.
    """
    sift = cv2.SIFT.create(0, contrastThreshold=_CONTRAST)
    keypoints = sift.detect(image, None if mask is None else mask.astype(np.uint8))
    if len(keypoints) > count:
        pixels, strength = np.array([one.pt for one in keypoints]), np.array([one.response for one in keypoints])
        keypoints = [keypoints[k] for k in spread(pixels, strength, image.shape, count)]
    keypoints, histograms = sift.compute(image, keypoints) if keypoints else ((), None)
    if histograms is None or not len(keypoints):
        return Features(np.zeros((0, 2)), np.zeros((0, DESCRIPTOR_SIZE), np.uint8))
    return Features(np.array([keypoint.pt for keypoint in keypoints]), root_descriptors(histograms))


def spread(pixels: NDArray[np.float64], strength: NDArray[np.float64], shape: tuple[int, ...], count: int) -> NDArray[np.int64]:
    """Return the indices of `count` keypoints: an equal quota of each cell of an image first, then the strongest of what is left.

    Args:
        pixels: (N, 2) positions (u, v).
        strength: (N,), of which more is better.
        shape: Height and width of the image, and anything.
        count: How many are wanted, at most.
    """
    column = np.clip(pixels[:, 0] * _CELLS[0] // shape[1], 0, _CELLS[0] - 1).astype(np.int64)
    row = np.clip(pixels[:, 1] * _CELLS[1] // shape[0], 0, _CELLS[1] - 1).astype(np.int64)
    cell = row * _CELLS[0] + column
    order = np.lexsort((-strength, cell))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
    return np.lexsort((-strength, rank >= count // (_CELLS[0] * _CELLS[1])))[:count]


def root_descriptors(histograms: NDArray[np.float32]) -> Descriptors:
    """Return RootSIFT of SIFT's histograms (N, 128) as bytes (Arandjelović and Zisserman, CVPR 2012)."""
    shares = histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.minimum(np.rint(np.sqrt(shares) * _SCALE), 255), dtype=np.uint8)


def signed_descriptors(vectors: NDArray[np.float32]) -> Descriptors:
    """Return vectors (N, 128) of length 1 as bytes with a sign."""
    return np.asarray(np.clip(np.rint(vectors * _SIGNED_SCALE), -127, 127), dtype=np.int8)


def as_floats(descriptors: Descriptors) -> NDArray[np.float32]:
    """Return descriptors (N, 128) as vectors of length about 1, whose products are cosines."""
    return descriptors.astype(np.float32) * np.float32(1 / (_SCALE if descriptors.dtype == np.uint8 else _SIGNED_SCALE))
