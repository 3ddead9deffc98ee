from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image

from reloc.errors import MeshError
from reloc.mesh import glb as glb_module
from reloc.mesh.glb import read_glb
from reloc.mesh.load import load_mesh
from tests import tolerances
from tests.unit.mesh.small import BLUE, GREEN, RED, WHITE, color_at, quadrants

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)  # top-left origin, as glTF has it
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.uint16)
NEAR = ((0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.05, 0.05, 0.9))
COMPONENT = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125, "i1": 5120, "i2": 5122}
WIDTH = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class Builder:
    """Writes a glTF file by hand: one mesh whose attributes are given as arrays."""

    def __init__(self, attributes: dict[str, np.ndarray], indices: np.ndarray | None = FACES, *, image: bool = True) -> None:
        self.binary = b""
        self.tree: dict[str, Any] = {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": []}
        primitive: dict[str, Any] = {"attributes": {name: self.accessor(a) for name, a in attributes.items()}, "material": 0}
        if indices is not None:
            primitive["indices"] = self.accessor(indices.reshape(-1, 1))
        self.tree |= {
            "meshes": [{"primitives": [primitive]}],
            "nodes": [{"mesh": 0}],
            "scenes": [{"nodes": [0]}],
            "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}} if image else {}],
            "textures": [{"source": 0}],
            "images": [{"bufferView": self.view(self.png()), "mimeType": "image/png"}],
        }

    @staticmethod
    def png() -> bytes:
        return cv2.imencode(".png", quadrants()[..., ::-1])[1].tobytes()

    @property
    def primitive(self) -> dict[str, Any]:
        return self.tree["meshes"][0]["primitives"][0]

    def view(self, data: bytes) -> int:
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)})
        self.binary += data + b"\0" * (-len(data) % 4)
        return len(self.tree["bufferViews"]) - 1

    def accessor(self, array: np.ndarray) -> int:
        kind = array.dtype.str[1:]
        self.tree["accessors"].append(
            {
                "bufferView": self.view(array.tobytes()),
                "componentType": COMPONENT[kind],
                "count": len(array),
                "type": WIDTH[array.shape[1]],
            }
        )
        return len(self.tree["accessors"]) - 1

    def write(self, folder: Path) -> Path:
        tree = self.tree | {"buffers": [{"byteLength": len(self.binary)}]}
        text = json.dumps(tree).encode()
        text += b" " * (-len(text) % 4)
        body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(self.binary), b"BIN\0") + self.binary
        path = folder / "mesh.glb"
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
        return path

    def write_in_parts(self, folder: Path, *, inline: bool) -> Path:
        tree = self.tree | {
            "buffers": [{"byteLength": len(self.binary), "uri": "my%20data.bin"}],
            "images": [{"uri": "my%20t.png"}],
        }
        (folder / "my data.bin").write_bytes(self.binary)
        (folder / "my t.png").write_bytes(self.png())
        if inline:
            tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(self.binary).decode()
            tree["images"][0]["uri"] = "data:image/png;base64," + base64.b64encode(self.png()).decode()
        (folder / "mesh.gltf").write_text(json.dumps(tree))
        return folder / "mesh.gltf"


@pytest.fixture
def square() -> Builder:
    return Builder({"POSITION": SQUARE, "TEXCOORD_0": UV})


def check_square(path: Path) -> None:
    mesh = load_mesh(path)
    np.testing.assert_array_equal(mesh.vertices[mesh.faces], SQUARE[FACES])
    assert [color_at(mesh, 0, near) for near in NEAR] == [BLUE, WHITE, GREEN]
    assert color_at(mesh, 1, NEAR[2]) == RED


def test_a_textured_square(square: Builder, tmp_path: Path) -> None:
    check_square(square.write(tmp_path))


@pytest.mark.parametrize("inline", [False, True])
def test_a_file_in_parts(inline: bool, square: Builder, tmp_path: Path) -> None:
    check_square(square.write_in_parts(tmp_path, inline=inline))


def test_a_scene_as_trimesh_writes_it(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    rng = np.random.default_rng(0)
    for index in range(3):
        mesh = trimesh.creation.icosphere(subdivisions=1)
        image = Image.fromarray(rng.integers(0, 256, (8, 16, 3), dtype=np.uint8))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)
        mesh.visual = trimesh.visual.TextureVisuals(uv=rng.random((len(mesh.vertices), 2)), material=material)
        pose = trimesh.transformations.random_rotation_matrix(rng.random(3)) + np.eye(4, k=3) * index
        parent = scene.graph.base_frame if index < 2 else "node1"
        scene.add_geometry(mesh, node_name=f"node{index}", parent_node_name=parent, transform=pose)
    path = tmp_path / "scene.glb"
    scene.export(path)
    ours, theirs = load_mesh(path), trimesh.load_scene(path).dump()
    corners = np.concatenate([mesh.vertices[mesh.faces] for mesh in theirs])
    uv = np.concatenate([mesh.visual.uv[mesh.faces] for mesh in theirs])
    order, expected_order = (np.lexsort(c.reshape(-1, 9).round(4).T) for c in (ours.vertices[ours.faces], corners))
    np.testing.assert_allclose(ours.vertices[ours.faces][order], corners[expected_order], atol=tolerances.FLOAT32_POSE)
    np.testing.assert_allclose(ours.uv[order, :, 0], uv[expected_order, :, 0], atol=tolerances.FLOAT32)
    np.testing.assert_allclose(ours.uv[order, :, 1], 1 - uv[expected_order, :, 1], atol=tolerances.FLOAT32)
    images = [np.asarray(mesh.visual.material.baseColorTexture)[..., :3] for mesh in theirs]
    assert sorted(t.tobytes() for t in ours.textures) == sorted(i.tobytes() for i in images)


