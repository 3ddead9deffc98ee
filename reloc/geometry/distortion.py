"""How lenses bend rays, on the plane z = 1: the polynomial model of Brown and Conrady, and the fisheye of Kannala and Brandt.

Formulas and parameter orders are those of OpenCV ("Camera Calibration and 3D Reconstruction", and "Fisheye camera model").
A fitted polynomial turns back somewhere outside the image and would map far-off rays into it a second time. Everything here
ends at that fold: beyond it there is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Newton converges in 4 to 8 steps on real lenses; the rest is for pixels close to the fold.
_NEWTON_STEPS = 40
# On the plane z = 1; times a focal length of 1000 px this is a millionth of a pixel.
_SOLVED = 1e-9
# Leading coefficients of a polynomial below this change nothing up to a radius of a million, and would overflow its roots.
_VANISHING = 1e-12
# Where Newton may begin at most, as a share of the fold: at the fold itself the slope is zero.
_START = 0.95


class Distortion(Protocol):
    """A map of the plane z = 1 onto itself."""

    def distort(self, ideal: Array) -> Array:
        """Return where the lens shows the ideal points (N, 2); NaN beyond the fold."""
        ...

    def undistort(self, distorted: Array) -> Array:
        """Return the ideal points (N, 2) that the lens shows at `distorted`; NaN where it shows none."""
        ...


@dataclass(frozen=True)
class BrownConrady:
    """Radial factor (1 + k1 s + k2 s² + k3 s³) / (1 + k4 s + k5 s² + k6 s³) with s = x² + y², and tangential p1, p2."""

    k: tuple[float, float, float, float, float, float]
    """k1 to k6."""
    p: tuple[float, float] = (0.0, 0.0)

    @cached_property
    def fold(self) -> float:
        """The radius at which the distorted radius stops growing; infinite if it never does."""
        upper, lower, s = self._upper, self._lower, Polynomial([0.0, 1.0])
        slope = (upper + 2 * s * upper.deriv()) * lower - 2 * s * upper * lower.deriv()
        return float(np.sqrt(min(_first_positive_root(slope), _first_positive_root(lower))))

    def distort(self, ideal: Array) -> Array:
        """Return where the lens shows the ideal points (N, 2); NaN beyond the fold."""
        return np.where(_radius(ideal)[:, None] < self.fold, self._formula(ideal), np.nan)

    def undistort(self, distorted: Array) -> Array:
        """Return the ideal points (N, 2) by Newton's method; NaN where the lens shows none."""
        with np.errstate(all="ignore"):  # a pixel that no ray reaches runs away, and is found out below
            ideal = distorted * np.fmin(1.0, _START * self.fold / _radius(distorted))[:, None]
            for _ in range(_NEWTON_STEPS):
                error = self._formula(ideal) - distorted
                if not (np.abs(error) > _SOLVED * 1e-6).any():
                    break
                xx, yy, xy = self._jacobian(ideal)
                step = np.stack([yy * error[:, 0] - xy * error[:, 1], xx * error[:, 1] - xy * error[:, 0]], axis=1)
                ideal = ideal - step / (xx * yy - xy * xy)[:, None]
            solved = (np.abs(self._formula(ideal) - distorted).max(axis=1) < _SOLVED) & (_radius(ideal) < self.fold)
        return np.where(solved[:, None], ideal, np.nan)

    @cached_property
    def _upper(self) -> Polynomial:
        return Polynomial([1.0, *self.k[:3]])

    @cached_property
    def _lower(self) -> Polynomial:
        return Polynomial([1.0, *self.k[3:]])

    def _formula(self, ideal: Array) -> Array:
        x, y = ideal.T
        (p1, p2), s = self.p, x * x + y * y
        factor = self._upper(s) / self._lower(s)
        return np.stack(
            [x * factor + 2 * p1 * x * y + p2 * (s + 2 * x * x), y * factor + p1 * (s + 2 * y * y) + 2 * p2 * x * y], axis=1
        )

    def _jacobian(self, ideal: Array) -> tuple[Array, Array, Array]:
        """Return the entries (N,) of the symmetric matrix ∂distorted/∂ideal: its diagonal, then what stands beside it."""
        x, y = ideal.T
        (p1, p2), s = self.p, x * x + y * y
        upper, lower = self._upper(s), self._lower(s)
        factor, slope = upper / lower, (self._upper.deriv()(s) * lower - upper * self._lower.deriv()(s)) / lower**2
        xx = factor + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
        yy = factor + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
        return xx, yy, 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y


@dataclass(frozen=True)
class KannalaBrandt:
    """Distorted radius θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸), where θ is the angle to the optical axis."""

    k: tuple[float, float, float, float]

    @cached_property
    def fold_rad(self) -> float:
        """The angle at which the distorted radius stops growing, at most π/2: a plane z = 1 holds no more."""
        slope = Polynomial([1.0, *(factor * k for factor, k in zip((3, 5, 7, 9), self.k, strict=True))])
        return min(float(np.sqrt(_first_positive_root(slope))), np.pi / 2)

    def distort(self, ideal: Array) -> Array:
        """Return where the lens shows the ideal points (N, 2); NaN beyond the fold."""
        radius = _radius(ideal)
        theta = np.arctan(radius)
        factor = np.divide(self._series(theta), radius, out=np.ones_like(radius), where=radius > 0)
        return ideal * np.where(theta < self.fold_rad, factor, np.nan)[:, None]

    def undistort(self, distorted: Array) -> Array:
        """Return the ideal points (N, 2) by Newton's method on the angle; NaN where the lens shows none."""
        radius = _radius(distorted)
        theta = np.minimum(radius, _START * self.fold_rad)
        slope = self._polynomial.deriv()
        for _ in range(_NEWTON_STEPS):
            theta = theta - (self._series(theta) - radius) / np.maximum(slope(theta), 1e-3)
            theta = np.clip(theta, 0.0, self.fold_rad)
        solved = (np.abs(self._series(theta) - radius) < _SOLVED) & (theta < self.fold_rad)
        factor = np.divide(np.tan(theta), radius, out=np.ones_like(radius), where=radius > 0)
        return distorted * np.where(solved, factor, np.nan)[:, None]

    @cached_property
    def _polynomial(self) -> Polynomial:
        k1, k2, k3, k4 = self.k
        return Polynomial([0.0, 1.0, 0.0, k1, 0.0, k2, 0.0, k3, 0.0, k4])

    def _series(self, theta: Array) -> Array:
        return np.asarray(self._polynomial(theta))


def _radius(points: Array) -> Array:
    return np.asarray(np.hypot(points[:, 0], points[:, 1]))


def _first_positive_root(polynomial: Polynomial) -> float:
    """Return the smallest positive real root, or infinity."""
    roots = polynomial.trim(_VANISHING).roots()
    real = roots.real[(np.abs(roots.imag) < 1e-9 * np.abs(roots)) & (roots.real > 0)]
    return float(real.min(initial=np.inf))
