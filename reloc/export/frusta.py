"""What a camera path looks like: small pyramids that show where each camera looks, and colours that say how far to trust it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.export.selection import ExportedPoses
from reloc.geometry import batch
from reloc.geometry.camera import PinholeCamera

Array = NDArray[np.float64]
Colors = NDArray[np.uint8]

# Closer together than this many of their lengths, pyramids hide the path and one another.
_SPACING = 1.5
_MOST_FRUSTA = 1000
# Of the diagonal of the box around the path.
_DEPTH_SHARE = 0.03
_DEPTH_OF_A_POINT_M = 0.1
_USUAL_CAMERA = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
_COLORS = {
    "TRACKED": (46, 160, 67),
    "LIMITED": (150, 170, 30),
    "INTERPOLATED": (230, 190, 40),
    "COASTING": (235, 130, 30),
    "RELOCALISING": (112, 96, 228),
    "LOST": (215, 45, 45),
}
_UNKNOWN = (60, 120, 215)

EDGES = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]])
"""Of a pyramid whose corner 0 is the camera and 1 to 4 go round the image from its top left."""
TRIANGLES = np.array([[0, 2, 1], [0, 3, 2], [0, 4, 3], [0, 1, 4], [1, 2, 3], [1, 3, 4]])


def frustum_depth(poses: ExportedPoses) -> float:
    """Return how long to draw the pyramids: in proportion to the path, in the unit of the poses."""
    extent = float(np.linalg.norm(np.ptp(poses.trajectory.translations, axis=0)))
    return _DEPTH_SHARE * extent if extent > 0 else _DEPTH_OF_A_POINT_M


def chosen_frames(poses: ExportedPoses) -> NDArray[np.int64]:
    """Return the poses to draw a pyramid at: the first, the last, and as many between as the eye can tell apart."""
    along = np.zeros(len(poses))
    np.cumsum(np.linalg.norm(np.diff(poses.trajectory.translations, axis=0), axis=1), out=along[1:])
    spacing = max(_SPACING * frustum_depth(poses), along[-1] / _MOST_FRUSTA)
    reached = np.searchsorted(along, np.arange(0.0, along[-1], spacing))
    return np.unique(np.concatenate([[0], reached, [len(poses) - 1]])).astype(np.int64)


def frusta(poses: ExportedPoses, frames: NDArray[np.int64], depth: float) -> Array:
    """Return the corners (F, 5, 3) of the pyramids of `frames` (F,) in the frame of the poses."""
    camera = poses.camera or (poses.lens.pinhole if poses.lens is not None else _USUAL_CAMERA)
    left, right, top, bottom = -0.5, camera.width - 0.5, -0.5, camera.height - 0.5
    corners = camera.unproject(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
    in_camera = depth * np.vstack([np.zeros(3), corners])
    turned = batch.rotate(poses.trajectory.quaternions[frames][:, None], in_camera[None])
    return np.asarray(turned + poses.trajectory.translations[frames][:, None])


def colors(poses: ExportedPoses) -> Colors:
    """Return a colour (N, 3) for each pose: green for tracked, olive for limited, yellow for interpolated; blue for unknown."""
    return np.array([_COLORS.get(verdict, _UNKNOWN) for verdict in poses.verdicts], dtype=np.uint8)