def test_the_matrices_of_nodes_multiply_from_the_root(square: Builder, tmp_path: Path) -> None:
    half = float(np.sqrt(0.5))
    square.tree["nodes"] = [
        {"children": [1], "translation": [10, 0, 0], "rotation": [0, 0, half, half]},
        {"mesh": 0, "matrix": [2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 5, 1]},
    ]
    raw = read_glb(square.write(tmp_path))
    expected = np.stack([10 - 3 * SQUARE[:, 1], 2 * SQUARE[:, 0], SQUARE[:, 2] + 5], axis=1)
    np.testing.assert_allclose(raw.vertices, expected, atol=tolerances.FLOAT32_POSE)


def test_a_mirrored_node_keeps_its_faces_looking_outwards(square: Builder, tmp_path: Path) -> None:
    square.tree["nodes"] = [{"mesh": 0, "scale": [-1, 1, 1]}]
    raw = read_glb(square.write(tmp_path))
    a, b, c = raw.vertices[raw.faces[0]]
    assert np.cross(b - a, c - a)[2] > 0
    np.testing.assert_array_equal(raw.uv[0], UV[raw.faces[0]])


def test_only_the_default_scene_is_read_and_cycles_end(square: Builder, tmp_path: Path) -> None:
    square.tree["nodes"] = [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0], "children": [1]}]
    square.tree["scenes"] = [{"nodes": [0]}, {"nodes": [1, 1]}]
    square.tree["scene"] = 1
    raw = read_glb(square.write(tmp_path))
    assert len(raw.faces) == 2
    assert raw.vertices[:, 0].min() == 5


@pytest.mark.parametrize(
    ("mode", "indices", "expected"),
    [(4, [0, 1, 2, 0, 2, 3], FACES), (5, [0, 1, 3, 2], [[0, 1, 3], [3, 1, 2]]), (6, [0, 1, 2, 3], FACES)],
)
def test_triangles_strips_and_fans(mode: int, indices: list[int], expected: Any, tmp_path: Path) -> None:
    builder = Builder({"POSITION": SQUARE, "TEXCOORD_0": UV}, np.array(indices, np.uint8))
    builder.primitive["mode"] = mode
    faces = read_glb(builder.write(tmp_path)).faces
    normals = np.cross(SQUARE[faces[:, 1]] - SQUARE[faces[:, 0]], SQUARE[faces[:, 2]] - SQUARE[faces[:, 0]])
    assert (normals[:, 2] > 0).all()
    assert {frozenset(face) for face in faces.tolist()} == {frozenset(face) for face in np.array(expected).tolist()}


def test_without_indices_each_three_vertices_are_a_face(tmp_path: Path) -> None:
    raw = read_glb(
        Builder({"POSITION": SQUARE[FACES].reshape(-1, 3), "TEXCOORD_0": UV[FACES].reshape(-1, 2)}, None).write(tmp_path)
    )
    np.testing.assert_array_equal(raw.vertices[raw.faces], SQUARE[FACES])


def test_points_and_lines_are_left_out_with_a_note(square: Builder, tmp_path: Path) -> None:
    square.tree["meshes"][0]["primitives"].append(square.primitive | {"mode": 0})
    raw = read_glb(square.write(tmp_path))
    assert raw.notes == ("1 primitives of points or lines were left out.",)
    assert len(raw.faces) == 2


@pytest.mark.parametrize(
    ("colors", "normalized"),
    [
        (np.array([RED, GREEN, BLUE, WHITE], np.uint8), True),
        (np.array([(*c, 255) for c in (RED, GREEN, BLUE, WHITE)], np.uint8), True),
        (np.array([RED, GREEN, BLUE, WHITE], np.uint16) * 257, True),
        (np.array([RED, GREEN, BLUE, WHITE], np.float32) / 255, False),
    ],
)
def test_colours_at_the_vertices(colors: np.ndarray, normalized: bool, tmp_path: Path) -> None:
    builder = Builder({"POSITION": SQUARE, "COLOR_0": colors}, image=False)
    builder.tree["accessors"][1]["normalized"] = normalized
    np.testing.assert_array_equal(load_mesh(builder.write(tmp_path)).vertex_colors, [RED, GREEN, BLUE, WHITE])


