"""A renderer that lets PyTorch3D decide what is in front, and differentiates through it."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.levels import texture_levels
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.differentiable import Drawing
from reloc.render.pytorch3d.convert import (
    camera_to_pytorch3d,
    maps_to_pytorch3d,
    textures_to_pytorch3d,
)
from reloc.render.pytorch3d.library import require_pytorch3d
from reloc.render.renderer import NO_FACE, Rendering
from reloc.render.software import SoftwareRenderer
from reloc.render.torch_surface import texels_per_area

if TYPE_CHECKING:
    from torch import Tensor

# The near plane as a share of the map's diagonal, as of our z-buffer.
_NEAR_SHARE = 1e-3

_log = logging.getLogger(__name__)


class PyTorch3dRenderer:
    """Draws a mesh with PyTorch3D's rasteriser; see `Renderer` and `DifferentiableRenderer`.

    Its processor code tests every face at every pixel, so only faces in view are given to it.

    Args:
        mesh: The map.
        faces: At most so many are drawn: where more are in view, those that our z-buffer sees, the largest in the image first.
        device: Where torch computes, `cpu` or `cuda`.

    Raises `ConfigError` where PyTorch3D is not installed.
    """

    def __init__(self, mesh: TexturedMesh, *, faces: int, device: str = "cpu") -> None:
        require_pytorch3d()
        self._mesh = mesh
        self._most = faces
        self._device = device
        self._software = SoftwareRenderer(mesh)
        low, high = mesh.bounds
        self._near = _NEAR_SHARE * float(np.linalg.norm(high - low))
        self._maps: dict[PinholeCamera, Tensor] = {}
        self._warned = False

    @property
    def mesh(self) -> TexturedMesh:
        """The mesh that is drawn."""
        return self._mesh

    @property
    def software(self) -> SoftwareRenderer:
        """Our own renderer of the same mesh, which shades for this one."""
        return self._software

    @property
    def device(self) -> str:
        """Where the tensors live."""
        return self._device

    def render(self, camera: PinholeCamera, camera_from_world: SE3) -> Rendering:
        """Return which face is in front at every pixel."""
        import torch

        with torch.no_grad():
            faces, _, found = self._rasterize(camera, torch.from_numpy(camera_from_world.matrix))
        index = found.pix_to_face[0, :, :, 0].cpu().numpy()
        covered = index >= 0
        face_id = np.full(index.shape, NO_FACE, np.int32)
        face_id[covered] = faces[index[covered]]
        depth = np.where(covered, found.zbuf[0, :, :, 0].cpu().numpy(), 0).astype(np.float32)
        weights = np.where(covered[:, :, None], found.bary_coords[0, :, :, 0, 1:].cpu().numpy(), 0).astype(np.float32)
        return Rendering(camera, camera_from_world, face_id, depth, weights)

    def shade(self, rendering: Rendering, *, color: bool = False) -> NDArray[np.float32]:
        """Return the luminance (H, W), or with `color` the RGB picture (H, W, 3), by our own texture lookups."""
        return self._software.shade(rendering, color=color)

    def facing(self, rendering: Rendering) -> NDArray[np.float32]:
        """Return (H, W) the cosine between outward normal and direction to the camera; 0 where nothing is covered."""
        return self._software.facing(rendering)

    def draw(self, camera: PinholeCamera, camera_from_world: Tensor) -> Drawing:
        """Return the picture from a pose, a matrix (4, 4), by PyTorch3D's own lookups under ambient light."""
        import torch

        _, meshes, found = self._rasterize(camera, camera_from_world)
        covered = found.pix_to_face[0, :, :, 0] >= 0
        color = meshes.sample_textures(found)[0, :, :, 0] if len(meshes.faces_packed()) else torch.zeros(*covered.shape, 3)
        return Drawing((color * covered[:, :, None]).permute(2, 0, 1), covered)

    def _rasterize(self, camera: PinholeCamera, camera_from_world: Tensor) -> tuple[NDArray[np.int64], Any, Any]:
        """Return the faces that were drawn, as indices into the mesh's, PyTorch3D's mesh of them, and its fragments."""
        import torch
        from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
        from pytorch3d.structures import Meshes

        pose = SE3.from_matrix(camera_from_world.detach().cpu().double().numpy())
        faces = self._faces_for(camera, pose)
        maps = None if self._mesh.vertex_colors is not None else self._maps_for(camera, pose)
        meshes = Meshes(
            [torch.from_numpy(self._mesh.vertices).to(self._device)],
            [torch.from_numpy(self._mesh.faces[faces].astype(np.int64)).to(self._device)],
            textures_to_pytorch3d(self._mesh, faces, maps, self._device),
        )
        cameras = camera_to_pytorch3d(camera, camera_from_world, self._device)
        settings = RasterizationSettings(
            image_size=(camera.height, camera.width),
            perspective_correct=True,
            clip_barycentric_coords=False,
            z_clip_value=self._near,
            bin_size=0 if self._device == "cpu" else None,
        )
        return faces, meshes, MeshRasterizer(cameras, settings)(meshes)

    def _faces_for(self, camera: PinholeCamera, pose: SE3) -> NDArray[np.int64]:
        """Return the faces to draw: those in view, or if they are too many the largest of those that our z-buffer sees."""
        in_view = faces_in_view(self._mesh, camera, pose)
        if len(in_view) <= self._most:
            return in_view
        if not self._warned:
            self._warned = True
            _log.warning(
                "%d faces are in view: PyTorch3D draws only those %d that our z-buffer finds largest (pytorch3d.faces)",
                len(in_view),
                self._most,
            )
        rendering = self._software.render(camera, pose)
        pixels = np.bincount(rendering.face_id[rendering.covered], minlength=len(self._mesh.faces))
        ranked = np.argsort(-pixels, kind="stable")[: self._most]
        return np.sort(ranked[pixels[ranked] > 0])

    def _maps_for(self, camera: PinholeCamera, pose: SE3) -> Tensor:
        """Return the textures at the one level whose texels are about as large as the pixels of a camera where it first stood."""
        import torch

        if camera not in self._maps:
            levels = texture_levels(self._mesh, grey=False)
            rendering = self._software.render(camera, pose)
            face, depth = rendering.face_id[rendering.covered], rendering.depth[rendering.covered]
            texels = texels_per_area(self._mesh)[face] * depth**2 / (camera.fx * camera.fy)
            level = round(0.5 * math.log2(max(float(np.median(texels)), 1.0))) if len(texels) else 0
            maps = maps_to_pytorch3d(levels, min(level, levels.offset.shape[1] - 1))
            self._maps[camera] = torch.from_numpy(maps).to(self._device)
        return self._maps[camera]


def faces_in_view(mesh: TexturedMesh, camera: PinholeCamera, camera_from_world: SE3) -> NDArray[np.int64]:
    """Return the faces that may show in the image: all but those that lie wholly beyond one side of it, or behind the camera."""
    x, y, z = camera_from_world.apply(mesh.vertices.astype(np.float64)).T
    left, right = (camera.cx + 1) / camera.fx, (camera.width - camera.cx) / camera.fx
    top, bottom = (camera.cy + 1) / camera.fy, (camera.height - camera.cy) / camera.fy
    sides = np.stack([z <= 0, x < -left * z, x > right * z, y < -top * z, y > bottom * z])
    return np.flatnonzero(~sides[:, mesh.faces].all(axis=2).any(axis=0))
