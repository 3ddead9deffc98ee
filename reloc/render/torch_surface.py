"""Differentiable shading in torch, on the visibility of any renderer.

Which face covers a pixel is taken as fixed; where on the face the pixel's ray meets it moves with the pose. What is affine on the
plane of a face needs no correction for perspective. The texture level is taken as fixed too, for it hardly changes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from reloc.errors import ConfigError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.levels import TextureLevels, texture_levels
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.differentiable import Drawing
from reloc.render.renderer import NO_FACE, Renderer

if TYPE_CHECKING:
    from torch import Tensor


def chosen_device(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """Return `cpu` or `cuda`; `auto` is the latter where there is one.

    Raises `ConfigError` where `cuda` is asked for and there is none.
    """
    import torch

    found = bool(torch.cuda.is_available())
    if wanted == "cuda" and not found:
        raise ConfigError(
            f"there is no graphics card that torch {torch.__version__} can use; take cpu or auto, or install torch for CUDA"
        )
    return "cuda" if found and wanted != "cpu" else "cpu"


class TorchSurface:
    """Draws a mesh differentiably.

    Args:
        mesh: The map.
        visibility: What finds the face in front at each pixel; it draws the same mesh.
        device: Where torch computes, `cpu` or `cuda`.
        double: float64 rather than float32, for comparisons.
    """

    def __init__(self, mesh: TexturedMesh, visibility: Renderer, *, device: str = "cpu", double: bool = False) -> None:
        import torch

        self._torch = torch
        self._mesh = mesh
        self._visibility = visibility
        self._device = device
        self._dtype = torch.float64 if double else torch.float32

    @property
    def device(self) -> str:
        """Where the tensors live."""
        return self._device

    def draw(self, camera: PinholeCamera, camera_from_world: Tensor) -> Drawing:
        """Return the picture from a pose, a matrix (4, 4)."""
        torch = self._torch
        pose = SE3.from_matrix(camera_from_world.detach().cpu().double().numpy())
        face_id = self._visibility.render(camera, pose).face_id
        place = torch.from_numpy(np.flatnonzero(face_id != NO_FACE)).to(self._device)
        black = torch.zeros(3, face_id.size, dtype=self._dtype, device=self._device)
        color = black.index_copy(1, place, self.colors(face_id, camera, camera_from_world))
        covered = torch.from_numpy(face_id != NO_FACE).to(self._device)
        return Drawing(color.reshape(3, *face_id.shape), covered)

    def colors(self, face_id: NDArray[np.int32], camera: PinholeCamera, camera_from_world: Tensor) -> Tensor:
        """Return (3, N) RGB of the pixels of `face_id` (H, W) that show a face, row by row, for a pose (4, 4)."""
        torch = self._torch
        rows, columns = np.nonzero(face_id != NO_FACE)
        rays = self._tensor(camera.unproject(np.stack([columns, rows], axis=1)).T)
        face = torch.from_numpy(face_id[rows, columns].astype(np.int64)).to(self._device)
        rotation, translation = camera_from_world[:3, :3].to(self._dtype), camera_from_world[:3, 3].to(self._dtype)
        planes = self._planes.index_select(0, face).T.contiguous()
        normal, corner, density, slope, at_corner = planes.split([3, 3, 1, 3 * self._looks, self._looks])
        # In world space: the camera stands at −Rᵀ t, and meets the plane of the face at depth z along Rᵀ d.
        eye, ray = -(rotation.T @ translation)[:, None], rotation.T @ rays
        slant = (normal * ray).sum(0)
        z = (normal * (corner - eye)).sum(0) / torch.where(slant == 0, torch.ones_like(slant), slant)
        from_corner = (eye - corner) + z * ray
        looks = at_corner + (slope.reshape(self._looks, 3, -1) * from_corner).sum(1)
        if self._mesh.vertex_colors is not None:
            return looks
        # A pixel of area 1 / (fx fy) on the plane z = 1 sees z² / |d · n| / (fx fy) of the face.
        texels = (density[0] * z**2 / (slant.abs() * (camera.fx * camera.fy)).clamp_min(1e-30)).detach()
        return self._texture(face, looks, 0.5 * torch.log2(texels.clamp(1.0, 2.0**60)))

    def _texture(self, face: Tensor, uv: Tensor, level: Tensor) -> Tensor:
        """Return (3, N) the colours at uv (2, N), mixed from the two levels around `level` (N,)."""
        coarsest = self._offset.shape[1] - 1
        fine = level.floor().clamp(max=coarsest).long()
        coarse = (fine + 1).clamp(max=coarsest)
        material = self._material[face]
        share = (level - fine).clamp(0.0, 1.0)
        return self._torch.lerp(self._bilinear(material, fine, uv), self._bilinear(material, coarse, uv), share)

    def _bilinear(self, material: Tensor, level: Tensor, uv: Tensor) -> Tensor:
        """Return (3, N) the textures at uv (2, N); texel centres lie at (i + 0.5) / width on every level."""
        torch = self._torch
        which = material * self._offset.shape[1] + level
        size = self._sizes[:, which]
        place = torch.minimum((uv * size - 0.5).clamp_min(0.0), size - 1.0)
        corner = torch.minimum(place.detach().floor(), size - 2.0)
        a, b = place - corner
        column, row = corner.long()
        width = size[0].long()
        index = self._offset.reshape(-1)[which] + row * width + column
        top = torch.lerp(self._texel(index), self._texel(index + 1), a)
        bottom = torch.lerp(self._texel(index + width), self._texel(index + width + 1), a)
        return torch.lerp(top, bottom, b)

    def _texel(self, index: Tensor) -> Tensor:
        """Return (3, N) texels in 0..1; the atlas itself stays in bytes, for it may hold tens of millions."""
        packed = self._texels.index_select(0, index)
        return packed.view(self._torch.uint8).reshape(-1, 4)[:, :3].T.to(self._dtype) / 255.0

    def _tensor(self, values: NDArray[Any]) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device, self._dtype)

    @property
    def _looks(self) -> int:
        """How many numbers say what a point of the surface looks like: red, green and blue, or u and v."""
        return 2 if self._mesh.vertex_colors is None else 3

    @cached_property
    def _planes(self) -> Tensor:
        """(F, 7 + 4 L): unit normal, first corner, texels per area, and the affine function that gives the L looks of a point.

        On the plane of its face, what is interpolated between corners is affine in the point: slope · (X − corner) + constant.
        """
        mesh = self._mesh
        corners = mesh.vertices[mesh.faces].astype(np.float64)
        looks = mesh.uv if mesh.vertex_colors is None else mesh.vertex_colors[mesh.faces] / 255.0
        along, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        normal = np.cross(along, across)
        area = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        # The dual basis of the two sides: `first` is 1 along the one and 0 along the other.
        first, second = np.cross(across, normal) / area**2, np.cross(normal, along) / area**2
        change = looks[:, 1:].astype(np.float64) - looks[:, :1]
        slope = change[:, 0, :, None] * first[:, None, :] + change[:, 1, :, None] * second[:, None, :]
        return self._tensor(
            np.hstack([normal / area, corners[:, 0], texels_per_area(mesh)[:, None], slope.reshape(len(area), -1), looks[:, 0]])
        )

    @cached_property
    def _material(self) -> Tensor:
        return self._torch.from_numpy(self._mesh.material.astype(np.int64)).to(self._device)

    @cached_property
    def _levels(self) -> TextureLevels:
        return texture_levels(self._mesh, grey=False)

    @cached_property
    def _texels(self) -> Tensor:
        """(T,) all levels of all textures in turn: red, green, blue and a spare byte, packed to be fetched in one go."""
        packed = np.zeros((len(self._levels.texels), 4), np.uint8)
        packed[:, :3] = self._levels.texels
        return self._torch.from_numpy(packed.view(np.int32)[:, 0]).to(self._device)

    @cached_property
    def _offset(self) -> Tensor:
        """(M, L) where a level begins."""
        return self._torch.from_numpy(self._levels.offset).to(self._device)

    @cached_property
    def _sizes(self) -> Tensor:
        """(2, M L) width and height of a level."""
        return self._tensor(np.stack([self._levels.width.ravel(), self._levels.height.ravel()]))


def texels_per_area(mesh: TexturedMesh) -> NDArray[np.float64]:
    """Return (F,) how many texels of the finest level lie on a unit of area of each face; zeros for colours at the vertices."""
    if mesh.vertex_colors is not None:
        return np.zeros(len(mesh.faces))
    corners, uv = mesh.vertices[mesh.faces].astype(np.float64), mesh.uv.astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    along, across = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    texels = np.array([texture.shape[0] * texture.shape[1] for texture in mesh.textures])[mesh.material]
    in_texture = np.abs(along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0])
    return np.asarray(in_texture * texels / np.maximum(area, np.finfo(np.float64).tiny))
