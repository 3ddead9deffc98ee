"""CSV for spreadsheets: a column for everything that is known of a pose, with its unit in the name."""

from __future__ import annotations

import csv
import io

import numpy as np

from reloc.export.selection import ExportedPoses
from reloc.geometry.trajectory import format_seconds
from reloc.geometry.uncertainty import position_and_turn_covariance

_SIGMAS = ("sigma_x_m", "sigma_y_m", "sigma_z_m", "sigma_rot_x_deg", "sigma_rot_y_deg", "sigma_rot_z_deg")
COLUMNS = (
    "index",
    "name",
    "timestamp_s",
    "timestamp_ns",
    "verdict",
    "score",
    "x_m",
    "y_m",
    "z_m",
    "qw",
    "qx",
    "qy",
    "qz",
    *_SIGMAS,
)
"""Position and rotation of the camera in the world, and their standard deviations along the world's axes; empty if unknown."""


def csv_file(poses: ExportedPoses) -> str:
    """Return the text of the file."""
    trajectory = poses.trajectory
    values = np.hstack([trajectory.translations, trajectory.quaternions]).tolist()
    sigmas = _deviations(poses)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for i, time in enumerate(trajectory.timestamps_ns.tolist()):
        numbers = [f"{value:.9f}" for value in values[i]]
        known = [f"{value:.6g}" if np.isfinite(value) else "" for value in (poses.scores[i], *sigmas[i])]
        writer.writerow(
            [poses.indices[i], poses.names[i], format_seconds(time), time, poses.verdicts[i], known[0], *numbers, *known[1:]]
        )
    return text.getvalue()


def _deviations(poses: ExportedPoses) -> list[list[float]]:
    """Return (N, 6) standard deviations of the position in metres and of the rotation in degrees."""
    covariances = position_and_turn_covariance(poses.covariances, poses.trajectory.translations)
    with np.errstate(invalid="ignore"):
        deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    deviations[:, 3:] = np.degrees(deviations[:, 3:])
    result: list[list[float]] = deviations.tolist()
    return result
