"""The photometric term: surface points of the map should look in the image as they do in the rendering.

For a point X with reference intensity T, the residual is r = I(π(exp(δ) T_cw X)) − (gain · T + bias). The Jacobian takes the mean
of the gradients of image and rendering, which makes a Gauss-Newton step correct to second order (efficient second-order
minimisation; Benhimane and Malis, IROS 2004).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.problem import POSE_SIZE, NormalEquations, Unknowns
from reloc.align.robust import tukey
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
    packed: NDArray[np.float32]
    """(H, W, C, 3): value, ∂/∂u, ∂/∂v; NaN where the image is not valid."""
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
        size = POSE_SIZE + len(unknowns.exposure)
        hessian, gradient = np.zeros((size, size)), np.zeros(size)
        cost, count = _linearize(
            self.points.in_world,
            self.points.value,
            self.points.gradient,
            _NO_WEIGHT if self.weight is None else self.weight,
            self.packed,
            unknowns.rotation,
            unknowns.translation,
            unknowns.exposure,
            self.camera.intrinsics,
            self.width,
            hessian,
            gradient,
        )
        return NormalEquations(hessian, gradient, cost, count)

    def sample(self, unknowns: Unknowns) -> Samples:
        """Return the residuals and where the points fall."""
        residual = np.empty(self.points.value.shape)
        pixel = np.empty((len(self.points), 2))
        _sample(
            self.points.in_world,
            self.points.value,
            self.packed,
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
        _agreements(points.in_world, points.value, self.packed, rotations, translations, self.camera.intrinsics, result)
        return result


_NO_WEIGHT = np.empty(0)


@njit(cache=True, nogil=True, inline="always")
def _look_up(packed, u, v):  # type: ignore[no-untyped-def]
    """Return the cell and the weights of a bilinear lookup, the cell −1 where the pixel is too near the rim."""
    if not (u >= 1.0 and v >= 1.0 and u < packed.shape[1] - 2 and v < packed.shape[0] - 2):
        return -1, -1, 0.0, 0.0
    column, row = int(u), int(v)
    return column, row, u - column, v - row


@njit(cache=True, nogil=True, inline="always")
def _bilinear(packed, row, column, a, b, channel, k):  # type: ignore[no-untyped-def]
    top = (1.0 - a) * packed[row, column, channel, k] + a * packed[row, column + 1, channel, k]
    bottom = (1.0 - a) * packed[row + 1, column, channel, k] + a * packed[row + 1, column + 1, channel, k]
    return (1.0 - b) * top + b * bottom


@njit(cache=True, nogil=True)
def _linearize(points, value, reference_gradient, weight, packed, rotation, translation, exposure, intrinsics, width, hessian, gradient):  # type: ignore[no-untyped-def]
    """Accumulate H and g of every point and channel, and return (cost, number of points in view)."""
    fx, fy, cx, cy = intrinsics
    channels = value.shape[1]
    pose = np.zeros((6, 6))
    row_pose = np.empty(6)
    cost, count = 0.0, 0
    for i in range(len(points)):
        trust = 1.0 if len(weight) == 0 else weight[i]
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        x = rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + translation[0]
        y = rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + translation[1]
        z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + translation[2]
        if z <= 0.0:
            continue
        inverse = 1.0 / z
        column, row, a, b = _look_up(packed, fx * x * inverse + cx, fy * y * inverse + cy)
        if column < 0 or np.isnan(_bilinear(packed, row, column, a, b, 0, 0)):
            continue
        count += 1
        for channel in range(channels):
            gain, bias = exposure[2 * channel], exposure[2 * channel + 1]
            reference = value[i, channel]
            residual = _bilinear(packed, row, column, a, b, channel, 0) - (gain * reference + bias)
            rho, w = tukey(residual, width)
            cost += trust * rho
            w *= trust
            if w == 0.0:
                continue
            gu = 0.5 * (_bilinear(packed, row, column, a, b, channel, 1) + gain * reference_gradient[i, channel, 0])
            gv = 0.5 * (_bilinear(packed, row, column, a, b, channel, 2) + gain * reference_gradient[i, channel, 1])
            # ∂I/∂(x, y, z) by the chain rule through the pinhole, then ∂/∂δ = (∇, P × ∇) for the left perturbation.
            jx, jy = gu * fx * inverse, gv * fy * inverse
            jz = -(jx * x + jy * y) * inverse
            row_pose[0], row_pose[1], row_pose[2] = jx, jy, jz
            row_pose[3], row_pose[4], row_pose[5] = y * jz - z * jy, z * jx - x * jz, x * jy - y * jx
            k = 6 + 2 * channel
            for m in range(6):
                wj = w * row_pose[m]
                gradient[m] += wj * residual
                for n in range(m, 6):
                    pose[m, n] += wj * row_pose[n]
                hessian[m, k] -= wj * reference
                hessian[m, k + 1] -= wj
            gradient[k] -= w * reference * residual
            gradient[k + 1] -= w * residual
            hessian[k, k] += w * reference * reference
            hessian[k, k + 1] += w * reference
            hessian[k + 1, k + 1] += w
    hessian[:6, :6] = pose
    for m in range(len(gradient)):
        for n in range(m):
            hessian[m, n] = hessian[n, m]
    return cost, count


@njit(cache=True, nogil=True)
def _sample(points, value, packed, rotation, translation, exposure, intrinsics, residual, pixel):  # type: ignore[no-untyped-def]
    fx, fy, cx, cy = intrinsics
    for i in range(len(points)):
        residual[i] = np.nan
        pixel[i] = np.nan
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + translation[2]
        if z <= 0.0:
            continue
        x = rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + translation[0]
        y = rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + translation[1]
        pixel[i, 0], pixel[i, 1] = fx * x / z + cx, fy * y / z + cy
        column, row, a, b = _look_up(packed, pixel[i, 0], pixel[i, 1])
        if column < 0:
            continue
        for channel in range(value.shape[1]):
            expected = exposure[2 * channel] * value[i, channel] + exposure[2 * channel + 1]
            residual[i, channel] = _bilinear(packed, row, column, a, b, channel, 0) - expected


@njit(cache=True, nogil=True)
def _agreements(points, value, packed, rotations, translations, intrinsics, result):  # type: ignore[no-untyped-def]
    count, channels = value.shape
    image = np.empty((count, channels))
    pixel = np.empty((count, 2))
    nothing = np.zeros(2 * channels)
    for m in range(len(result)):
        _sample(points, value, packed, rotations[m], translations[m], nothing, intrinsics, image, pixel)
        total, seen = 0.0, 0
        for channel in range(channels):
            seen, si, st, sii, sit, stt = 0, 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(count):
                if np.isnan(image[i, channel]):
                    continue
                seen += 1
                si += image[i, channel]
                st += value[i, channel]
                sii += image[i, channel] * image[i, channel]
                sit += image[i, channel] * value[i, channel]
                stt += value[i, channel] * value[i, channel]
            if seen > 1:
                spread = (sii - si * si / seen) * (stt - st * st / seen)
                if spread > 0.0:
                    total += (sit - si * st / seen) / np.sqrt(spread)
        result[m] = total / channels * seen / max(count, 1)
