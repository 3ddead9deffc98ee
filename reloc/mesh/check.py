"""Looks a map over before it is used: size, texture, holes, and what may go wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.mesh.advice import warnings_about
from reloc.mesh.clean import PLAIN_GREY
from reloc.mesh.levels import texel_count
from reloc.mesh.report import MeshReport
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.mesh.topology import topology

BLACK = 3
"""Texels up to this value in all channels count as black: what texturing programs leave where no image saw the surface."""
OPENMVS_EMPTY = (255, 127, 39)
"""The orange that OpenMVS gives to faces that no image saw (TextureMesh --empty-color)."""
_JPEG_SLACK = 12


def check_mesh(mesh: TexturedMesh, path: Path, notes: tuple[str, ...] = ()) -> MeshReport:
    """Return what a map is like. `notes` are what loading it had to say; they come first among the warnings."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1) / 2
    edges = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    low, high = mesh.bounds.astype(np.float64)
    links = topology(mesh)
    untextured, black = _without_image(mesh, areas)
    sizes = tuple((texture.shape[1], texture.shape[0]) for texture in mesh.textures)
    report = MeshReport(
        path=str(path),
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        extent_m=_triple(high - low),
        center_m=_triple((high + low) / 2),
        surface_m2=float(areas.sum()),
        median_edge_m=float(np.median(edges)),
        color=_color(mesh),
        textures=sizes,
        texels_per_meter=_texels_per_meter(mesh, areas),
        untextured_share=untextured,
        black_share=black,
        boundary_edges=links.boundary_edges,
        holes=links.boundary_loops,
        components=links.components,
        largest_component_share=links.largest_component_share,
        non_manifold_edges=links.non_manifold_edges,
        mixed_winding_share=links.mixed_edges / max(links.edges - links.boundary_edges - links.non_manifold_edges, 1),
        looks="outwards" if ((corners.mean(axis=1) - (low + high) / 2) * normals).sum() > 0 else "inwards",
        degenerate_faces=int((areas == 0).sum()),
        needle_share=float((edges.max(axis=1) ** 2 > 200 * areas).mean()),
        memory_mib=_memory_mib(mesh, list(sizes)),
    )
    return replace(report, warnings=(*notes, *warnings_about(report)))


def _triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z


def _color(mesh: TexturedMesh) -> str:
    if mesh.vertex_colors is None:
        return "texture"
    return "none" if (mesh.vertex_colors == PLAIN_GREY).all() else "vertices"


def _texels_per_meter(mesh: TexturedMesh, areas: NDArray[np.float64]) -> float | None:
    """Return the median over the textured faces of the square root of texels per square metre."""
    if not mesh.textures:
        return None
    uv = mesh.uv.astype(np.float64)
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    texels = np.array([texture.shape[0] * texture.shape[1] for texture in mesh.textures])[mesh.material]
    texels = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2 * texels
    density = np.divide(texels, areas, out=np.zeros_like(areas), where=areas > 0)
    return float(np.sqrt(np.median(density[density > 0]))) if (density > 0).any() else None


def _without_image(mesh: TexturedMesh, areas: NDArray[np.float64]) -> tuple[float, float]:
    """Return the shares of the surface without a texture of its own and with a black one, by the middles of the faces."""
    if not mesh.textures:
        return float(_color(mesh) == "none"), 0.0
    middle = np.empty((len(mesh.faces), 3), np.int16)
    plain = np.zeros(len(mesh.faces), bool)
    for index, texture in enumerate(mesh.textures):
        faces = np.flatnonzero(mesh.material == index)
        size = np.array([texture.shape[1], texture.shape[0]])
        x, y = np.clip((mesh.uv[faces].mean(axis=1) * size).astype(np.int64), 0, size - 1).T
        middle[faces] = texture[y, x]
        plain[faces] = texture.size <= 12 and bool((texture == PLAIN_GREY).all())
    filler = (np.abs(middle - np.array(OPENMVS_EMPTY, np.int16)) <= _JPEG_SLACK).all(axis=1)
    black = (middle <= BLACK).all(axis=1)
    total = areas.sum()
    return float(areas[plain | filler].sum() / total), float(areas[black].sum() / total)


def _memory_mib(mesh: TexturedMesh, sizes: list[tuple[int, int]]) -> float:
    arrays: list[NDArray[Any]] = [mesh.vertices, mesh.faces, mesh.uv, mesh.material, *mesh.textures]
    arrays += [] if mesh.vertex_colors is None else [mesh.vertex_colors]
    return float(sum(array.nbytes for array in arrays) + texel_count(sizes)) / 2**20
