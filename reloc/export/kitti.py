"""KITTI odometry: poses.txt with the upper three rows of world_from_camera a line, times.txt with the seconds of each.

The axes are KITTI's own (x right, y down, z forward). KITTI begins at the identity: ask for the frame `first` to get that.
"""

from __future__ import annotations

import numpy as np

from reloc.export.selection import ExportedPoses
from reloc.geometry import batch
from reloc.geometry.trajectory import format_seconds


def kitti_files(poses: ExportedPoses) -> dict[str, str]:
    """Return the text of each file."""
    trajectory = poses.trajectory
    matrices = np.concatenate([batch.rotation_matrices(trajectory.quaternions), trajectory.translations[:, :, None]], axis=2)
    rows = [" ".join(f"{value:.12g}" for value in row) for row in matrices.reshape(-1, 12).tolist()]
    times = [format_seconds(time) for time in trajectory.timestamps_ns.tolist()]
    return {"poses.txt": "\n".join(rows) + "\n", "times.txt": "\n".join(times) + "\n"}
