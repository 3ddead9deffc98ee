"""The photometric term: surface points of the map should look in the image as they do in the rendering.

For a point X with reference intensity T, the residual is r = I(π(exp(δ) T_cw X)) − (gain · T + bias). The Jacobian takes the mean
of the gradients of image and rendering, which makes a Gauss-Newton step correct to second order (efficient second-order
minimisation; Benhimane and Malis, IROS 2004).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.fused import gradient_products, photometric_equations
from reloc.align.problem import NormalEquations, Unknowns
from reloc.align.sampling import BLOCK, locate, look_up, project
from reloc.geometry.camera import PinholeCamera

Array = NDArray[np.float64]

_OPEN = 1e9
"""A width that clips nothing."""


@dataclass(frozen=True, eq=False)
class ReferencePoints:
    """Points of the surface, and how they look in the keyframe's rendering at one level of the pyramid."""

    in_world: Array
    """(N, 3) metres."""
    value: Array
    """(N, C) intensities, or normalised intensities."""
    gradient: Array
    """(N, C, 2) of the rendering, per pixel of this level."""

    def __len__(self) -> int:
        """The number of points."""
        return len(self.in_world)


@dataclass(frozen=True, eq=False)
class Samples:
    """What the points look like in the image."""

    residual: Array
    """(N, C), NaN where the point is out of view or the image invalid."""
    pixel: Array
    """(N, 2) where the points fall, NaN behind the camera."""


@dataclass(frozen=True, eq=False)
class PhotometricTerm:
    """Compares reference points with one level of a frame's pyramid."""

    points: ReferencePoints
    image: NDArray[np.float32]
    """(H, W, C), NaN where it is not valid."""
    camera: PinholeCamera
    """Of this level."""
    width: float = _OPEN
    """Where the robust cost levels out, in the unit of the residual."""
    weight: Array | None = None
    """(N,) prior trust 0..1 in each point; None trusts all alike."""

    def clipped_at(self, width: float, weight: Array | None = None) -> PhotometricTerm:
        """Return the same comparison with another width of the robust cost, and another trust in the points."""
        return replace(self, width=width, weight=weight)

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return cost and quadratic model at these unknowns, in one pass over the points."""
        return NormalEquations(*photometric_equations(*self._arguments(unknowns)))

    def gradient_products(self, unknowns: Unknowns) -> tuple[Array, Array]:
        """Return what the rendering's gradients say of the unknowns, and what they have in common with the image's.

        Returns:
            Σ w A Aᵀ and the symmetric part of Σ w A Bᵀ (6 + 2 C, 6 + 2 C), for the Jacobians A by the gradient of the rendering
            alone and B by that of the image.
        """
        of_rendering, common = gradient_products(*self._arguments(unknowns))
        return of_rendering, common

    def _arguments(self, unknowns: Unknowns) -> tuple[Any, ...]:
        """Return what the kernels of `fused.py` take."""
        points = self.points
        return (
            points.in_world,
            points.value,
            points.gradient,
            _NO_WEIGHT if self.weight is None else self.weight,
            self.image,
            unknowns.rotation,
            unknowns.translation,
            unknowns.exposure,
            self.camera.intrinsics,
            self.width,
        )

    def sample(self, unknowns: Unknowns) -> Samples:
        """Return the residuals and where the points fall."""
        residual = np.empty(self.points.value.shape)
        pixel = np.empty((len(self.points), 2))
        _sample(
            self.points.in_world,
            self.points.value,
            self.image,
            unknowns.rotation,
            unknowns.translation,
            unknowns.exposure,
            self.camera.intrinsics,
            residual,
            pixel,
        )
        return Samples(residual, pixel)

    def agreement(self, rotations: Array, translations: Array) -> Array:
        """Return (M,) for each of many poses the correlation of image and reference, times the share of the points in view.

        Pearson's correlation, the mean over the channels: it needs no exposure, and unlike a clipped cost it tells a blank image
        from a bad fit.

        Args:
            rotations: (M, 3, 3) of camera_from_world.
            translations: (M, 3).
        """
        result = np.empty(len(rotations))
        points = self.points
        _agreements(points.in_world, points.value, self.image, rotations, translations, self.camera.intrinsics, result)
        return result


_NO_WEIGHT = np.empty(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(points, value, image, rotation, translation, exposure, intrinsics, residual, pixel):  # type: ignore[no-untyped-def]
    """Write the residuals (N, C), NaN out of view, and the pixels (N, 2), NaN behind the camera."""
    channels = value.shape[1]
    projected, corner, fraction = np.zeros((5, BLOCK)), np.empty(BLOCK, np.int32), np.empty((3, BLOCK), image.dtype)
    found = np.empty((channels, BLOCK), image.dtype)
    for first in range(0, len(points), BLOCK):
        count = min(BLOCK, len(points) - first)
        project(points, first, count, rotation, translation, intrinsics, projected)
        locate(image, count, projected, corner, fraction)
        look_up(image, corner, fraction, found)
        for i in range(count):
            is_before = projected[2, i] > 0.0
            pixel[first + i, 0] = projected[3, i] if is_before else np.nan
            pixel[first + i, 1] = projected[4, i] if is_before else np.nan
            for channel in range(channels):
                expected = exposure[2 * channel] * value[first + i, channel] + exposure[2 * channel + 1]
                residual[first + i, channel] = found[channel, i] - expected


@njit(cache=True, nogil=True)
def _agreements(points, value, image, rotations, translations, intrinsics, result):  # type: ignore[no-untyped-def]
    count, channels = value.shape
    found = np.empty((count, channels))
    pixel = np.empty((count, 2))
    nothing = np.zeros(2 * channels)
    for m in range(len(result)):
        _sample(points, value, image, rotations[m], translations[m], nothing, intrinsics, found, pixel)
        total, seen = 0.0, 0
        for channel in range(channels):
            seen, si, st, sii, sit, stt = 0, 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(count):
                if np.isnan(found[i, channel]):
                    continue
                seen += 1
                si += found[i, channel]
                st += value[i, channel]
                sii += found[i, channel] * found[i, channel]
                sit += found[i, channel] * value[i, channel]
                stt += value[i, channel] * value[i, channel]
            if seen > 1:
                spread = (sii - si * si / seen) * (stt - st * st / seen)
                if spread > 0.0:
                    total += (sit - si * st / seen) / np.sqrt(spread)
        result[m] = total / channels * seen / max(count, 1)
