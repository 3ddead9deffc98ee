"""What Intel's ray caster (embreex) sees: the judge of our z-buffer, which shares no code with it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3


@dataclass(frozen=True, eq=False)
class View:
    """The first hit of the ray through every pixel centre."""

    face_id: np.ndarray
    """(H, W), −1 where the ray meets nothing."""
    depth: np.ndarray
    """(H, W) along z, 0 where the ray meets nothing."""
    cosine: np.ndarray
    """(H, W) between the ray and the face's normal, 0..1: an error of the depth grows as one over it."""

    @property
    def silhouettes(self) -> np.ndarray:
        """(H, W), true at pixels with a neighbour that the mesh does not cover or that is more than 5 % nearer or farther."""
        kernel = np.ones((3, 3), np.uint8)
        depth = self.depth.astype(np.float32)
        return cv2.dilate(depth, kernel) - cv2.erode(depth, kernel) > 0.05 * depth


class RayCaster:
    """Casts rays from one place at one mesh."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, camera_from_world: SE3) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        # In camera space the rays begin at the origin, where Embree's float32 is finest.
        corners = camera_from_world.apply(vertices[faces].astype(np.float64)).astype(np.float32)
        self._scene = EmbreeScene(robust=True)
        self._mesh = TriangleMesh(self._scene, corners)

    def view(self, camera: PinholeCamera, near: float = 0.0) -> View:
        """Return what lies beyond the plane z = near."""
        v, u = np.mgrid[: camera.height, : camera.width]
        rays = camera.unproject(np.stack([u, v], axis=-1).reshape(-1, 2)).astype(np.float32)
        hits = self._scene.run(rays * np.float32(near), rays, output=True)
        face_id = hits["primID"].astype(np.int64)
        depth = np.where(face_id >= 0, hits["tfar"].astype(np.float64) + near, 0.0)
        norms = np.linalg.norm(hits["Ng"], axis=1) * np.linalg.norm(rays, axis=1)
        cosine = np.abs((hits["Ng"] * rays).sum(axis=1)) / np.maximum(norms, np.finfo(np.float32).tiny)
        return View(face_id.reshape(u.shape), depth.reshape(u.shape), np.where(face_id >= 0, cosine, 0.0).reshape(u.shape))
