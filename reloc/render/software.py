"""The default renderer: our z-buffer and texture lookups, on one core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.levels import TextureLevels, texture_levels
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.clusters import cluster_faces
from reloc.render.planes import face_planes
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
        self._planes = face_planes(mesh)
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
        weights = np.zeros((camera.height, camera.width, 2), dtype=np.float32)
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
            weights,
        )
        depth = np.divide(1.0, inverse_depth, out=np.zeros_like(inverse_depth), where=face_id != NO_FACE)
        weights *= depth[:, :, None]
        return Rendering(camera, camera_from_world, face_id, depth, weights)

    def shade(self, rendering: Rendering, *, color: bool = False) -> NDArray[np.float32]:
        """Return the luminance (H, W), or with `color` the RGB picture (H, W, 3), in 0..1; 0 where nothing is covered."""
        mesh, shape = self._mesh, rendering.face_id.shape
        if mesh.vertex_colors is not None:
            colors = mesh.vertex_colors.astype(np.float32) / 255
            shown = colors if color else colors @ _LUMINANCE[:, None]
            image = np.zeros((*shape, shown.shape[1]), dtype=np.float32)
            shade_vertex_colors(rendering.face_id, rendering.weights, mesh.faces, shown, image)
            return image if color else image[:, :, 0]
        image = np.zeros((*shape, 3) if color else shape, dtype=np.float32)
        levels = self._texture_levels(color)
        shade_texture(
            rendering.face_id,
            rendering.depth,
            rendering.weights,
            self._planes.plane,
            self._planes.texels,
            mesh.uv,
            mesh.material,
            levels.texels,
            levels.offset,
            levels.width,
            levels.height,
            *_view(rendering),
            image,
        )
        return image

    def facing(self, rendering: Rendering) -> NDArray[np.float32]:
        """Return (H, W) the cosine between the face's outward normal and the direction to the camera."""
        cosine = np.empty(rendering.face_id.shape, dtype=np.float32)
        facing_cosine(rendering.face_id, rendering.depth, self._planes.plane, *_view(rendering), cosine)
        return cosine

    def _texture_levels(self, color: bool) -> TextureLevels:
        """Build the levels when they are first wanted: tracking in luminance never pays for the colour ones."""
        if color not in self._levels:
            self._levels[color] = texture_levels(self._mesh, grey=not color)
        return self._levels[color]


def _view(rendering: Rendering) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the camera is in the world, and its intrinsics."""
    return rendering.camera_from_world.inverse().translation, rendering.camera.intrinsics
