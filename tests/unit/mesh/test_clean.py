from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reloc.errors import MeshError
from reloc.mesh.clean import clean
from reloc.mesh.raw import MISSING, RawMesh
from reloc.mesh.textured_mesh import TexturedMesh
from tests import tolerances
from tests.unit.mesh.small import GREEN, RED, plain_image

PATH = Path("maps/house.obj")


def raw(
    faces: object,
    *,
    vertices: object = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (9, 9, 9)),
    uv: object = None,
    material: object = None,
    textures: int = 0,
    colors: bool = True,
    problems: tuple[str, ...] = (),
) -> RawMesh:
    points = np.array(vertices, np.float32).reshape(-1, 3)
    index = np.array(faces, np.int32).reshape(-1, 3)
    return RawMesh(
        points,
        index,
        None if uv is None else np.array(uv, np.float32).reshape(len(index), 3, 2),
        np.full(len(index), 0 if textures else MISSING, np.int32) if material is None else np.array(material, np.int32),
        tuple(plain_image(color) for color in (RED, GREEN)[:textures]),
        np.arange(len(points) * 3, dtype=np.uint8).reshape(-1, 3) if colors else None,
        (),
        problems,
    )


def cleaned(mesh: RawMesh, *, require_color: bool = True) -> TexturedMesh:
    return clean(mesh, PATH, require_color=require_color)[0]


def notes(mesh: RawMesh) -> tuple[str, ...]:
    return clean(mesh, PATH, require_color=False)[2]


def test_a_good_mesh_passes_unchanged() -> None:
    source = raw([[0, 1, 2], [1, 3, 2], [0, 1, 4]])
    mesh, colored, said = clean(source, PATH, require_color=True)
    np.testing.assert_array_equal(mesh.vertices, source.vertices)
    np.testing.assert_array_equal(mesh.faces, source.faces)
    np.testing.assert_array_equal(mesh.vertex_colors, source.vertex_colors)
    assert (colored, said, mesh.name) == (True, (), "house")
    assert (mesh.vertices.dtype, mesh.faces.dtype, mesh.uv.dtype, mesh.material.dtype) == (
        np.float32,
        np.int32,
        np.float32,
        np.int16,
    )


def test_vertices_that_no_face_uses_are_dropped_with_their_colours() -> None:
    source = raw([[1, 3, 4]])
    mesh = cleaned(source)
    np.testing.assert_array_equal(mesh.vertices[mesh.faces], source.vertices[source.faces])
    np.testing.assert_array_equal(mesh.vertex_colors, source.vertex_colors[[1, 3, 4]])


@pytest.mark.parametrize("face", [[0, 0, 1], [2, 1, 2], [3, 3, 3], [0, 5, 1], [0, 1, 6]])
def test_faces_without_an_area_are_dropped(face: list[int]) -> None:
    vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0), (9, 9, 9), (2, 0, 0), (0, 0, 0)]
    source = raw([[0, 1, 2], face], vertices=vertices)
    np.testing.assert_array_equal(cleaned(source).faces, [[0, 1, 2]])
    assert notes(source) == ("1 faces without an area were dropped.",)


def test_tiny_faces_are_kept() -> None:
    source = raw([[0, 1, 2]], vertices=[(5, 5, 5), (5 + 1e-6, 5, 5), (5, 5 + 1e-6, 5)])
    assert len(cleaned(source).faces) == 1


@pytest.mark.parametrize("again", [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
def test_a_face_that_repeats_another_is_dropped_and_the_first_stays(again: list[int]) -> None:
    source = raw([[1, 3, 2], [0, 1, 2], again], uv=np.arange(18).reshape(3, 3, 2) / 18, textures=1)
    mesh = cleaned(source)
    np.testing.assert_array_equal(mesh.faces, [[1, 3, 2], [0, 1, 2]])
    np.testing.assert_array_equal(mesh.uv, source.uv[:2])
    assert notes(source) == ("1 faces that repeat another were dropped.",)


def test_both_sides_of_a_sheet_stay() -> None:
    assert len(cleaned(raw([[0, 1, 2], [2, 1, 0]])).faces) == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=30))
