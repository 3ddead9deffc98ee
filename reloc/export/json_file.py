"""JSON for scripts: every convention is said in the file itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from reloc.export.selection import ExportedPoses
from reloc.files import json_line
from reloc.geometry import batch
from reloc.geometry.trajectory import format_seconds

_CONVENTION = {
    "pose": "world_from_camera: a point in the camera's space times this matrix is the point in the world",
    "camera_axes": "x right, y down, z forward",
    "units": "metres; seconds as text and nanoseconds as integers",
    "quaternion": "w, x, y, z",
    "covariance": "of exp(d) * world_from_camera, d = (translation, rotation) along the axes of the world; null if unknown",
    "pixel": "(0, 0) is the centre of the top-left pixel",
}


def json_file(poses: ExportedPoses) -> str:
    """Return the text of the file: one line for the head, one for each pose."""
    head = {
        "name": poses.name,
        "convention": _CONVENTION,
        "camera": None if poses.camera is None else asdict(poses.camera),
        "lens": None if poses.lens is None else asdict(poses.lens),
    }
    lines = ",\n".join(json_line(_pose(poses, i, matrix)) for i, matrix in enumerate(_matrices(poses)))
    return f'{json_line(head)[:-1]}, "poses": [\n{lines}\n]}}\n'


def _matrices(poses: ExportedPoses) -> np.ndarray:
    """Return the homogeneous matrices (N, 4, 4)."""
    matrices = np.tile(np.eye(4), (len(poses), 1, 1))
    matrices[:, :3, :3] = batch.rotation_matrices(poses.trajectory.quaternions)
    matrices[:, :3, 3] = poses.trajectory.translations
    return matrices


def _pose(poses: ExportedPoses, i: int, matrix: np.ndarray) -> dict[str, Any]:
    trajectory, time = poses.trajectory, int(poses.trajectory.timestamps_ns[i])
    covariance = poses.covariances[i]
    return {
        "index": int(poses.indices[i]),
        "name": poses.names[i],
        "timestamp": format_seconds(time),
        "timestamp_ns": time,
        "verdict": poses.verdicts[i],
        "score": float(poses.scores[i]),
        "translation": trajectory.translations[i],
        "quaternion_wxyz": trajectory.quaternions[i],
        "matrix": matrix,
        "covariance": covariance if np.isfinite(covariance).all() else None,
    }
