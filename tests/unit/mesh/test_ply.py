from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from reloc.errors import MeshError
from reloc.mesh.load import load_mesh
from reloc.mesh.ply import read_ply
from tests import tolerances
from tests.unit.mesh.small import BLUE, GREEN, RED, WHITE, color_at, plain_image, quadrants, write_image

VERTEX = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
POINTS = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
FACE_UV = "property list uchar float texcoord\n"
FACE = "element face 2\nproperty list uchar int vertex_indices\n"
NEAR = ((0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.05, 0.05, 0.9))


def header(body: str, kind: str = "ascii", comments: str = "") -> str:
    return f"ply\nformat {kind} 1.0\n{comments}{body}end_header\n"


def write_ascii(folder: Path, body: str, rows: list[str], comments: str = "comment TextureFile t.png\n") -> Path:
    write_image(folder / "t.png", quadrants())
    path = folder / "mesh.ply"
    path.write_text(header(body, comments=comments) + "\n".join(rows) + "\n")
    return path


XYZ = [f"{x} {y} {z}" for x, y, z in POINTS]


@pytest.fixture
def sphere() -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    colors = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 4), dtype=np.uint8)
    mesh.visual.vertex_colors = colors
    return mesh


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
def test_colours_at_the_vertices_as_trimesh_writes_them(encoding: str, sphere: trimesh.Trimesh, tmp_path: Path) -> None:
    path = tmp_path / "mesh.ply"
    path.write_bytes(trimesh.exchange.ply.export_ply(sphere, encoding=encoding))
    mesh = load_mesh(path)
    np.testing.assert_array_equal(mesh.faces, sphere.faces)
    np.testing.assert_allclose(mesh.vertices, sphere.vertices, atol=tolerances.FLOAT32)
    np.testing.assert_array_equal(mesh.vertex_colors, sphere.visual.vertex_colors[:, :3])


def test_big_endian(tmp_path: Path) -> None:
    data = header(VERTEX + FACE, "binary_big_endian").encode()
    data += b"".join(struct.pack(">3f", *point) for point in POINTS)
    data += b"".join(struct.pack(">B3i", 3, *face) for face in ((0, 1, 2), (0, 2, 3)))
    (tmp_path / "mesh.ply").write_bytes(data)
    mesh = load_mesh(tmp_path / "mesh.ply", require_color=False)
    np.testing.assert_array_equal(mesh.vertices, POINTS)
    np.testing.assert_array_equal(mesh.faces, [(0, 1, 2), (0, 2, 3)])


def check_square(path: Path) -> None:
    mesh = load_mesh(path)
    assert [color_at(mesh, 0, near) for near in NEAR] == [BLUE, WHITE, GREEN]  # v is up, as in OBJ
    assert color_at(mesh, 1, NEAR[2]) == RED


def test_texture_by_face_as_openmvs_and_colmap_write_it(tmp_path: Path) -> None:
    check_square(write_ascii(tmp_path, VERTEX + FACE + FACE_UV, [*XYZ, "3 0 1 2 6 0 0 1 0 1 1", "3 0 2 3 6 0 0 1 1 0 1"]))


def test_texture_by_face_in_binary(tmp_path: Path) -> None:
    write_image(tmp_path / "t.png", quadrants())
    body = VERTEX + FACE + FACE_UV + "property int texnumber\n"
    data = header(body, "binary_little_endian", "comment TextureFile t.png\n").encode()
    data += b"".join(struct.pack("<3f", *point) for point in POINTS)
    data += struct.pack("<B3iB6fi", 3, 0, 1, 2, 6, 0, 0, 1, 0, 1, 1, 0) + struct.pack(
        "<B3iB6fi", 3, 0, 2, 3, 6, 0, 0, 1, 1, 0, 1, 0
    )
    (tmp_path / "mesh.ply").write_bytes(data)
    check_square(tmp_path / "mesh.ply")


@pytest.mark.parametrize("names", [("texture_u", "texture_v"), ("s", "t"), ("u", "v")])
def test_texture_by_vertex(names: tuple[str, str], tmp_path: Path) -> None:
    body = VERTEX + "".join(f"property float {name}\n" for name in names) + FACE
    rows = [f"{xyz} {x} {y}" for xyz, (x, y, _) in zip(XYZ, POINTS, strict=True)]
    check_square(write_ascii(tmp_path, body, [*rows, "3 0 1 2", "3 0 2 3"]))


