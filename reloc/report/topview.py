"""The map from above, and where points of the world are in that picture.

Nobody says which way is up, but whoever carries a camera mostly holds it level. What faces down is left out, so that one looks
through ceilings into rooms while roofs stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.geometry import batch
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from reloc.sinks.pictures import as_bytes

Array = NDArray[np.float64]

# From so many times the size of what is shown away, heights hardly shift anything sideways.
_DISTANCE = 40.0
# The camera's right-hand axes span the ground if they point in directions that differ by more than about this, in radians.
_TURNED = 0.1
# Maps have far outliers: the picture shows what lies between these percentiles,
_PERCENTILES = (0.5, 99.5)
# and of a map that is much larger than the path no more than so many of its lengths around it.
_AROUND = 2.0
_MARGIN = 0.04
_SIZE_PX = 1000
_WEBP_QUALITY = 78


@dataclass(frozen=True, eq=False)
class TopView:
    """A picture of the map from above."""

    webp: bytes
    """The picture, transparent where there is no map."""
    camera: PinholeCamera
    camera_from_world: SE3
    up: Array
    """(3,) unit vector in the world, towards who looks."""
    metres_per_px: float
    """At the height of the path."""

    def pixels(self, points_in_world: Array) -> Array:
        """Return (N, 2) where points (N, 3) are in the picture."""
        return np.asarray(self.camera.project(self.camera_from_world.apply(points_in_world)))


def up_direction(quaternions: Array) -> Array:
    """Return the unit vector (3,) in the world that is up for cameras of world_from_camera `quaternions` (N, 4), (w, x, y, z).

    A camera that is not rolled has its right-hand axis level, however it is pitched: up is what is at right angles to all of
    these axes. Where they all point the same way, up is the mean of the cameras' own, made level.
    """
    rights = batch.rotate(quaternions, np.broadcast_to([1.0, 0.0, 0.0], (len(quaternions), 3)))
    ups = batch.rotate(quaternions, np.broadcast_to([0.0, -1.0, 0.0], (len(quaternions), 3))).mean(axis=0)
    values, vectors = np.linalg.eigh(rights.T @ rights / len(rights))
    if values[1] > _TURNED**2:
        up = vectors[:, 0] * (1.0 if vectors[:, 0] @ ups >= 0 else -1.0)
    else:
        up = ups - vectors[:, 2] * (vectors[:, 2] @ ups)
    length = float(np.linalg.norm(up))
    return np.asarray(up / length if length > 0 else np.array([0.0, 0.0, 1.0]))


def top_view(mesh: TexturedMesh, positions: Array, up: Array) -> TopView:
    """Draw the map around the path through `positions` (N, 3), at least one, from above."""
    world_from_view = _orientation(up)
    low, high = _box(mesh.vertices @ world_from_view, positions @ world_from_view)
    if high[1] - low[1] > high[0] - low[0]:  # pages are wider than high
        world_from_view = world_from_view @ np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        low, high = _box(mesh.vertices @ world_from_view, positions @ world_from_view)
    camera, camera_from_world, metres_per_px = _camera(world_from_view, low, high, positions)
    return TopView(_draw(mesh, up, camera, camera_from_world), camera, camera_from_world, up, metres_per_px)


def _orientation(up: Array) -> Array:
    """Return the rotation (3, 3) world_from_view: z looks down, x lies along one of the map's own axes as well as it can."""
    axis = np.eye(3)[np.argmin(np.abs(up))]
    right = axis - up * (up @ axis)
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(-up, right), -up])


def _box(vertices: Array, path: Array) -> tuple[Array, Array]:
    """Return the corners (3,) of what to show, along the axes of the view."""
    low, high = path.min(axis=0), path.max(axis=0)
    map_low, map_high = np.percentile(vertices, _PERCENTILES, axis=0)
    around = _AROUND * max(float(np.linalg.norm(high - low)), 0.1 * float(np.linalg.norm(map_high - map_low)))
    low, high = np.minimum(low, np.maximum(map_low, low - around)), np.maximum(high, np.minimum(map_high, high + around))
    margin = _MARGIN * max(float((high - low)[:2].max()), 1e-6)
    return low - margin, high + margin


def _camera(world_from_view: Array, low: Array, high: Array, positions: Array) -> tuple[PinholeCamera, SE3, float]:
    """Return a camera high above the middle of the box, its pose and the metres a pixel at the height of the path."""
    size = high - low
    metres_per_px = float(size[:2].max()) / _SIZE_PX
    width, height = (max(16, round(side / metres_per_px)) for side in size[:2])
    distance = _DISTANCE * float(size.max())
    centre = world_from_view @ np.array([*(low + high)[:2] / 2, np.median(positions @ world_from_view[:, 2])])
    pose = SE3(world_from_view, centre - distance * world_from_view[:, 2])
    focal = distance / metres_per_px
    return PinholeCamera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2), pose.inverse(), metres_per_px


def _draw(mesh: TexturedMesh, up: Array, camera: PinholeCamera, camera_from_world: SE3) -> bytes:
    renderer = SoftwareRenderer(_facing(mesh, up))
    rendering = renderer.render(camera, camera_from_world)
    color = as_bytes(renderer.shade(rendering, color=True))
    shown = np.dstack([color[..., ::-1], np.where(rendering.covered, 255, 0).astype(np.uint8)])
    good, encoded = cv2.imencode(".webp", shown, [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY])
    assert good
    return encoded.tobytes()


def _facing(mesh: TexturedMesh, up: Array) -> TexturedMesh:
    """Return the mesh without the faces that look down; all of it if that would leave nothing."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    kept = normals @ up > 0
    if not kept.any():
        return mesh
    uv = mesh.uv[kept] if len(mesh.uv) == len(kept) else mesh.uv
    return replace(mesh, faces=mesh.faces[kept], uv=uv, material=mesh.material[kept])