def test_which_faces_stay_follows_the_definition(faces: list[tuple[int, int, int]]) -> None:
    def rotation(face: tuple[int, int, int]) -> tuple[int, int, int]:
        return min(face, (face[1], face[2], face[0]), (face[2], face[0], face[1]))

    vertices = np.random.default_rng(0).random((5, 3))
    faces = [(0, 1, 2), *faces]
    expected = list({rotation(face): None for face in faces if len(set(face)) == 3})
    mesh = cleaned(raw(faces, vertices=vertices))
    back = {tuple(vertex): index for index, vertex in enumerate(vertices.astype(np.float32).tolist())}
    kept = [rotation(tuple(back[tuple(mesh.vertices[i].tolist())] for i in face)) for face in mesh.faces]
    assert kept == expected


# --- texture coordinates


@pytest.mark.parametrize(
    ("uv", "expected"),
    [
        ([[0, 0], [1, 0], [0, 1]], [[0, 0], [1, 0], [0, 1]]),
        ([[3.25, 0.5], [3.5, 0.5], [3.75, 0.75]], [[0.25, 0.5], [0.5, 0.5], [0.75, 0.75]]),
        ([[-0.75, -2], [-0.5, -1.5], [-0.25, -1]], [[0.25, 0], [0.5, 0.5], [0.75, 1]]),
        ([[1, 2], [1.5, 2.5], [2, 3]], [[0, 0], [0.5, 0.5], [1, 1]]),
        ([[-1e-7, 0.5], [0.5, 0.5], [1 + 1e-6, 0.75]], [[0, 0.5], [0.5, 0.5], [1, 0.75]]),
        ([[0.999999, 0.5], [1.25, 0.5], [1.5, 0.75]], [[0, 0.5], [0.25, 0.5], [0.5, 0.75]]),
        ([[0.75, 0.5], [1.25, 0.5], [1.5, 0.75]], [[0.75, 0.5], [1.25, 0.5], [1.5, 0.75]]),
    ],
)
def test_a_face_is_shifted_into_the_unit_square_where_it_fits(uv: object, expected: object) -> None:
    mesh = cleaned(raw([[0, 1, 2]], uv=uv, textures=1))
    np.testing.assert_allclose(mesh.uv, [expected], atol=tolerances.UV_SLACK)


def test_faces_that_span_the_border_of_a_repeated_texture_are_reported() -> None:
    source = raw([[0, 1, 2], [1, 3, 2]], uv=[[[0, 0], [1.5, 0], [0, 1]], [[0, 0], [1, 0], [0, 1]]], textures=1)
    assert "1 faces repeat their texture across its border" in notes(source)[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_faces_without_usable_coordinates_become_grey(bad: float) -> None:
    uv = [[[0, 0], [1, 0], [0, 1]], [[0, 0], [bad, 0], [0, 1]], [[0, 0], [1, 0], [0, 1]], [[0, 1]] * 3, [[0.5, 1]] * 3]
    source = raw([[0, 1, 2], [1, 3, 2], [0, 1, 3], [0, 1, 4], [1, 2, 4]], uv=uv, textures=2, material=[1, 0, MISSING, 0, 0])
    mesh = cleaned(source)
    np.testing.assert_array_equal(mesh.material, [1, 2, 2, 2, 0])
    np.testing.assert_array_equal(mesh.textures[2], plain_image((128,) * 3, 2))
    np.testing.assert_array_equal(mesh.uv[1:4], 0.5)
    assert "3 faces have no texture" in notes(source)[0]


# --- colour


def test_a_mesh_without_colour_is_refused_or_grey() -> None:
    source = raw([[0, 1, 2]], colors=False)
    with pytest.raises(MeshError, match=r"the mesh has no colour: expected a texture .*\[maps.house.obj\]"):
        cleaned(source)
    mesh, colored, _ = clean(source, PATH, require_color=False)
    np.testing.assert_array_equal(mesh.vertex_colors, np.full((3, 3), 128))
    assert not colored


def test_what_could_not_be_read_is_an_error_or_a_note() -> None:
    source = raw([[0, 1, 2]], problems=("the texture 'x' is missing",))
    with pytest.raises(MeshError, match="the texture 'x' is missing"):
        cleaned(source)
    _, colored, said = clean(source, PATH, require_color=False)
    assert said == ("The texture 'x' is missing.",)
    assert not colored


def test_too_many_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.mesh.clean.MAX_TEXTURES", 1)
    with pytest.raises(MeshError, match="2 textures, at most 1"):
        cleaned(raw([[0, 1, 2]], uv=[[0, 0], [1, 0], [0, 1]], textures=2))
