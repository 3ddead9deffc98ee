"""Rigid motions in three dimensions: the group SE(3) and its tangent space.

The tangent is ordered (translation, rotation): δ = (v, ω) in metres and radians. Formulas: Barfoot, "State Estimation for
Robotics" (2017), sections 7.1 and 7.2; Solà et al., "A micro Lie theory for state estimation in robotics" (2018), appendix D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Below this angle the closed forms lose digits to cancellation; the Taylor series then errs by less than 1e-16.
_SMALL_ANGLE_RAD = 1e-3


def hat(vector: Array) -> Array:
    """Return the (3, 3) matrix [v]× such that [v]× p = v × p."""
    x, y, z = vector.tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def _polynomial(omega: Array, first: float, second: float) -> Array:
    """Return I + first [ω]× + second [ω]×² (3, 3): all functions of a rotation vector are such, by Cayley and Hamilton.

    Written out, since of so few numbers each array that is made costs more than the arithmetic.
    """
    x, y, z = omega.tolist()
    xy, xz, yz = second * x * y, second * x * z, second * y * z
    xx, yy, zz = second * x * x, second * y * y, second * z * z
    x, y, z = first * x, first * y, first * z
    return np.array([[1.0 - yy - zz, xy - z, xz + y], [xy + z, 1.0 - xx - zz, yz - x], [xz - y, yz + x, 1.0 - xx - yy]])


def rotation_exp(omega: ArrayLike) -> Array:
    """Return the (3, 3) rotation matrix of the rotation vector `omega` (3,) in radians (Rodrigues)."""
    w = np.asarray(omega, dtype=np.float64)
    a, b, _ = _rodrigues_coefficients(_length(w))
    return _polynomial(w, a, b)


def rotation_log(rotation: Array) -> Array:
    """Return the rotation vector (3,) in radians, of length at most π, of a (3, 3) rotation matrix."""
    w, x, y, z = quaternion_from_matrix(rotation).tolist()
    norm = math.sqrt(x * x + y * y + z * z)
    factor = 2.0 * math.atan2(norm, w) / norm if norm > 1e-12 else 2.0  # w ≥ 0 here, so atan2(n, w) / n → 1
    return np.array([factor * x, factor * y, factor * z])


def left_jacobian(omega: ArrayLike) -> Array:
    """Return V (3, 3), the left Jacobian of SO(3): the translation of exp(v, ω) is V(ω) v (Barfoot 7.37)."""
    w = np.asarray(omega, dtype=np.float64)
    _, b, c = _rodrigues_coefficients(_length(w))
    return _polynomial(w, b, c)


def inverse_left_jacobian(omega: Array) -> Array:
    """Return V⁻¹ (3, 3) for a rotation vector of length at most π (Barfoot 7.37)."""
    half = _length(omega) / 2
    # (1 − (θ/2) cot(θ/2)) / θ²
    c = (1.0 - half / math.tan(half)) / (4 * half**2) if 2 * half > _SMALL_ANGLE_RAD else (1.0 + half**2 / 15) / 12
    return _polynomial(omega, -0.5, c)


def _length(vector: Array) -> float:
    return math.sqrt(vector @ vector)


def _rodrigues_coefficients(angle: float) -> tuple[float, float, float]:
    """Return sin θ / θ, (1 − cos θ) / θ² and (θ − sin θ) / θ³."""
    if angle < _SMALL_ANGLE_RAD:
        square = angle * angle
        return 1.0 - square / 6.0, 0.5 - square / 24.0, 1.0 / 6.0 - square / 120.0
    if not math.isfinite(angle):  # where math.sin raises
        return math.nan, math.nan, math.nan
    sine, cosine = math.sin(angle), math.cos(angle)
    return sine / angle, (1.0 - cosine) / angle**2, (angle - sine) / angle**3


def quaternion_from_matrix(rotation: Array) -> Array:
    """Return the unit quaternion (w, x, y, z) with w ≥ 0 of a (3, 3) rotation matrix (Shepperd's method)."""
    m = np.asarray(rotation, dtype=np.float64).tolist()  # numbers of Python's are looked up several times as fast
    diagonal = m[0][0], m[1][1], m[2][2]
    trace = sum(diagonal)
    # Each candidate divides by one component; the largest of the four keeps the digits.
    i = max(range(3), key=diagonal.__getitem__)
    if trace >= diagonal[i]:
        q = [1.0 + trace, m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]]
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q = [m[k][j] - m[j][k], 0.0, 0.0, 0.0]
        q[1 + i] = 1.0 + diagonal[i] - diagonal[j] - diagonal[k]
        q[1 + j] = m[j][i] + m[i][j]
        q[1 + k] = m[k][i] + m[i][k]
    length = math.hypot(*q)
    return np.array(q) / (-length if q[0] < 0 else length)


