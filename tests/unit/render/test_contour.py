from __future__ import annotations

import numpy as np
import trimesh

from reloc.render.contour import contour, edges_of
from tests.scenes import bare_mesh, lump

EYE = np.array([3.0, 2.5, 2.0])
BOX = trimesh.creation.box()


def named(edges: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in edges.tolist()}


def test_of_a_box_seen_from_a_corner_six_edges_are_contour() -> None:
    edges = edges_of(bare_mesh(BOX.vertices, BOX.faces))
    found = named(edges.ends[contour(edges, BOX.vertices, EYE)])
    # All but the nearest and the farthest corner lie on it, each on two of the six.
    inner = {
        int(np.argmin(np.linalg.norm(BOX.vertices - EYE, axis=1))),
        int(np.argmax(np.linalg.norm(BOX.vertices - EYE, axis=1))),
    }
    assert len(edges.ends) == 18
    assert len(found) == 6
    assert sorted(corner for edge in found for corner in edge) == sorted(2 * list(set(range(8)) - inner))


def test_of_a_closed_surface_they_are_where_front_meets_back() -> None:
    mesh = lump()
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces)  # merges the poles
    towards = (whole.face_normals * (EYE - whole.triangles_center)).sum(axis=1) > 0
    pairs = whole.face_adjacency
    expected = named(whole.face_adjacency_edges[towards[pairs[:, 0]] != towards[pairs[:, 1]]])
    merged = bare_mesh(whole.vertices, whole.faces)
    edges = edges_of(merged)
    assert len(expected) > 50
    assert named(edges.ends[contour(edges, merged.vertices.astype(np.float64), EYE)]) == expected


def test_how_faces_are_turned_does_not_matter() -> None:
    turned = BOX.faces.copy()
    turned[::3] = turned[::3, ::-1]
    edges, others = edges_of(bare_mesh(BOX.vertices, BOX.faces)), edges_of(bare_mesh(BOX.vertices, turned))
    found, expected = (named(one.ends[contour(one, BOX.vertices, EYE)]) for one in (others, edges))
    assert found == expected


def test_the_rim_of_an_open_surface_is_contour_and_a_seam_is_not() -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    split = np.concatenate([square[[0, 1, 2]], square[[0, 2, 3]]])  # the diagonal's ends stand there twice
    edges = edges_of(bare_mesh(split, np.arange(6).reshape(2, 3)))
    assert len(edges.ends) == 5
    found = [frozenset(map(tuple, split[ends].tolist())) for ends in edges.ends[contour(edges, split, EYE)]]
    sides = [frozenset(map(tuple, square[[i, (i + 1) % 4]].tolist())) for i in range(4)]
    assert set(found) == set(sides)
