from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from reloc.mesh.check import check_mesh
from reloc.mesh.load import load_mesh
from reloc.mesh.report import MeshReport
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.mesh.topology import topology
from tests import tolerances
from tests.unit.mesh.small import plain_image

PATH = Path("map.obj")


def colored(shape: trimesh.Trimesh, seed: int = 0) -> TexturedMesh:
    vertices, faces = np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32)
    colors = np.random.default_rng(seed).integers(0, 256, (len(vertices), 3), dtype=np.uint8)
    return TexturedMesh(vertices, faces, np.zeros((0, 3, 2), np.float32), np.zeros(len(faces), np.int16), (), colors)


def textured(shape: trimesh.Trimesh, *textures: np.ndarray, uv_size: float = 1.0) -> TexturedMesh:
    mesh = colored(shape)
    uv = np.tile(np.array([[0, 0], [1, 0], [0, 1]], np.float32) * uv_size, (len(mesh.faces), 1, 1))
    material = (np.arange(len(mesh.faces)) % len(textures)).astype(np.int16)
    return TexturedMesh(mesh.vertices, mesh.faces, uv, material, textures)


def photograph(side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(10, 250, (side, side, 3), dtype=np.uint8)


def sphere(subdivisions: int = 4) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions)


def report(mesh: TexturedMesh) -> MeshReport:
    return check_mesh(mesh, PATH)


def without(shape: trimesh.Trimesh, *faces: int) -> trimesh.Trimesh:
    return trimesh.Trimesh(shape.vertices, np.delete(shape.faces, faces, axis=0), process=False)


@pytest.fixture
def box() -> trimesh.Trimesh:
    return trimesh.creation.box((1.0, 2.0, 3.0))


def test_measures_of_a_box(box: trimesh.Trimesh) -> None:
    found = report(colored(box))
    assert found.extent_m == (1.0, 2.0, 3.0)
    assert found.center_m == (0.0, 0.0, 0.0)
    assert found.surface_m2 == pytest.approx(22, rel=tolerances.FLOAT32)
    assert (found.faces, found.vertices, found.holes, found.boundary_edges, found.components) == (12, 8, 0, 0, 1)
    assert found.looks == "outwards"


def test_a_room_looks_inwards(box: trimesh.Trimesh) -> None:
    box.invert()
    found = report(colored(box))
    assert found.looks == "inwards"
    assert found.mixed_winding_share == 0


def test_measures_of_real_maps_are_those_of_trimesh(castle: Path) -> None:
    mesh = load_mesh(castle / "map" / "mesh.obj")
    theirs = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
    found, links = report(mesh), topology(mesh)
    assert found.surface_m2 == pytest.approx(theirs.area, rel=tolerances.FLOAT32)
    np.testing.assert_allclose(found.extent_m, theirs.extents, rtol=tolerances.FLOAT32)
    counts = np.bincount(trimesh.grouping.unique_rows(theirs.edges_sorted)[1])
    assert links.edges == len(counts)
    assert found.boundary_edges == (counts == 1).sum()
    assert found.non_manifold_edges == (counts > 2).sum()
    assert found.components == len(trimesh.graph.connected_components(theirs.face_adjacency, nodes=np.arange(len(theirs.faces))))
    assert found.warnings == ()


# --- how the faces hang together


def test_holes_are_counted_by_their_rims() -> None:
    found = report(colored(without(sphere(), 0, 1000, 3000)))
    assert (found.holes, found.boundary_edges) == (3, 9)


def test_seams_are_no_holes(box: trimesh.Trimesh) -> None:
    box.unmerge_vertices()
    found = report(colored(box))
    assert (found.vertices, found.holes, found.components) == (36, 0, 1)


def test_a_plus_and_a_minus_zero_are_one_place() -> None:
    shape = trimesh.creation.box()
    shape.unmerge_vertices()
    vertices = np.asarray(shape.vertices) - 0.5
    vertices[::2][vertices[::2] == 0] = -0.0
    mesh = colored(trimesh.Trimesh(vertices, shape.faces, process=False))
    assert np.signbit(mesh.vertices[mesh.vertices == 0]).any()
    assert topology(mesh).boundary_edges == 0


def test_pieces() -> None:
    parts = [sphere(2).apply_translation((3 * i, 0, 0)) for i in range(3)]
    found = report(colored(trimesh.util.concatenate([*parts, without(sphere(2), *range(160)).apply_translation((0, 5, 0))])))
    assert found.components == 4
    assert found.largest_component_share == pytest.approx(320 / 1120)


def test_faces_that_touch_in_a_point_are_two_pieces() -> None:
    shape = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], [[0, 1, 2], [0, 3, 4]], process=False)
    assert topology(colored(shape)).components == 2


@pytest.mark.parametrize("turned", [0, 1, 7])
def test_faces_of_opposite_sense_are_found(turned: int) -> None:
    shape = sphere(2)
    flipped = np.arange(turned) * 3
    shape.faces[flipped] = shape.faces[flipped, ::-1]
    one, other = np.isin(trimesh.graph.face_adjacency(shape.faces), flipped).T
    assert topology(colored(shape)).mixed_edges == (one != other).sum()