@pytest.mark.parametrize("binary", [False, True])
def test_polygons_of_different_sizes(binary: bool, tmp_path: Path) -> None:
    body = VERTEX.replace("4", "5") + FACE + FACE_UV
    points, faces = [*POINTS, (2, 0.5, 0)], [(0, 1, 2, 3), (1, 4, 2)]
    uv = [(0, 0, 1, 0, 1, 1, 0, 1), (0, 0, 1, 0, 1, 1)]
    rows = [" ".join(map(str, (len(f), *f, len(t), *t))) for f, t in zip(faces, uv, strict=True)]
    path = write_ascii(tmp_path, body, [" ".join(map(str, p)) for p in points] + rows)
    data = header(body, "binary_little_endian", "comment TextureFile t.png\n").encode()
    data += b"".join(struct.pack("<3f", *point) for point in points)
    for face, row in zip(faces, uv, strict=True):
        data += struct.pack(f"<B{len(face)}i", len(face), *face) + struct.pack(f"<B{len(row)}f", len(row), *row)
    path.write_bytes(data if binary else path.read_bytes())
    raw = read_ply(path)
    np.testing.assert_array_equal(raw.faces, [(0, 1, 2), (0, 2, 3), (1, 4, 2)])
    expected = [[(0, 1), (1, 1), (1, 0)], [(0, 1), (1, 0), (0, 0)], [(0, 1), (1, 1), (1, 0)]]
    np.testing.assert_array_equal(raw.uv, expected)


def test_several_textures_and_faces_without(tmp_path: Path) -> None:
    body = VERTEX + FACE.replace("2", "4") + FACE_UV + "property uchar texnumber\n"
    write_image(tmp_path / "u.png", plain_image(RED))
    uv = "6 0 0 1 0 1 1"
    rows = [f"3 0 1 2 {uv} 0", f"3 0 2 3 {uv} 1", "3 1 2 3 0 0", "3 0 1 3 6 0 0 0 0 0 0 0"]
    mesh = load_mesh(write_ascii(tmp_path, body, XYZ + rows, "comment TextureFile t.png\ncomment TextureFile u.png\n"))
    assert [color_at(mesh, face, NEAR[0]) for face in range(4)] == [BLUE, RED, (128,) * 3, (128,) * 3]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [("uchar", "1 0 255", (1, 0, 255)), ("float", "1 0 0.2", (255, 0, 51)), ("ushort", "65535 0 514", (255, 0, 2))],
)
def test_types_of_colours(dtype: str, value: str, expected: tuple[int, ...], tmp_path: Path) -> None:
    body = VERTEX + "".join(f"property {dtype} {name}\n" for name in ("red", "green", "blue")) + FACE
    mesh = load_mesh(write_ascii(tmp_path, body, [f"{xyz} {value}" for xyz in XYZ] + ["3 0 1 2", "3 0 2 3"]))
    np.testing.assert_array_equal(mesh.vertex_colors, [expected] * 4)


def test_texture_coordinates_without_an_image_do_not_matter_where_there_are_colours(tmp_path: Path) -> None:
    body = VERTEX + "".join(f"property uchar {name}\n" for name in ("red", "green", "blue")) + FACE + FACE_UV
    rows = [f"{xyz} 1 2 3" for xyz in XYZ] + [f"{face} 6 0 0 1 0 1 1" for face in FACES]
    mesh = load_mesh(write_ascii(tmp_path, body, rows, comments=""))
    np.testing.assert_array_equal(mesh.vertex_colors, [(1, 2, 3)] * 4)