def test_coordinates_as_normalised_integers_with_a_stride(tmp_path: Path) -> None:
    padded = np.zeros((4, 4), np.uint16)
    padded[:, :2] = UV * 65535
    builder = Builder({"POSITION": SQUARE, "TEXCOORD_0": padded})
    builder.tree["accessors"][1] |= {"type": "VEC2", "normalized": True}
    builder.tree["bufferViews"][1]["byteStride"] = 8
    check_square(builder.write(tmp_path))


def test_the_set_of_coordinates_and_the_transform_of_the_texture(tmp_path: Path) -> None:
    builder = Builder({"POSITION": SQUARE, "TEXCOORD_0": np.zeros_like(UV), "TEXCOORD_1": 2 * UV - 4})
    info = builder.tree["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    info |= {"texCoord": 1, "extensions": {"KHR_texture_transform": {"scale": [0.5, 0.5], "offset": [2, 2]}}}
    check_square(builder.write(tmp_path))


# --- broken files


def change(*keys: Any, value: Any) -> Any:
    """Return what puts `value` at a place in the tree."""

    def apply(builder: Builder) -> None:
        place = builder.tree
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (change("accessors", 0, "count", value=10**12), "accessor 0 reaches beyond its buffer"),
        (change("accessors", 0, "count", value=-1), "accessor 0 reaches beyond its buffer"),
        (change("accessors", 0, "byteOffset", value=4), "accessor 0 reaches beyond"),
        (change("bufferViews", 0, "byteLength", value=10**9), "buffer view 0 reaches beyond its buffer"),
        (change("bufferViews", 0, "byteStride", value=1), "accessor 0 reaches beyond"),
        (change("accessors", 0, "sparse", value={}), "sparse or compressed accessors are not read"),
        (change("accessors", 0, "componentType", value=1), "contradicts itself"),
        (change("meshes", 0, "primitives", 0, "attributes", value={}), "contradicts itself .*POSITION"),
        (change("meshes", 0, "primitives", 0, "indices", value=99), "contradicts itself"),
        (change("nodes", 0, "mesh", value=7), "contradicts itself"),
        (change("nodes", 0, "matrix", value=[1, 2, 3]), "contradicts itself"),
        (change("nodes", value=None), "contradicts itself"),
        (
            change("extensionsRequired", value=["KHR_draco_mesh_compression"]),
            "needs KHR_draco_mesh_compression, which is not read",
        ),
        (change("asset", "version", value="1.0"), "expected glTF 2.0, found version 1.0"),
        (change("images", 0, "bufferView", value=0), "the texture is not a JPEG"),
        (change("materials", value=[{}]), "the mesh has no colour"),
        (change("scenes", value=[{}]), "expected a surface of triangles, found nothing"),
        (
            change(
                "materials",
                0,
                "pbrMetallicRoughness",
                "baseColorTexture",
                "extensions",
                value={"KHR_texture_transform": {"rotation": 1}},
            ),
            "rotated by KHR_texture_transform",
        ),
    ],
)
def test_what_is_broken_is_named(breaking: Any, message: str, square: Builder, tmp_path: Path) -> None:
    breaking(square)
    with pytest.raises(MeshError, match=message):
        load_mesh(square.write(tmp_path))


def test_an_index_out_of_range(tmp_path: Path) -> None:
    builder = Builder({"POSITION": SQUARE, "TEXCOORD_0": UV}, np.array([0, 1, 4], np.uint8))
    with pytest.raises(MeshError, match="refers to vertex 4 of 4"):
        load_mesh(builder.write(tmp_path))


@pytest.mark.parametrize("length", [3, 12, 19, 60, 700, -1])
def test_a_file_cut_short(length: int, square: Builder, tmp_path: Path) -> None:
    path = square.write(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(MeshError, match=r"cut short|expected a G?L?B? ?|glTF"):
        load_mesh(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"asset": 2}', "[" * 100_000, "\x00\xff"])
def test_text_that_is_no_gltf(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mesh.gltf"
    path.write_text(text)
    with pytest.raises(MeshError, match=r"glTF|is empty"):
        load_mesh(path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [("my data.bin", "the buffer 'my data.bin' is missing"), ("my t.png", "the texture 'my t.png' is missing")],
)
def test_a_missing_part_is_named(gone: str, message: str, square: Builder, tmp_path: Path) -> None:
    path = square.write_in_parts(tmp_path, inline=False)
    (tmp_path / gone).unlink()
    with pytest.raises(MeshError, match=message):
        load_mesh(path)


def test_a_mesh_placed_a_million_times_is_refused(square: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glb_module, "MAX_FACES", 100)
    square.tree["nodes"] = [{"mesh": 0}] * 51
    square.tree["scenes"] = [{"nodes": list(range(51))}]
    with pytest.raises(MeshError, match="more than 100 faces"):
        load_mesh(square.write(tmp_path))
