"""EuRoC (ASL): a CSV file with nanoseconds, position and a quaternion whose real part comes first.

R is the reference frame, here the map's; S is the sensor, here the camera: p_RS and q_RS are world_from_camera.
"""

from __future__ import annotations

import numpy as np

from reloc.export.selection import ExportedPoses

_HEADER = "#timestamp [ns],p_RS_R_x [m],p_RS_R_y [m],p_RS_R_z [m],q_RS_w [],q_RS_x [],q_RS_y [],q_RS_z []"


def euroc_file(poses: ExportedPoses) -> str:
    """Return the text of the file."""
    trajectory = poses.trajectory
    values = np.hstack([trajectory.translations, trajectory.quaternions]).tolist()
    times = trajectory.timestamps_ns.tolist()
    rows = [f"{time}," + ",".join(f"{value:.9f}" for value in row) for time, row in zip(times, values, strict=True)]
    return "\n".join([_HEADER, *rows]) + "\n"
