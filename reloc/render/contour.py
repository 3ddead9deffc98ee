"""The edges of a mesh at which its surface turns away from the camera: of them its outline is made, and folds inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.mesh.textured_mesh import TexturedMesh
from reloc.mesh.topology import welded


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of a mesh, each with two faces beside it; where three faces meet, each with the next."""

    ends: NDArray[np.int64]
    """(E, 2) vertices."""
    beside: NDArray[np.int64]
    """(E, 2) the third corners of the two faces; twice the same at the rim of the surface, where there is but one."""


def edges_of(mesh: TexturedMesh) -> Edges:
    """Return the edges of a mesh, vertices at the same place counting as one: files split them where textures meet.

    Faces with two corners at one place have no sides, and are left out.
    """
    place = welded(mesh.vertices)
    corners = mesh.faces[(place[mesh.faces] != np.roll(place[mesh.faces], 1, axis=1)).all(axis=1)].astype(np.int64)
    start, end, third = corners.ravel(), np.roll(corners, -1, axis=1).ravel(), np.roll(corners, -2, axis=1).ravel()
    low, high = np.minimum(place[start], place[end]), np.maximum(place[start], place[end])
    key = low * (int(place.max()) + 1) + high
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    alone = ~(np.append(same, False) | np.append(False, same))
    one, other = (np.concatenate([order[:-1][same], order[alone]]), np.concatenate([order[1:][same], order[alone]]))
    return Edges(np.stack([start[one], end[one]], axis=1), np.stack([third[one], third[other]], axis=1))


def contour(edges: Edges, vertices_in_world: NDArray[np.float64], eye_in_world: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which edges have all of the surface beside them on one side, seen from an eye: however their faces are turned."""
    a, b, c, d = (vertices_in_world[index] - eye_in_world for index in (*edges.ends.T, *edges.beside.T))
    through = np.cross(a, b)
    return np.flatnonzero((through * c).sum(axis=1) * (through * d).sum(axis=1) > 0)
