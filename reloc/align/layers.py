"""The pyramid of a frame, packed for the compiled kernel: value and gradient side by side at every pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


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
    total = cv2.pyrDown(image * (weight if image.ndim == 2 else weight[:, :, None]))
    enough = share > 0.5
    scale = np.where(enough, 1 / np.maximum(share, 0.5), 0).astype(np.float32)
    return total * (scale if image.ndim == 2 else scale[:, :, None]), enough


def normalized_locally(image: Image, valid: Mask, window_px: int, floor: float) -> Image:
    """Return (I − μ) / √(σ² + floor²) with the mean and deviation of a window of `window_px` around each pixel.

    A shadow's edge, a lamp or a change of gamma moves μ and σ and leaves the quotient nearly as it was. `floor`, in intensities,
    keeps the noise of a blank wall from being blown up to full contrast.
    """
    size = (window_px, window_px)
    if valid.all():
        mean = cv2.boxFilter(image, -1, size, borderType=cv2.BORDER_REFLECT)
        square = cv2.sqrBoxFilter(image, -1, size, borderType=cv2.BORDER_REFLECT)
    else:
        weight = valid.astype(np.float32)
        share = np.maximum(cv2.boxFilter(weight, -1, size, borderType=cv2.BORDER_REFLECT), 1e-6)
        masked = image * weight
        mean = cv2.boxFilter(masked, -1, size, borderType=cv2.BORDER_REFLECT) / share
        square = cv2.sqrBoxFilter(masked, -1, size, borderType=cv2.BORDER_REFLECT) / share
    result = np.empty_like(image)
    _divide(image, mean, square, np.float32(floor * floor), result)
    return result


@njit(cache=True, nogil=True, fastmath=True)
def _divide(image, mean, square, floor, result):  # type: ignore[no-untyped-def]
    for v in range(image.shape[0]):
        for u in range(image.shape[1]):
            m = mean[v, u]
            result[v, u] = (image[v, u] - m) / np.sqrt(max(square[v, u] - m * m, np.float32(0.0)) + floor)


@njit(cache=True, nogil=True)
def pack_gradients(image: Image, valid: Mask, packed: NDArray[np.float32]) -> None:
    """Write (value, ∂/∂u, ∂/∂v, 0) of `image` (H, W) into `packed` (H, W, 4), NaN where a neighbour is invalid.

    Central differences; a sample that would touch the rim of the image or an invalid pixel comes out as NaN, so the kernel that
    interpolates needs no mask.
    """
    height, width = image.shape
    half = np.float32(0.5)
    packed[0], packed[height - 1], packed[:, 0], packed[:, width - 1] = np.nan, np.nan, np.nan, np.nan
    for v in range(1, height - 1):
        for u in range(1, width - 1):
            if valid[v, u] and valid[v, u - 1] and valid[v, u + 1] and valid[v - 1, u] and valid[v + 1, u]:
                packed[v, u, 0] = image[v, u]
                packed[v, u, 1] = half * (image[v, u + 1] - image[v, u - 1])
                packed[v, u, 2] = half * (image[v + 1, u] - image[v - 1, u])
                packed[v, u, 3] = 0
            else:
                packed[v, u, 0] = np.nan