def test_three_faces_at_an_edge() -> None:
    shape = trimesh.Trimesh(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0]], [[0, 1, 2], [0, 1, 3], [0, 1, 4]], process=False
    )
    links = topology(colored(shape))
    assert (links.non_manifold_edges, links.boundary_edges, links.components, links.mixed_edges) == (1, 6, 1, 0)


# --- texture


def test_texels_per_metre() -> None:
    square = trimesh.Trimesh([[0, 0, 0], [2, 0, 0], [0, 2, 0]], [[0, 1, 2]], process=False)
    assert report(textured(square, photograph(100))).texels_per_meter == pytest.approx(50)
    assert report(textured(square, photograph(100), uv_size=0.5)).texels_per_meter == pytest.approx(25)
    assert report(colored(square)).texels_per_meter is None


@pytest.mark.parametrize(
    ("empty", "untextured", "black"),
    [
        (plain_image((128, 128, 128), 2), 0.5, 0.0),
        (plain_image((128, 128, 128), 64), 0.0, 0.0),  # a wall may well be grey
        (plain_image((255, 127, 39)), 0.5, 0.0),
        (plain_image((2, 0, 3)), 0.0, 0.5),
        (plain_image((9, 9, 9)), 0.0, 0.0),
    ],
)
def test_shares_without_an_image(empty: np.ndarray, untextured: float, black: float) -> None:
    square = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], [[0, 1, 2], [1, 3, 2]], process=False)
    found = report(textured(square, photograph(), empty))
    assert found.untextured_share == pytest.approx(untextured)
    assert found.black_share == pytest.approx(black)


def test_memory_is_that_of_the_arrays_and_the_grey_levels() -> None:
    mesh = textured(sphere(1), photograph(64))
    levels = 64 * 64 + 32 * 32 + 16 * 16 + 8 * 8
    arrays = mesh.vertices.nbytes + mesh.faces.nbytes + mesh.uv.nbytes + mesh.material.nbytes + mesh.textures[0].nbytes
    assert report(mesh).memory_mib == pytest.approx((arrays + levels) / 2**20)


# --- warnings


def triangles(*corners: object) -> trimesh.Trimesh:
    points = np.array(corners, float).reshape(-1, 3)
    return trimesh.Trimesh(points, np.arange(len(points)).reshape(-1, 3), process=False)


def checkered() -> trimesh.Trimesh:
    shape = sphere()
    return trimesh.Trimesh(shape.vertices, np.concatenate([shape.faces[::2], shape.faces[1::2, ::-1]]), process=False)


PAGES = triangles(*[[(i, 0, 0), (i, 0, 1), corner] for i in range(20) for corner in ((i, 1, 0), (i, -1, 0), (i, 1, 1))])
DUST = trimesh.util.concatenate([sphere(1).apply_translation((3 * i, 0, 0)) for i in range(30)])
POINT = triangles([(0, 0, 0), (0, 0, 0), (0, 0, 1)])


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        (colored(sphere().apply_scale(1500)), "looks like millimetres, scale by 0.001"),
        (colored(sphere().apply_scale(0.01)), "The map is only 0.02 wide"),
        (colored(sphere().apply_translation((500_000, 0, 0))), "500,000 from the origin, where 32-bit coordinates come in steps"),
        (replace(colored(sphere()), vertex_colors=np.full((2562, 3), 128, np.uint8)), "serves for silhouettes only"),
        (colored(sphere()), "Colours stand at the vertices only"),
        (textured(sphere(), photograph(), plain_image((128,) * 3, 2)), "50% of the surface have no texture"),
        (textured(sphere(), photograph(), plain_image((0, 0, 0))), "50% of the surface are black"),
        (textured(sphere().apply_scale(40), photograph(8)), "texels a metre, fewer than a camera sees"),
        (colored(checkered()), "turn in opposite senses"),
        (colored(trimesh.util.concatenate([sphere(), POINT])), "1 faces have no area"),
        (colored(DUST), "falls into 30 pieces"),
        (colored(PAGES), "20 edges have three faces or more"),
        (colored(sphere().apply_scale((1, 1e-3, 1e-3))), "of the faces are needles"),
        (colored(sphere(2)), "320 faces are few"),
    ],
)
def test_each_fault_has_its_warning(mesh: TexturedMesh, words: str) -> None:
    assert [words in warning for warning in report(mesh).warnings].count(True) == 1


def test_a_good_map_has_no_warnings() -> None:
    assert report(textured(sphere(), photograph(1024))).warnings == ()


def test_many_faces_and_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.mesh.advice.MANY_FACES", 5000)
    monkeypatch.setattr("reloc.mesh.advice.MANY_MIB", 0.1)
    faces, memory = report(textured(sphere(), photograph(1024))).warnings
    assert "5,120 faces are more than tracking gains from: decimate" in faces
    assert "MiB of memory" in memory


def test_what_loading_said_comes_first_and_all_of_it_goes_into_json() -> None:
    found = check_mesh(colored(sphere(2)), PATH, ("7 faces were dropped.",))
    assert found.warnings[0] == "7 faces were dropped."
    assert json.loads(json.dumps(asdict(found)))["warnings"][0] == "7 faces were dropped."