def matrix_from_quaternion(wxyz: ArrayLike) -> Array:
    """Return the (3, 3) rotation matrix of the quaternion (w, x, y, z), which is normalised first."""
    w, x, y, z = np.asarray(wxyz, dtype=np.float64).tolist()
    length = math.sqrt(w * w + x * x + y * y + z * z) or math.nan
    w, x, y, z = w / length, x / length, y / length, z / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def xyzw_from_wxyz(wxyz: Array) -> Array:
    """Reorder quaternions (..., 4) for the files and viewers that put the real part last."""
    return np.roll(wxyz, -1, axis=-1)


def wxyz_from_xyzw(xyzw: Array) -> Array:
    """Reorder quaternions (..., 4) that come with the real part last."""
    return np.roll(xyzw, 1, axis=-1)


@dataclass(frozen=True, eq=False)
class SE3:
    """A rigid motion x ↦ R x + t, float64. Name instances `a_from_b`, so that a_from_b @ b_from_c is a_from_c."""

    rotation: Array
    """(3, 3) rotation matrix."""
    translation: Array
    """(3,) in metres."""

    @classmethod
    def identity(cls) -> Self:
        """Return the motion that moves nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def exp(cls, tangent: ArrayLike) -> Self:
        """Return the motion of the tangent vector (v, ω) (6,)."""
        delta = np.asarray(tangent, dtype=np.float64)
        omega = delta[3:]
        a, b, c = _rodrigues_coefficients(_length(omega))
        return cls(_polynomial(omega, a, b), _polynomial(omega, b, c) @ delta[:3])

    @classmethod
    def from_quaternion(cls, wxyz: ArrayLike, translation: ArrayLike) -> Self:
        """Build from a quaternion (w, x, y, z), which is normalised, and a translation (3,)."""
        return cls(matrix_from_quaternion(wxyz), np.array(translation, dtype=np.float64))

    @classmethod
    def from_matrix(cls, matrix: ArrayLike) -> Self:
        """Build from a (4, 4) or (3, 4) matrix; the rotation is projected onto SO(3) through its quaternion."""
        m = np.asarray(matrix, dtype=np.float64)
        return cls.from_quaternion(quaternion_from_matrix(m[:3, :3]), m[:3, 3])

    def log(self) -> Array:
        """Return the tangent vector (v, ω) (6,) with |ω| ≤ π."""
        omega = rotation_log(self.rotation)
        return np.concatenate([inverse_left_jacobian(omega) @ self.translation, omega])

    def inverse(self) -> SE3:
        """Return b_from_a of this a_from_b."""
        return SE3(self.rotation.T, -(self.rotation.T @ self.translation))

    def __matmul__(self, other: SE3) -> SE3:
        """Compose: a_from_b @ b_from_c is a_from_c."""
        return SE3(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def apply(self, points: Array) -> Array:
        """Move points (..., 3) from space b to space a."""
        return points @ self.rotation.T + self.translation

    def adjoint(self) -> Array:
        """Return Ad (6, 6) with self @ exp(δ) = exp(Ad δ) @ self, for the tangent order (translation, rotation)."""
        result = np.zeros((6, 6))
        result[:3, :3] = result[3:, 3:] = self.rotation
        result[:3, 3:] = hat(self.translation) @ self.rotation
        return result

    def normalized(self) -> SE3:
        """Return the same motion with its rotation put back onto SO(3), for products of many factors."""
        return SE3.from_quaternion(self.wxyz, self.translation)

    @cached_property
    def wxyz(self) -> Array:
        """The unit quaternion (w, x, y, z), w ≥ 0."""
        return quaternion_from_matrix(self.rotation)

    @property
    def matrix(self) -> Array:
        """The (4, 4) homogeneous matrix."""
        result = np.eye(4)
        result[:3, :3], result[:3, 3] = self.rotation, self.translation
        return result

    @property
    def is_finite(self) -> bool:
        """Whether no entry is NaN or infinite."""
        return bool(np.isfinite(self.rotation).all() and np.isfinite(self.translation).all())

    def __eq__(self, other: Any) -> bool:
        """Compare bit by bit; for closeness measure `rotation_angle_to` and the translations."""
        if not isinstance(other, SE3):
            return NotImplemented
        return np.array_equal(self.rotation, other.rotation) and np.array_equal(self.translation, other.translation)

    __hash__ = None  # type: ignore[assignment]


def rotation_angle(a: SE3, b: SE3) -> float:
    """Return the angle in radians between the rotations of two motions, accurate near zero and near π."""
    return float(np.linalg.norm(rotation_log(a.rotation.T @ b.rotation)))


def interpolate(a: SE3, b: SE3, fraction: float) -> SE3:
    """Return the motion at `fraction` (0 at `a`, 1 at `b`) along the geodesic that joins the two."""
    return (a @ SE3.exp(fraction * (a.inverse() @ b).log())).normalized()
