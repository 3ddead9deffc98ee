"""What solver and residual terms share: the unknowns, and what a term says about them at a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

POSE_SIZE = 6


@dataclass(frozen=True, eq=False)
class Unknowns:
    """The pose and the exposure that are solved for: 6 + 2 C numbers in the tangent, for C channels."""

    rotation: Array
    """(3, 3) of camera_from_world."""
    translation: Array
    """(3,) of camera_from_world."""
    exposure: Array
    """(2 C,): gain and bias of each channel in turn."""

    @classmethod
    def at(cls, camera_from_world: SE3, exposure: Array) -> Unknowns:
        """Start from a pose and an exposure."""
        rotation = np.ascontiguousarray(camera_from_world.rotation, dtype=np.float64)
        return cls(rotation, np.asarray(camera_from_world.translation, dtype=np.float64), exposure)

    def moved(self, step: Array) -> Unknowns:
        """Return exp(δ) @ camera_from_world and exposure + Δ for a step (δ, Δ)."""
        rotation, translation = np.empty((3, 3)), np.empty(3)
        _compose_exp(step, self.rotation, self.translation, rotation, translation)
        return Unknowns(rotation, translation, self.exposure + step[POSE_SIZE:])

    @property
    def camera_from_world(self) -> SE3:
        """The pose, its rotation put back onto SO(3)."""
        return SE3(_orthonormal(self.rotation), self.translation)


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """A quadratic model of a cost: cost + gᵀ δ + ½ δᵀ H δ."""

    hessian: Array
    """(6 + 2 C, 6 + 2 C), Gauss-Newton's."""
    gradient: Array
    """(6 + 2 C,)."""
    cost: float
    count: int = 0
    """How many measurements were in view, for terms that have any."""

    def __add__(self, other: NormalEquations) -> NormalEquations:
        """Terms add up."""
        return NormalEquations(
            self.hessian + other.hessian, self.gradient + other.gradient, self.cost + other.cost, self.count + other.count
        )


@runtime_checkable
class ResidualTerm(Protocol):
    """One reason to prefer a pose. Its measurements keep their number; those out of view weigh nothing."""

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return the cost and its quadratic model at these unknowns."""
        ...


@njit(cache=True, nogil=True)
def normal_equations(jacobian, residual, weight):  # type: ignore[no-untyped-def]
    """Return H = J W Jᵀ and g = J W r for a Jacobian (P, N) with one unknown a row."""
    size = len(jacobian)
    hessian, gradient = np.zeros((size, size)), np.zeros(size)
    add_products(jacobian, residual, weight, hessian, gradient)
    return hessian, gradient


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def add_products(jacobian, residual, weight, hessian, gradient):  # type: ignore[no-untyped-def]
    """Add J W Jᵀ to H and J W r to g for a Jacobian (P, N) with one unknown a row: long rows become vector instructions."""
    size, count = jacobian.shape
    weighted = np.empty(count)
    for m in range(size):
        row = jacobian[m]
        total = 0.0
        for k in range(count):
            weighted[k] = weight[k] * row[k]
            total += weighted[k] * residual[k]
        gradient[m] += total
        for n in range(m, size):
            other = jacobian[n]
            total = 0.0
            for k in range(count):
                total += weighted[k] * other[k]
            hessian[m, n] += total
            hessian[n, m] = hessian[m, n]


@njit(cache=True, nogil=True)
def _orthonormal(rotation):  # type: ignore[no-untyped-def]
    """Return the rotation nearest to a product of some rotations, by one step of Newton's R (3 − RᵀR) / 2."""
    result = np.empty((3, 3))
    square = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            square[i, j] = rotation[0, i] * rotation[0, j] + rotation[1, i] * rotation[1, j] + rotation[2, i] * rotation[2, j]
    for i in range(3):
        for j in range(3):
            product = rotation[i, 0] * square[0, j] + rotation[i, 1] * square[1, j] + rotation[i, 2] * square[2, j]
            result[i, j] = 1.5 * rotation[i, j] - 0.5 * product
    return result


@njit(cache=True, nogil=True)
def _compose_exp(step, rotation, translation, new_rotation, new_translation):  # type: ignore[no-untyped-def]
    """Write exp(step[:6]) @ (rotation, translation); the compiled twin of SE3.exp and SE3.__matmul__."""
    wx, wy, wz = step[3], step[4], step[5]
    square = wx * wx + wy * wy + wz * wz
    if square < 1e-6:
        a, b, c = 1.0 - square / 6.0, 0.5 - square / 24.0, 1.0 / 6.0 - square / 120.0
    else:
        angle = np.sqrt(square)
        a, b, c = np.sin(angle) / angle, (1.0 - np.cos(angle)) / square, (angle - np.sin(angle)) / (square * angle)
    for column in range(4):
        if column < 3:
            x, y, z = rotation[0, column], rotation[1, column], rotation[2, column]
        else:
            x, y, z = translation[0], translation[1], translation[2]
        dot = wx * x + wy * y + wz * z
        cx, cy, cz = wy * z - wz * y, wz * x - wx * z, wx * y - wy * x
        # Rodrigues: R p = p + a ω × p + b ω × (ω × p), with ω × (ω × p) = ω (ω · p) − |ω|² p.
        rx = x + a * cx + b * (wx * dot - square * x)
        ry = y + a * cy + b * (wy * dot - square * y)
        rz = z + a * cz + b * (wz * dot - square * z)
        if column < 3:
            new_rotation[0, column], new_rotation[1, column], new_rotation[2, column] = rx, ry, rz
        else:
            new_translation[0], new_translation[1], new_translation[2] = rx, ry, rz
    vx, vy, vz = step[0], step[1], step[2]
    dot = wx * vx + wy * vy + wz * vz
    # V v = v + b ω × v + c ω × (ω × v)
    new_translation[0] += vx + b * (wy * vz - wz * vy) + c * (wx * dot - square * vx)
    new_translation[1] += vy + b * (wz * vx - wx * vz) + c * (wy * dot - square * vy)
    new_translation[2] += vz + b * (wx * vy - wy * vx) + c * (wz * dot - square * vz)
