"""From our conventions to PyTorch3D's, each in one place.

Its camera space has x to the left, y up and z forward, its rotations act on rows (X R + T), and the corner of its top-left pixel
is (0, 0), where ours is the pixel's centre. Its textures have v upwards from the bottom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.mesh.levels import TextureLevels
from reloc.mesh.textured_mesh import TexturedMesh

if TYPE_CHECKING:
    from torch import Tensor


def pose_to_pytorch3d(camera_from_world: Tensor) -> tuple[Tensor, Tensor]:
    """Return R (1, 3, 3) and T (1, 3) of a pose (4, 4), differentiably: x and y turn round, and the rotation is transposed."""
    turned = camera_from_world[:3] * camera_from_world.new_tensor([[-1.0], [-1.0], [1.0]])
    return turned[:, :3].T[None], turned[:, 3][None]


def intrinsics_to_pytorch3d(camera: PinholeCamera) -> dict[str, Any]:
    """Return what PyTorch3D's `PerspectiveCameras` takes in pixels: half a pixel is added to the principal point."""
    return {
        "focal_length": ((camera.fx, camera.fy),),
        "principal_point": ((camera.cx + 0.5, camera.cy + 0.5),),
        "image_size": ((camera.height, camera.width),),
        "in_ndc": False,
    }


def camera_to_pytorch3d(camera: PinholeCamera, camera_from_world: Tensor, device: str) -> Any:
    """Return PyTorch3D's `PerspectiveCameras` of a camera at a pose (4, 4), differentiable by the pose."""
    import torch
    from pytorch3d.renderer import PerspectiveCameras

    rotation, translation = pose_to_pytorch3d(camera_from_world.to(device, torch.float32))
    return PerspectiveCameras(R=rotation, T=translation, device=device, **intrinsics_to_pytorch3d(camera))


def squared_pixels_to_pytorch3d(squared_px: float, camera: PinholeCamera) -> float:
    """Return a squared distance in pixels in PyTorch3D's unit: the shorter side of an image is 2 long."""
    return squared_px * (2 / min(camera.width, camera.height)) ** 2


def uv_to_pytorch3d(uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return texture coordinates (..., 2) with v upwards; both span the texture from corner to corner (align_corners=False)."""
    return np.asarray(np.stack([uv[..., 0], 1.0 - uv[..., 1]], axis=-1), np.float32)


def maps_to_pytorch3d(levels: TextureLevels, level: int) -> NDArray[np.float32]:
    """Return (M, H, W, 3) in 0..1 one level of all textures, enlarged to one size, for PyTorch3D knows no textures of several."""
    images = [levels.image(texture, level) for texture in range(len(levels.offset))]
    size = max(image.shape[1] for image in images), max(image.shape[0] for image in images)
    maps = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in images])
    return np.asarray(maps / 255, np.float32)


def textures_to_pytorch3d(mesh: TexturedMesh, faces: NDArray[np.int64], maps: Tensor | None, device: str) -> Any:
    """Return PyTorch3D's textures of some of a mesh's faces: `TexturesUV` of `maps` (M, H, W, 3), or `TexturesVertex`."""
    import torch
    from pytorch3d.renderer import TexturesUV, TexturesVertex

    if mesh.vertex_colors is not None:
        return TexturesVertex([torch.from_numpy(mesh.vertex_colors.astype(np.float32) / 255).to(device)])
    assert maps is not None
    uv = torch.from_numpy(uv_to_pytorch3d(mesh.uv[faces]).reshape(-1, 2)).to(device)
    corners = torch.arange(len(uv), device=device).reshape(-1, 3)
    several = len(maps) > 1
    which = [torch.from_numpy(mesh.material[faces].astype(np.int64)).to(device)] if several else None
    return TexturesUV(maps[None] if several else maps, [corners], [uv], maps_ids=which, align_corners=False)
