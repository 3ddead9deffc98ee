"""What is the same of a face in every view: the plane that it lies in, and how finely its texture covers it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.mesh.textured_mesh import TexturedMesh


@dataclass(frozen=True, eq=False)
class FacePlanes:
    """Of F faces, in the order of the mesh; those without area have a plane of zeros and are never seen."""

    plane: NDArray[np.float32]
    """(F, 4) the outward unit normal n and the offset d: n · x + d is how far x lies in front of the face."""
    texels: NDArray[np.float32]
    """(F,) texels of the finest level in a unit of area; zeros where there are no textures."""


def face_planes(mesh: TexturedMesh) -> FacePlanes:
    """Return the planes of a mesh's faces and the density of their texels."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    normal = np.cross(b - a, c - a)  # as long as twice the area
    twice_area = np.linalg.norm(normal, axis=1)
    normal /= np.maximum(twice_area, np.finfo(np.float64).tiny)[:, None]
    offset = -(normal * a).sum(axis=1)
    plane = np.concatenate([normal, offset[:, None]], axis=1).astype(np.float32)
    if mesh.vertex_colors is not None:
        return FacePlanes(plane, np.zeros(len(plane), np.float32))
    sizes = np.array([texture.shape[0] * texture.shape[1] for texture in mesh.textures], np.float64)
    s, t = np.moveaxis(mesh.uv[:, 1:] - mesh.uv[:, :1], 2, 0).astype(np.float64)
    twice_texels = np.abs(s[:, 0] * t[:, 1] - t[:, 0] * s[:, 1]) * sizes[mesh.material]
    density = twice_texels / np.maximum(twice_area, np.finfo(np.float32).tiny)
    return FacePlanes(plane, np.minimum(density, np.finfo(np.float32).max).astype(np.float32))
