"""How the faces of a mesh hang together: edges, holes, pieces, and the sense in which the faces turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.mesh.textured_mesh import TexturedMesh


@dataclass(frozen=True)
class Topology:
    """Counts over a mesh whose vertices at the same place count as one: files split them where textures meet."""

    edges: int
    boundary_edges: int
    """Edges of one face alone: the rims of holes and the outer border."""
    boundary_loops: int
    """Rims that hang together."""
    non_manifold_edges: int
    """Edges of three faces and more."""
    mixed_edges: int
    """Edges whose two faces turn in opposite senses, so that one of them looks backwards."""
    components: int
    """Pieces that are connected through edges."""
    largest_component_share: float
    """Share 0..1 of the faces in the largest piece."""


def topology(mesh: TexturedMesh) -> Topology:
    """Return how the faces of a mesh hang together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    faces = welded(mesh.vertices)[mesh.faces]
    start, end = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    low, high = np.minimum(start, end), np.maximum(start, end)
    _, edge, count = np.unique(low * (int(faces.max()) + 1) + high, return_inverse=True, return_counts=True)
    forward = np.bincount(edge, weights=start < end)
    face = np.repeat(np.arange(len(faces)), 3)
    # Faces that share an edge are neighbours: chain the faces around each edge.
    order = np.argsort(edge, kind="stable")
    same = edge[order][1:] == edge[order][:-1]
    pairs = face[order][:-1][same], face[order][1:][same]
    graph = coo_array((np.ones(len(pairs[0]), bool), pairs), shape=(len(faces), len(faces)))
    components, label = connected_components(graph, directed=False)
    rim = count[edge] == 1
    return Topology(
        edges=len(count),
        boundary_edges=int((count == 1).sum()),
        boundary_loops=_loops(low[rim], high[rim]),
        non_manifold_edges=int((count > 2).sum()),
        mixed_edges=int(((count == 2) & (forward != 1)).sum()),
        components=int(components),
        largest_component_share=float(np.bincount(label).max() / len(faces)),
    )


def welded(vertices: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return (V,) of each vertex a number that vertices at the same place share."""
    keys = np.ascontiguousarray(vertices + np.float32(0)).view(np.dtype((np.void, 12))).reshape(-1)  # −0 and 0 are one place
    _, number = np.unique(keys, return_inverse=True)
    return number.astype(np.int64)


def _loops(start: NDArray[np.int64], end: NDArray[np.int64]) -> int:
    """Return how many pieces the boundary edges form."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places, index = np.unique(np.stack([start, end]), return_inverse=True)
    if not len(places):
        return 0
    index = index.reshape(2, -1)
    graph = coo_array((np.ones(len(start), bool), (index[0], index[1])), shape=(len(places), len(places)))
    return int(connected_components(graph, directed=False)[0])
