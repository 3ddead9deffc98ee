"""The soft silhouette as PyTorch3D draws it, with its SoftSilhouetteShader: the reference for our own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.pytorch3d.convert import camera_to_pytorch3d, squared_pixels_to_pytorch3d
from reloc.render.pytorch3d.library import require_pytorch3d
from reloc.render.pytorch3d.renderer import faces_in_view
from reloc.render.soft_outline import LEAST_ALPHA

if TYPE_CHECKING:
    from torch import Tensor


class PyTorch3dSilhouette:
    """Draws a soft silhouette with PyTorch3D; see `SoftRenderer`. All faces in view are drawn: each lacking one would be a hole.

    Args:
        mesh: The map.
        softness_px: Over how many pixels the outline fades.
        faces_per_pixel: From how many faces a pixel is put together, the nearest first.
        device: Where torch computes, `cpu` or `cuda`.

    Raises `ConfigError` where PyTorch3D is not installed.
    """

    def __init__(self, mesh: TexturedMesh, *, softness_px: float, faces_per_pixel: int, device: str = "cpu") -> None:
        require_pytorch3d()
        self._mesh = mesh
        self._softness = softness_px
        self._faces_per_pixel = faces_per_pixel
        self._device = device

    @property
    def device(self) -> str:
        """Where the tensors live."""
        return self._device

    def alpha(self, camera: PinholeCamera, camera_from_world: Tensor) -> Tensor:
        """Return (H, W) how far each pixel is covered, from a pose, a matrix (4, 4)."""
        import torch
        from pytorch3d.renderer import BlendParams, MeshRasterizer, RasterizationSettings, SoftSilhouetteShader
        from pytorch3d.structures import Meshes

        faces = faces_in_view(self._mesh, camera, SE3.from_matrix(camera_from_world.detach().cpu().double().numpy()))
        meshes = Meshes(
            [torch.from_numpy(self._mesh.vertices).to(self._device)],
            [torch.from_numpy(self._mesh.faces[faces].astype(np.int64)).to(self._device)],
        )
        sigma = squared_pixels_to_pytorch3d(self._softness**2, camera)
        settings = RasterizationSettings(
            image_size=(camera.height, camera.width),
            blur_radius=math.log(1 / LEAST_ALPHA - 1) * sigma,
            faces_per_pixel=self._faces_per_pixel,
            bin_size=0 if self._device == "cpu" else None,
        )
        found = MeshRasterizer(camera_to_pytorch3d(camera, camera_from_world, self._device), settings)(meshes)
        drawn: Tensor = SoftSilhouetteShader(BlendParams(sigma=sigma))(found, meshes)
        return drawn[0, :, :, 3]