FACES = ["3 0 1 2", "3 0 2 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("solid cube", "expected a PLY file"),
        ("ply\nformat ascii 1.0\n", "expected a PLY file"),
        (header(VERTEX + FACE + FACE_UV + FACE_UV), "cannot be understood, found 'property list uchar float texcoord'"),
        (header(VERTEX + VERTEX + FACE), "cannot be understood, found 'element vertex 4'"),
        (header("element vertex many\n"), "a line of the header cannot be understood, found 'element vertex many'"),
        (header("element vertex -1\n"), "a line of the header"),
        (header("property float x\n"), "a line of the header"),
        (header(VERTEX.replace("float", "quaternion")), "a line of the header"),
        (header(VERTEX, kind="ebcdic"), "a line of the header"),
        ("ply\nelement vertex 0\nend_header\n", "names no format"),
        (
            header(VERTEX.replace("4", "1000000000000") + FACE),
            "promises 1,000,000,000,000 × vertex, 2 × face, but only 0 bytes follow",
        ),
        (header(VERTEX + FACE) + "\n".join(XYZ), "do not fit the header|cut short"),
        (header(VERTEX + FACE) + "\n".join([*XYZ, "3 0 1 2", "3 0 2"]), "do not fit the header"),
        (header(VERTEX + FACE) + "\n".join([*XYZ, "3 0 1 2", "3 0 2 three"]), "expected only numbers"),
        (header(VERTEX + FACE) + "\n".join([*XYZ, "3 0 1 2", "3 0 2 4"]), "refers to vertex 4, but the vertices are 0 to 3"),
        (header(VERTEX + FACE) + "\n".join([*XYZ, "3 0 1 2", "3 0 2 -1"]), "refers to vertex -1"),
        (header(VERTEX.replace("float z", "float w") + FACE) + "\n".join(XYZ + FACES), "no coordinate 'z'"),
        (header(VERTEX + FACE.replace("vertex_indices", "corners")) + "\n".join(XYZ + FACES), "no list `vertex_indices`"),
        (header(VERTEX) + "\n".join(XYZ), "found a point cloud of 4 points"),
        (header(VERTEX + FACE) + "\n".join(["nan 0 0", *XYZ[1:], *FACES]), "not a finite number"),
        (header(VERTEX + FACE) + "\n".join(["1e99 0 0", *XYZ[1:], *FACES]), "not a finite number"),
        (header(VERTEX + FACE) + "\n".join([*XYZ, "inf 0 1 2", "3 0 2 3"]), "do not fit the header"),
        (header(VERTEX + FACE) + "\n".join([*XYZ, "3 0 nan 2", "3 0 2 3"]), "refers to vertex -"),
        (header(VERTEX + FACE) + "\n".join(XYZ + FACES), "the mesh has no colour"),
        (header(VERTEX + FACE + FACE_UV) + "\n".join(XYZ + [f"{f} 6 0 0 1 0 1 1" for f in FACES]), "TextureFile"),
        (
            header(VERTEX + FACE + "property uchar red\n") + "\n".join(XYZ + [f"{f} 9" for f in FACES]),
            "the colours stand at the faces",
        ),
        (header("element tristrips 1\nproperty list int int vertex_indices\n") + "3 0 1 2", "triangle strips are not read"),
    ],
)
def test_what_is_broken_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mesh.ply"
    path.write_text(text + "\n" * (not text.endswith("\n")))
    with pytest.raises(MeshError, match=message) as caught:
        load_mesh(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_binary_file_cut_short_is_refused(share: float, sphere: trimesh.Trimesh, tmp_path: Path) -> None:
    data = trimesh.exchange.ply.export_ply(sphere)
    (tmp_path / "mesh.ply").write_bytes(data[: int(share * len(data))])
    with pytest.raises(MeshError, match="cut short"):
        load_mesh(tmp_path / "mesh.ply")


def test_a_list_that_promises_billions_is_refused(tmp_path: Path) -> None:
    body = VERTEX + "element face 1\nproperty list uint int vertex_indices\n"
    data = (
        header(body, "binary_little_endian").encode()
        + struct.pack("<12f", *np.ravel(POINTS))
        + struct.pack("<I3i", 2**32 - 1, 0, 1, 2)
    )
    (tmp_path / "mesh.ply").write_bytes(data)
    with pytest.raises(MeshError, match="do not fit the header"):
        load_mesh(tmp_path / "mesh.ply")


@pytest.mark.parametrize("gone", ["t.png"])
def test_a_missing_texture_is_named(gone: str, tmp_path: Path) -> None:
    path = write_ascii(tmp_path, VERTEX + FACE + FACE_UV, XYZ + [f"{f} 6 0 0 1 0 1 1" for f in FACES])
    (tmp_path / gone).unlink()
    with pytest.raises(MeshError, match=r"the texture 't.png' is missing"):
        load_mesh(path)
