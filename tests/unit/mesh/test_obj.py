from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
import yaml

from reloc.errors import MeshError
from reloc.mesh import obj_faces, obj_text
from reloc.mesh.load import load_mesh
from reloc.mesh.obj import read_obj
from tests import tolerances
from tests.unit.mesh.small import BLUE, GREEN, RED, SQUARE, WHITE, color_at, plain_image, quadrants, write_image, write_obj

TWO_TRIANGLES = "usemtl a\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
# Weights of a point near each corner of a face.
NEAR = ((0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.05, 0.05, 0.9))


def corners(path: Path) -> np.ndarray:
    raw = read_obj(path)
    return raw.vertices[raw.faces]


@pytest.fixture
def square(tmp_path: Path) -> Path:
    return write_obj(tmp_path, TWO_TRIANGLES)


# --- against trimesh, on the real meshes


@pytest.mark.parametrize(("recording", "count"), [("kitchen", 42_995), ("castle", 47_372)])
def test_corners_and_uv_are_those_that_trimesh_reads(recording: str, count: int, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(recording) / "map" / "mesh.obj"
    ours, theirs = read_obj(path), trimesh.load(path, process=False)
    assert len(ours.faces) == count
    np.testing.assert_allclose(ours.vertices[ours.faces], theirs.vertices[theirs.faces], rtol=tolerances.FLOAT32)
    expected = theirs.visual.uv[theirs.faces]  # origin bottom-left
    np.testing.assert_allclose(ours.uv[..., 0], expected[..., 0], atol=tolerances.FLOAT32)
    np.testing.assert_allclose(ours.uv[..., 1], 1 - expected[..., 1], atol=tolerances.FLOAT32)
    np.testing.assert_array_equal(ours.material, 0)
    np.testing.assert_array_equal(ours.textures[0], np.asarray(theirs.visual.material.image))


def test_the_texture_agrees_with_a_photograph_where_the_camera_stood(castle: Path) -> None:
    mesh = load_mesh(castle / "map" / "mesh.obj")
    camera = yaml.safe_load((castle / "camera.yaml").read_text())
    _, *pose = np.loadtxt(castle / "groundtruth.txt")[0]
    photograph = cv2.imread(str(castle / "query" / "images" / "00002.jpg"), cv2.IMREAD_GRAYSCALE)
    points = mesh.vertices[mesh.faces].mean(axis=1)
    normals = np.cross(*(mesh.vertices[mesh.faces[:, i]] - mesh.vertices[mesh.faces[:, 0]] for i in (1, 2)))
    quaternion = trimesh.transformations.quaternion_matrix(np.roll(pose[3:], 1))[:3, :3]
    in_camera = (points - pose[:3]) @ quaternion
    pixel = in_camera[:, :2] / in_camera[:, 2:] * [camera["fx"], camera["fy"]] + [camera["cx"], camera["cy"]]
    inside = (in_camera[:, 2] > 0) & (pixel > 0).all(axis=1) & (pixel < np.array(photograph.shape[::-1]) - 1).all(axis=1)
    inside &= ((points - pose[:3]) * normals).sum(axis=1) < 0
    seen = photograph[pixel[inside, 1].astype(int), pixel[inside, 0].astype(int)]
    grey = cv2.cvtColor(mesh.textures[0], cv2.COLOR_RGB2GRAY)
    uv = (mesh.uv[inside].mean(axis=1) * np.array(grey.shape[::-1])).astype(int)
    assert np.corrcoef(seen, grey[uv[:, 1], uv[:, 0]])[0, 1] > tolerances.PHOTOGRAPH_CORRELATION


# --- uv and colours, by hand


def test_every_corner_of_the_texture_is_where_obj_puts_it(square: Path) -> None:
    mesh = load_mesh(square)
    assert [color_at(mesh, 0, near) for near in NEAR] == [BLUE, WHITE, GREEN]  # (0 0), (1 0), (1 1): v is up
    assert color_at(mesh, 1, NEAR[2]) == RED  # (0 1)


@pytest.mark.parametrize(
    "faces",
    [
        "f 1/1/1 2/2/1 3/3/1\nf 1/1/1 3/3/1 4/4/1\n",
        "f 1/1 2/2 3/3 4/4\n",
        "f -4/-4 -3/-3 -2/-2 -1/-1\n",
        "f 1/1 2/2 3/3\nf -4/-4/-9 -2/-2/-9 -1/-1/-9\n",
        "\tf  1/1   2/2\t3/3  \r\n  f 1/1 3/3 4/4",
        "f 1/1 2/2 3/3 # a comment\n# f 1/1 2/2 4/4\n\n\nf 1/1 3/3 4/4  #\n",
        "f 1/1 2/2 \\\n3/3 4/4\n",
        "s 1\ng walls\no house\nf 1/1 2/2 3/3\ns off\nf 1/1 3/3 4/4\nl 1 2\np 1",
        "f 1/1/ 2/2/ 3/3/\nf 1/1 3/3/7 4/4/",
        "f +1/1 2/02 3/3\nf 1/1 3/3 4/4\n",
    ],
)
def test_ways_to_write_the_same_square(faces: str, tmp_path: Path, square: Path) -> None:
    expected = read_obj(square)
    got = read_obj(write_obj(tmp_path / "other", "vn 0 0 1\nusemtl a\n" + faces))
    np.testing.assert_array_equal(got.vertices[got.faces], expected.vertices[expected.faces])
    np.testing.assert_array_equal(got.uv, expected.uv)
    np.testing.assert_array_equal(got.material, expected.material)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n"])
def test_line_ends_of_other_systems(end: str, square: Path, tmp_path: Path) -> None:
    expected = corners(square)
    square.write_bytes(b"\xef\xbb\xbf" + square.read_text().replace("\n", end).encode())
    np.testing.assert_array_equal(corners(square), expected)


def test_negative_indices_count_back_from_their_own_line(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 5\nv 1 0 5\nv 0 1 5\nf -3 -2 -1\nf 1 -1 -2\n")
    np.testing.assert_array_equal(read_obj(path).faces, [[0, 1, 2], [3, 4, 5], [0, 5, 4]])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_the_size_of_a_block_does_not_matter(size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_image(tmp_path / "u.png", plain_image(RED))
    faces = "usemtl a\nf -4/-4 2/2 -2/-2\nv 5 5 5\nvt 0.5 0.5\nusemtl b\nf -1/-1 1/1 2/2 3/3\n"
    faces += "f 2//1 3//1 4//1\nusemtl \\\na\nf 1/1 \\\r\n2/2 3/3"
    path = write_obj(tmp_path, faces, mtl="newmtl a\nmap_Kd t.png\nnewmtl b\nmap_Kd u.png\n")
    whole = read_obj(path)
    monkeypatch.setattr(obj_text, "BLOCK_BYTES", size)
    pieces = read_obj(path)
    for name in ("vertices", "faces", "uv", "material"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    np.testing.assert_array_equal(whole.material, [0, 1, 1, 1, 0])


def test_usual_ways_to_write_corners_are_read_many_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obj_faces, "_corner", lambda *_: pytest.fail("a line was read on its own"))
    path = write_obj(tmp_path, "f 1 2 3\nf 1/1 2/2 3/3 4/4\nf 2//1 3//1 4//1\nf 1/1/1 2/2/1 3/3/1\nf -1 -2 -3 # comment\n")
    assert len(read_obj(path).faces) == 6


def test_faces_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = write_obj(tmp_path, "f 1 2 3\nf 1/1 2/2 3/3 4/4\nf 2//1 3//1 4//1\nf 1/1 2 3/3\nf 4 3 2 1\n")
    expected = [[0, 1, 2], [0, 1, 2], [0, 2, 3], [1, 2, 3], [0, 1, 2], [3, 2, 1], [3, 1, 0]]
    np.testing.assert_array_equal(read_obj(path).faces, expected)


def test_a_polygon_becomes_a_fan_of_the_same_area(tmp_path: Path) -> None:
    angles = np.arange(7) * 2 * np.pi / 7
    lines = [f"v {np.cos(a):.9f} {np.sin(a):.9f} 0" for a in angles]
    path = tmp_path / "mesh.obj"
    path.write_text("\n".join([*lines, "f 1 2 3 4 5 6 7"]))
    triangles = corners(path)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert triangles.shape == (5, 3, 3)
    np.testing.assert_allclose(normals[:, 2].sum() / 2, 3.5 * np.sin(2 * np.pi / 7), rtol=tolerances.FLOAT32)
    assert (normals[:, 2] > 0).all()


# --- several materials


def test_each_material_has_its_texture(tmp_path: Path) -> None:
    for name, color in (("one.png", RED), ("two.png", GREEN)):
        write_image(tmp_path / name, plain_image(color))
    mtl = "newmtl one\nKd 1 1 1\nmap_Kd one.png\n\nnewmtl two\nmap_Ka one.png\nmap_Kd two.png\n"
    mesh = load_mesh(write_obj(tmp_path, "usemtl two\nf 1/1 2/2 3/3\nusemtl one\nf 1/1 3/3 4/4\n", mtl=mtl))
    assert [color_at(mesh, face) for face in (0, 1)] == [GREEN, RED]


def test_materials_that_share_a_texture_hold_it_once_and_unused_ones_are_not_read(tmp_path: Path) -> None:
    mtl = "newmtl a\nmap_Kd t.png\nnewmtl b\nmap_Kd t.png\nnewmtl c\nmap_Kd missing.png\n"
    mesh = load_mesh(write_obj(tmp_path, "usemtl a\nf 1/1 2/2 3/3\nusemtl b\nf 1/1 3/3 4/4\n", mtl=mtl))
    assert len(mesh.textures) == 1
    np.testing.assert_array_equal(mesh.material, 0)


def test_several_material_files(tmp_path: Path) -> None:
    path = write_obj(tmp_path, "usemtl a\nf 1/1 2/2 3/3\nusemtl b\nf 1/1 3/3 4/4\n")
    for name, color in (("one two.mtl", RED), ("three.mtl", GREEN)):
        image = write_image(tmp_path / f"{name}.png", plain_image(color))
        (tmp_path / name).write_text(f"newmtl {'a' if color == RED else 'b'}\nmap_Kd {image.name}\n")
    for libraries in ("mtllib one two.mtl\nmtllib three.mtl\n", "mtllib ./three.mtl one\\ two.mtl\nmtllib one two.mtl\n"):
        path.write_text(libraries.replace("one\\ two.mtl", "three.mtl") + path.read_text().partition("\n")[2])
        mesh = load_mesh(path)
        assert [color_at(mesh, face) for face in (0, 1)] == [RED, GREEN]


def test_a_single_material_is_used_where_no_face_names_one(tmp_path: Path) -> None:
    assert color_at(load_mesh(write_obj(tmp_path, "f 1/1 2/2 3/3\n")), 0, NEAR[0]) == BLUE


def test_names_of_materials_may_hold_spaces_and_hashes(tmp_path: Path) -> None:
    path = write_obj(tmp_path, "usemtl Material #25\nf 1/1 2/2 3/3\n", mtl="newmtl Material #25\nmap_Kd t.png\n")
    assert color_at(load_mesh(path), 0, NEAR[0]) == BLUE


def test_a_map_may_scale_and_shift_its_coordinates(tmp_path: Path) -> None:
    mtl = "newmtl a\nmap_Kd -o 0.5 0 0 -s 0.5 0.5 1 t.png\n"  # the lower right quarter
    mesh = load_mesh(write_obj(tmp_path, TWO_TRIANGLES, mtl=mtl))
    assert {color_at(mesh, 0, near) for near in NEAR} == {WHITE}


# --- faces without texture, colours at the vertices


def test_faces_without_texture_are_kept_in_grey(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mesh = load_mesh(
        write_obj(
            tmp_path, "usemtl a\nf 1/1 2/2 3/3\nf 1 3 4\nusemtl none\nf 1/1 2/2 4/4\n", mtl="newmtl none\nnewmtl a\nmap_Kd t.png"
        )
    )
    assert [color_at(mesh, face) for face in (1, 2)] == [(128, 128, 128)] * 2
    assert color_at(mesh, 0, NEAR[0]) == BLUE
    assert "2 faces have no texture" in caplog.text
    assert not np.isnan(mesh.uv).any()


@pytest.mark.parametrize("scale", [1, 255])
def test_colours_at_the_vertices(scale: int, tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    colors = np.array([[1, 0, 0], [0, 1, 0], [0.2, 0.4, 1]]) * scale
    path.write_text("\n".join(f"v {i} {i * i} 0 {r:g} {g:g} {b:g}" for i, (r, g, b) in enumerate(colors)) + "\nf 1 2 3")
    mesh = load_mesh(path)
    np.testing.assert_array_equal(mesh.vertex_colors, [RED, GREEN, (51, 102, 255)])
    assert mesh.uv.shape == (0, 3, 2)
    assert mesh.textures == ()
    np.testing.assert_array_equal(mesh.material, [0])


def test_a_fourth_number_is_a_weight_and_a_vertex_without_colour_is_grey(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text("v 0 0 0 1.0\nv 1 0 0 1 0 0\nv 0 1 0\nf 1 2 3")
    mesh = load_mesh(path)
    np.testing.assert_array_equal(mesh.vertex_colors, [(128, 128, 128), RED, (128, 128, 128)])
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


def test_a_texture_wins_over_colours_at_the_vertices(tmp_path: Path) -> None:
    head = SQUARE.replace("v 0 0 0\n", "v 0 0 0 1 0 0\n", 1)
    mesh = load_mesh(write_obj(tmp_path, TWO_TRIANGLES, head=head))
    assert mesh.vertex_colors is None
    np.testing.assert_array_equal(mesh.textures[0], quadrants())


def test_numbers_with_exponents_and_many_digits(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text("v 1e-3 -2.5E+2 .5\nv 0.123456789012345678 1. -0\nv 3 4 5\nf 1 2 3")
    expected = np.array([[1e-3, -250, 0.5], [0.123456789012345678, 1, 0], [3, 4, 5]], np.float32)
    np.testing.assert_array_equal(read_obj(path).vertices, expected)


# --- broken files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0 0\nv 1 0\nv 0 1 0\nf 1 2 3", "line 2: expected three coordinates, found '1 0'"),
        ("v 0 0 0\n\nv 1 x 0\nv 0 1 0\nf 1 2 3", "line 3: expected numbers only, found '1 x 0'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4", "number 4 of the vertices, but there are only 3"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2", "line 4: .*vertex before the first .* found '0 1 2'"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -4 -2 -1", "line 4: .*before the first"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3.5", "line 4: expected the corners of a face as whole numbers"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 a/b", "line 4: expected the corners of a face as whole numbers"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999999999999", "line 4: the number of a vertex is too large"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3000000000", "line 4: the number of a vertex is too large"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2/1 3000000000", "line 4: the number of a vertex is too large"),
        ("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3", "1 faces have a corner that is not a finite number"),
        ("v 0 0 0\nv 1e99 0 0\nv 0 1 0\nf 1 2 3", "not a finite number"),
        ("v 0 0 0\nv inf 0 0\nv 0 1 0\nf 1 2 3", "not a finite number"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "expected a surface of triangles, found a point cloud of 3 points"),
        ("# nothing\n", "found nothing"),
        ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3", "none of the 1 faces has an area"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3", "the mesh has no colour: expected a texture"),
        (SQUARE + "f 1/1 2/2 3/9", "number 9 of the texture coordinates, but there are only 4"),
        (SQUARE + "f 1/1 2/-9 3/3", "line 9: .*before the first"),
        (SQUARE.replace("vt 1 0", "vt 1") + "f 1/1 2/2 3/3", "line 6: expected two texture coordinates, found '1'"),
        ("v 0 0 0\x00\nv", "binary data or UTF-16"),
        ("v " + "1" * (1 << 21), "longer than 1 MiB"),
        (TWO_TRIANGLES, "there are only 0"),
    ],
)
def test_what_is_broken_is_named(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(text)
    monkeypatch.setattr(obj_text, "BLOCK_BYTES", 1 << 20)
    with pytest.raises(MeshError, match=message) as caught:
        load_mesh(path)
    assert str(path) in str(caught.value)


def test_a_missing_material_file_is_named(square: Path) -> None:
    (square.parent / "mesh.mtl").unlink()
    with pytest.raises(MeshError, match=r"the material file 'mesh.mtl' is missing; put it beside the mesh"):
        load_mesh(square)


def test_a_missing_texture_is_named(square: Path) -> None:
    (square.parent / "t.png").unlink()
    with pytest.raises(MeshError, match=r"the texture 't.png' is missing; put it beside the mesh"):
        load_mesh(square)


def test_a_material_that_no_file_describes_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="the material 'b' is in none of the mesh's material files"):
        load_mesh(write_obj(tmp_path, "usemtl b\nf 1/1 2/2 3/3\n"))


@pytest.mark.parametrize("gone", ["mesh.mtl", "t.png"])
def test_without_its_colours_a_mesh_serves_for_silhouettes(gone: str, square: Path, caplog: pytest.LogCaptureFixture) -> None:
    (square.parent / gone).unlink()
    mesh = load_mesh(square, require_color=False)
    np.testing.assert_array_equal(mesh.vertex_colors, np.full((4, 3), 128))
    assert f"{gone}' is missing" in caplog.text


def test_an_uncoloured_mesh_serves_for_silhouettes(blackdog: Path) -> None:
    mesh = load_mesh(blackdog / "mesh.obj", require_color=False)
    theirs = trimesh.load(blackdog / "mesh.obj", process=False, maintain_order=True)
    np.testing.assert_allclose(mesh.vertices[mesh.faces], theirs.vertices[theirs.faces], rtol=tolerances.FLOAT32)
    np.testing.assert_array_equal(mesh.vertex_colors, 128)


def test_faces_of_two_corners_are_dropped_with_a_note(square: Path) -> None:
    square.write_text(square.read_text() + "f 1 2\nf 1/1 2/2\nf\nf \n")
    raw = read_obj(square)
    assert raw.notes == ("3 faces with fewer than three corners were dropped.",)
    assert len(raw.faces) == 2
