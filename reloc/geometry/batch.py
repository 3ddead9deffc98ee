"""Rotations and rigid motions by the thousand: what se3.py does for one, without a loop.

Quaternions are arrays (..., 4) in the order (w, x, y, z) and of unit length. The tangent is ordered (translation, rotation).
Formulas: Barfoot, "State Estimation for Robotics" (2017), section 7.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Below this angle the closed forms lose digits to cancellation; the Taylor series then errs by less than 1e-16.
_SMALL_ANGLE_RAD = 1e-3


def multiply(a: Array, b: Array) -> Array:
    """Return the quaternions (..., 4) of the rotations `a` after `b`."""
    (aw, ax, ay, az), (bw, bx, by, bz) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    parts = (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )
    return np.stack(parts, axis=-1)


def conjugate(wxyz: Array) -> Array:
    """Return the quaternions (..., 4) of the inverse rotations."""
    return np.asarray(wxyz * np.array([1.0, -1.0, -1.0, -1.0]))


def rotate(wxyz: Array, vectors: Array) -> Array:
    """Return `vectors` (..., 3) turned by the rotations `wxyz` (..., 4)."""
    axis = wxyz[..., 1:]
    twice = 2.0 * np.cross(axis, vectors)
    return np.asarray(vectors + wxyz[..., :1] * twice + np.cross(axis, twice))


def rotation_matrices(wxyz: Array) -> Array:
    """Return the rotation matrices (..., 3, 3) of quaternions (..., 4)."""
    return np.stack([rotate(wxyz, axis) for axis in np.eye(3)], axis=-1)


def rotation_vectors(wxyz: Array) -> Array:
    """Return the rotation vectors (..., 3) in radians, of length at most π."""
    w, axis = wxyz[..., :1], wxyz[..., 1:]
    norm = np.linalg.norm(axis, axis=-1, keepdims=True)
    # q and −q are the same rotation; the one with w ≥ 0 turns by at most π.
    angle = 2.0 * np.arctan2(norm, np.abs(w)) * np.where(w < 0, -1.0, 1.0)
    return np.asarray(np.where(norm < 1e-12, 2.0 * np.where(w < 0, -1.0, 1.0), angle / np.maximum(norm, 1e-12)) * axis)


def quaternions_from_rotation_vectors(omega: Array) -> Array:
    """Return the quaternions (..., 4) of rotation vectors (..., 3) in radians."""
    half = 0.5 * np.linalg.norm(omega, axis=-1, keepdims=True)
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * omega], axis=-1)


def rotation_angles(wxyz: Array) -> Array:
    """Return the angles (...) in radians, 0..π, by which quaternions (..., 4) turn; accurate near 0 and near π."""
    return np.asarray(2.0 * np.arctan2(np.linalg.norm(wxyz[..., 1:], axis=-1), np.abs(wxyz[..., 0])))


def motion_logs(wxyz: Array, translations: Array) -> Array:
    """Return the tangent vectors (..., 6) of rigid motions, with rotations of at most π."""
    omega = rotation_vectors(wxyz)
    square = np.sum(omega * omega, axis=-1, keepdims=True)
    small = square < _SMALL_ANGLE_RAD**2
    safe = np.where(small, 1.0, square)
    half = 0.5 * np.sqrt(safe)
    c = np.where(small, 1.0 / 12.0 + square / 720.0, (1.0 - half / np.tan(half)) / safe)
    once = np.cross(omega, translations)
    return np.concatenate([translations - 0.5 * once + c * np.cross(omega, once), omega], axis=-1)


def motion_exps(tangents: Array) -> tuple[Array, Array]:
    """Return the quaternions (..., 4) and translations (..., 3) of the motions of tangent vectors (..., 6)."""
    v, omega = tangents[..., :3], tangents[..., 3:]
    square = np.sum(omega * omega, axis=-1, keepdims=True)
    small = square < _SMALL_ANGLE_RAD**2
    safe = np.where(small, 1.0, square)
    angle = np.sqrt(safe)
    b = np.where(small, 0.5 - square / 24.0, (1.0 - np.cos(angle)) / safe)
    c = np.where(small, 1.0 / 6.0 - square / 120.0, (angle - np.sin(angle)) / (safe * angle))
    once = np.cross(omega, v)
    return quaternions_from_rotation_vectors(omega), v + b * once + c * np.cross(omega, once)
