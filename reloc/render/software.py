"""The default renderer: our z-buffer and texture lookups, on one core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.levels import TextureLevels, texture_levels
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.clusters import cluster_faces
from reloc.render.renderer import NO_FACE, Rendering
from reloc.render.shading import facing_cosine, shade_texture, shade_vertex_colors
from reloc.render.zbuffer import rasterize

# The near plane as a share of the map's diagonal: 5 mm in a room, whatever the unit of the map.
_NEAR_SHARE = 1e-3
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as cv2.COLOR_RGB2GRAY


class SoftwareRenderer:
    """Draws a mesh without a graphics card; see `Renderer` for what its methods return."""

    def __init__(self, mesh: TexturedMesh) -> None:
        self._mesh = mesh
        self._clusters = cluster_faces(mesh.vertices, mesh.faces)
        low, high = mesh.bounds
        self._near = _NEAR_SHARE * float(np.linalg.norm(high - low))
        self._levels: dict[bool, TextureLevels] = {}

    @property
    def mesh(self) -> TexturedMesh:
        """The mesh that is drawn."""
        return self._mesh

    def render(self, camera: PinholeCamera, camera_from_world: SE3) -> Rendering:
        """Return which face is in front at every pixel."""
        face_id = np.full((camera.height, camera.width), NO_FACE, dtype=np.int32)
        inverse_depth = np.zeros((camera.height, camera.width), dtype=np.float32)
        clusters = self._clusters
        rasterize(
            clusters.vertices,
            clusters.first_vertex,
            clusters.corners,
            clusters.order,
            clusters.centers,
            clusters.radii,
            np.ascontiguousarray(camera_from_world.rotation),
            camera_from_world.translation,
            camera.intrinsics,
            self._near,
            face_id,
            inverse_depth,
        )
        depth = np.divide(1.0, inverse_depth, out=np.zeros_like(inverse_depth), where=face_id != NO_FACE)
        return Rendering(camera, camera_from_world, face_id, depth)

    def shade(self, rendering: Rendering, *, color: bool = False) -> NDArray[np.float32]:
        """Return the luminance (H, W), or with `color` the RGB picture (H, W, 3), in 0..1; 0 where nothing is covered."""
        image = np.zeros((*rendering.face_id.shape, 3 if color else 1), dtype=np.float32)
        mesh = self._mesh
        surface = (rendering.face_id, mesh.vertices, mesh.faces)
        view = self._view(rendering)
        if mesh.vertex_colors is not None:
            colors = mesh.vertex_colors.astype(np.float32) / 255
            shade_vertex_colors(*surface, colors if color else colors @ _LUMINANCE[:, None], *view, image)
        else:
            levels = self._texture_levels(color)
            texels = levels.texels.reshape(-1, image.shape[2])
            tables = (levels.offset, levels.width, levels.height)
            shade_texture(*surface, mesh.uv, mesh.material, texels, *tables, *view, image)
        return image if color else image[:, :, 0]

    def facing(self, rendering: Rendering) -> NDArray[np.float32]:
        """Return (H, W) the cosine between the face's outward normal and the direction to the camera."""
        cosine = np.zeros(rendering.face_id.shape, dtype=np.float32)
        facing_cosine(rendering.face_id, self._mesh.vertices, self._mesh.faces, *self._view(rendering), cosine)
        return cosine

    def _view(self, rendering: Rendering) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        pose = rendering.camera_from_world
        return np.ascontiguousarray(pose.rotation), pose.translation, rendering.camera.intrinsics

    def _texture_levels(self, color: bool) -> TextureLevels:
        """Build the levels when they are first wanted: tracking in luminance never pays for the colour ones."""
        if color not in self._levels:
            self._levels[color] = texture_levels(self._mesh, grey=not color)
        return self._levels[color]
