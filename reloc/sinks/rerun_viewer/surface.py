"""The map as graphics hardware wants it: one texture coordinate a vertex, one texture a surface, textures of bounded size."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.mesh.textured_mesh import TexturedMesh

logger = logging.getLogger(__name__)

MOST_TEXELS = 8 * 1024 * 1024
"""All textures together: 24 MB. A viewer keeps them uncompressed, and so does a recording."""
LONGEST_SIDE_PX = 4096
"""What every WebGL 2 implementation in use can hold."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles of one material."""

    vertices: NDArray[np.float32]
    """(V, 3) in world space; a vertex on a seam of the texture stands here once for each side."""
    triangles: NDArray[np.uint32]
    """(F, 3)."""
    uv: NDArray[np.float32] | None
    """(V, 2), origin at the top-left corner."""
    texture: NDArray[np.uint8] | None
    vertex_colors: NDArray[np.uint8] | None


def surfaces_of(mesh: TexturedMesh) -> list[Surface]:
    """Return the mesh as one surface a material, its textures halved until they fit `MOST_TEXELS` and `LONGEST_SIDE_PX`."""
    if mesh.vertex_colors is not None or not mesh.textures:
        return [Surface(mesh.vertices, mesh.faces.astype(np.uint32), None, None, mesh.vertex_colors)]
    textures = _bounded(mesh.textures)
    used = np.unique(mesh.material)
    return [_textured(mesh, mesh.material == material, textures[material]) for material in used]


def _textured(mesh: TexturedMesh, chosen: NDArray[np.bool_], texture: NDArray[np.uint8]) -> Surface:
    corner_vertex, corner_uv = mesh.faces[chosen].ravel(), np.ascontiguousarray(mesh.uv[chosen].reshape(-1, 2))
    # Equal bits are equal coordinates here: they were copied from one table when the file was read.
    uv_bits = corner_uv.view(np.uint64).ravel()
    order = np.lexsort((uv_bits, corner_vertex))
    sorted_vertex, sorted_bits = corner_vertex[order], uv_bits[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (sorted_vertex[1:] != sorted_vertex[:-1]) | (sorted_bits[1:] != sorted_bits[:-1])
    triangles = np.empty(len(order), np.uint32)
    triangles[order] = np.cumsum(is_first) - 1
    firsts = order[is_first]
    return Surface(mesh.vertices[corner_vertex[firsts]], triangles.reshape(-1, 3), corner_uv[firsts], texture, None)


def _bounded(textures: tuple[NDArray[np.uint8], ...]) -> list[NDArray[np.uint8]]:
    result = [_halved(texture, _halvings(max(texture.shape[:2]) / LONGEST_SIDE_PX)) for texture in textures]
    texels = sum(texture.shape[0] * texture.shape[1] for texture in result)
    result = [_halved(texture, _halvings((texels / MOST_TEXELS) ** 0.5)) for texture in result]
    if any(after is not before for after, before in zip(result, textures, strict=True)):
        before_px, after_px = (max(max(texture.shape[:2]) for texture in some) for some in (textures, result))
        logger.info("the viewer shows the map's textures reduced, the largest from %d to %d pixels", before_px, after_px)
    return result


def _halvings(excess: float) -> int:
    """Return how often to halve the sides of what is `excess` times too long."""
    return max(0, int(np.ceil(np.log2(excess))))


def _halved(texture: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Return the texture with its sides divided by 2^times through area averages, which keeps its texture coordinates true."""
    if times == 0:
        return texture
    size = max(1, texture.shape[1] >> times), max(1, texture.shape[0] >> times)
    return np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)
