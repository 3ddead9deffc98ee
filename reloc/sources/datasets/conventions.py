"""How poses and pixels of datasets become ours: the one place for it. The table in the package says which needs what."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reloc.errors import TrajectoryError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

# Poses in text have four decimals and more; further off it is no rotation, or the numbers are in another order.
_ORTHOGONAL_WITHIN = 0.02
_LAST_ROW = np.array([0.0, 0.0, 0.0, 1.0])
# Of OpenGL's camera: y up instead of down, z backward instead of forward.
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0])


def rigid(values: ArrayLike, where: str) -> SE3 | None:
    """Return the motion of the numbers of a matrix (3, 4) or (4, 4), row by row; None where one of them is not finite.

    Raises `TrajectoryError`, which says `where`, for a matrix that is no rigid motion.
    """
    matrix = np.asarray(values, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(matrix).all():
        return None
    rotation = matrix[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if not off < _ORTHOGONAL_WITHIN or np.linalg.det(rotation) < 0:
        raise TrajectoryError(
            f"{where}: the first three rows and columns of a pose must be a rotation, found {rotation.tolist()}"
        )
    if len(matrix) == 4 and not np.allclose(matrix[3], _LAST_ROW):
        raise TrajectoryError(f"{where}: the last row of a pose must be 0 0 0 1, found {matrix[3].tolist()}")
    return SE3.from_matrix(matrix)


def from_opengl(world_from_opengl: SE3) -> SE3:
    """Return world_from_camera of a camera that was given with OpenGL's axes: x right, y up, z backward."""
    return SE3(world_from_opengl.rotation @ _OPENGL_FROM_OPENCV, world_from_opengl.translation)


def from_rotation_vector(camera_from_world: ArrayLike) -> SE3:
    """Return world_from_camera of (rotation vector, translation) (6,) of camera_from_world, as ARKitScenes writes it."""
    vector = np.asarray(camera_from_world, dtype=np.float64)
    turn = SE3.exp(np.concatenate([np.zeros(3), vector[:3]]))
    return SE3(turn.rotation, vector[3:]).inverse()


def lens(
    model: LensModel,
    size: tuple[int, int],
    intrinsics: tuple[float, float, float, float],
    distortion: tuple[float, ...] = (),
    *,
    pixel_center: float = 0.0,
) -> LensCamera:
    """Return the lens of (fx, fy, cx, cy) of a format that puts the centre of the top-left pixel at `pixel_center`."""
    fx, fy, cx, cy = intrinsics
    return LensCamera(model, *size, fx, fy, cx - pixel_center, cy - pixel_center, distortion)
