"""Points of the map, for programs that want some beside the poses, such as those that train splats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh

Array = NDArray[np.float64]

_GREY = 128


@dataclass(frozen=True, eq=False)
class ColoredPoints:
    """A cloud of points in the same frame as the poses that go with it."""

    positions: Array
    """(P, 3)"""
    colors: NDArray[np.uint8]
    """(P, 3) RGB."""

    def moved(self, target_from_world: SE3, scale: float) -> ColoredPoints:
        """Return the points with their positions multiplied by `scale`, and then in another frame."""
        return ColoredPoints(target_from_world.apply(scale * self.positions), self.colors)


def points_of_mesh(mesh: TexturedMesh) -> ColoredPoints:
    """Return the vertices with their colours; of a texture, the texel that one of the triangles has there."""
    positions = mesh.vertices.astype(np.float64)
    if mesh.vertex_colors is not None:
        return ColoredPoints(positions, mesh.vertex_colors)
    colors = np.full((len(positions), 3), _GREY, dtype=np.uint8)
    for material, texture in enumerate(mesh.textures):
        faces = np.flatnonzero(mesh.material == material)
        size = np.array([texture.shape[1], texture.shape[0]])
        column, row = np.clip(np.floor(mesh.uv[faces] * size), 0, size - 1).astype(np.int64).reshape(-1, 2).T
        colors[mesh.faces[faces].reshape(-1)] = texture[row, column]
    return ColoredPoints(positions, colors)
