"""PLY: the camera path as a coloured triangle mesh, to lay over the map in any viewer; the frame is that of the poses.

A tube of three sides follows the path and breaks off where there is a gap; pyramids show where the cameras look. Viewers
seldom draw the edges that PLY also knows, so everything is triangles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.export.frusta import TRIANGLES, chosen_frames, colors, frusta, frustum_depth
from reloc.export.selection import DEFAULT_GAP_S, ExportedPoses

Array = NDArray[np.float64]
Faces = NDArray[np.int32]

_RADIUS_SHARE = 0.06  # of the length of a pyramid


def ply_file(poses: ExportedPoses, gap_s: float = DEFAULT_GAP_S) -> bytes:
    """Return the content of a binary PLY. Its first 3 N vertices go round the N positions, three each."""
    depth, frames, shades = frustum_depth(poses), chosen_frames(poses), colors(poses)
    rings = _rings(poses, gap_s, _RADIUS_SHARE * depth)
    vertices = np.vstack([rings.reshape(-1, 3), frusta(poses, frames, depth).reshape(-1, 3)])
    vertex_colors = np.vstack([np.repeat(shades, 3, axis=0), np.repeat(shades[frames], 5, axis=0)])
    pyramids = (3 * len(poses) + 5 * np.arange(len(frames)))[:, None, None] + TRIANGLES
    faces = np.vstack([_tube(poses, gap_s), pyramids.reshape(-1, 3)]).astype(np.int32)
    return _encode(vertices, vertex_colors, faces)


def _rings(poses: ExportedPoses, gap_s: float, radius: float) -> Array:
    """Return (N, 3, 3): three points around each position, across the direction of the path."""
    offsets = np.empty((len(poses), 3, 3))
    angles = np.arange(3) * (2.0 * np.pi / 3.0)
    for part in poses.parts(gap_s):
        tangents, across = _frames_along(poses.trajectory.translations[part])
        up = np.cross(tangents, across)
        offsets[part] = np.cos(angles)[:, None] * across[:, None] + np.sin(angles)[:, None] * up[:, None]
    return np.asarray(poses.trajectory.translations[:, None] + radius * offsets)


def _frames_along(positions: Array) -> tuple[Array, Array]:
    """Return unit tangents (N, 3), and unit vectors (N, 3) across them that turn no more than the path does."""
    steps = np.diff(positions, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    tangents, across = np.empty_like(positions), np.empty_like(positions)
    moving = np.flatnonzero(lengths > 0)
    tangent = steps[moving[0]] / lengths[moving[0]] if len(moving) else np.array([0.0, 0.0, 1.0])
    side = np.array([1.0, 0.0, 0.0])
    for i in range(len(positions)):
        # Where the camera stands still the last direction goes on.
        if i < len(steps) and lengths[i] > 0:
            tangent = steps[i] / lengths[i]
        side = side - (side @ tangent) * tangent
        norm = float(np.sqrt(side @ side))
        if norm < 1e-6:  # the path turned into the side direction: any other across it will do
            side = np.cross(tangent, np.eye(3)[np.argmin(np.abs(tangent))])
            norm = float(np.sqrt(side @ side))
        side = side / norm
        tangents[i], across[i] = tangent, side
    return tangents, across


def _tube(poses: ExportedPoses, gap_s: float) -> Faces:
    """Return the triangles (T, 3) between neighbouring rings of each part of the path."""
    joined = np.ones(len(poses), dtype=np.bool_)
    joined[[part.stop - 1 for part in poses.parts(gap_s)]] = False
    start = 3 * np.flatnonzero(joined)[:, None]
    a, b = start + np.arange(3), start + (np.arange(3) + 1) % 3
    return (
        np.stack([np.stack([a, b, b + 3], axis=-1), np.stack([a, b + 3, a + 3], axis=-1)], axis=-2)
        .reshape(-1, 3)
        .astype(np.int32)
    )


def _encode(vertices: Array, shades: NDArray[np.uint8], faces: Faces) -> bytes:
    # Doubles, since the coordinates of a surveyed map have more digits than a float holds.
    head = [
        "ply",
        "format binary_little_endian 1.0",
        "comment camera path by reloc",
        f"element vertex {len(vertices)}",
        *(f"property double {axis}" for axis in "xyz"),
        *(f"property uchar {color}" for color in ("red", "green", "blue")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    vertex_rows = np.empty(len(vertices), dtype=[("position", "<f8", 3), ("color", "u1", 3)])
    vertex_rows["position"], vertex_rows["color"] = vertices, shades
    face_rows = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    face_rows["count"], face_rows["corners"] = 3, faces
    return "\n".join(head).encode("ascii") + vertex_rows.tobytes() + face_rows.tobytes()
