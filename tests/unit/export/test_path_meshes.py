"""PLY and glTF of the camera path, as trimesh sees them."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.export.formats import ExportFormat, export
from reloc.export.frusta import chosen_frames, frusta, frustum_depth
from reloc.export.gltf import gltf_file
from reloc.export.selection import ExportedPoses
from reloc.geometry.trajectory import Trajectory
from tests.unit.export.made import COUNT, made
from tests.unit.sinks.estimates import CAMERA

trimesh = pytest.importorskip("trimesh")
POSES = made()


def _with_gap() -> ExportedPoses:
    """Poses with two seconds missing in the middle."""
    times = POSES.trajectory.timestamps_ns + np.where(np.arange(COUNT) >= 12, 2_000_000_000, 0)
    return replace(POSES, trajectory=Trajectory(times, POSES.trajectory.translations, POSES.trajectory.quaternions))


def test_the_tube_goes_round_the_positions_and_the_pyramids_stand_on_them(tmp_path: Path) -> None:
    export(POSES, ExportFormat.PLY, tmp_path / "path.ply")
    mesh = trimesh.load(tmp_path / "path.ply", process=False)
    rings = mesh.vertices[: 3 * COUNT].reshape(COUNT, 3, 3)
    np.testing.assert_allclose(rings.mean(axis=1), POSES.trajectory.translations, atol=1e-9)
    radii = np.linalg.norm(rings - POSES.trajectory.translations[:, None], axis=2)
    np.testing.assert_allclose(radii, radii[0, 0])
    frames = chosen_frames(POSES)
    pyramids = mesh.vertices[3 * COUNT :].reshape(len(frames), 5, 3)
    np.testing.assert_allclose(pyramids[:, 0], POSES.trajectory.translations[frames], atol=1e-9)
    assert len(mesh.faces) == 6 * (COUNT - 1) + 6 * len(frames)
    assert mesh.visual.vertex_colors[0, :3].tolist() == [46, 160, 67]  # TRACKED is green
    assert mesh.visual.vertex_colors[-1, :3].tolist() == [235, 130, 30]  # COASTING is orange


def test_the_corners_of_a_pyramid_are_seen_in_the_corners_of_the_image() -> None:
    corners = frusta(POSES, np.array([4]), 0.7)[0, 1:]
    pixels = CAMERA.project(POSES.trajectory.pose(4).inverse().apply(corners))
    np.testing.assert_allclose(pixels, [[-0.5, -0.5], [639.5, -0.5], [639.5, 479.5], [-0.5, 479.5]], atol=1e-6)


def test_no_tube_bridges_a_gap(tmp_path: Path) -> None:
    export(_with_gap(), ExportFormat.PLY, tmp_path / "path.ply")
    mesh = trimesh.load(tmp_path / "path.ply", process=False)
    tube = mesh.faces[: 6 * (COUNT - 2)]
    assert tube.max() == 3 * COUNT - 1
    poses_of_face = np.sort(tube // 3, axis=1)
    assert not ((poses_of_face[:, 0] == 11) & (poses_of_face[:, -1] == 12)).any()
    assert (poses_of_face[:, -1] - poses_of_face[:, 0] == 1).all()


@pytest.mark.parametrize("count", [1, 2])
def test_a_path_of_hardly_any_poses_is_drawn_too(tmp_path: Path, count: int) -> None:
    for kind, name in ((ExportFormat.PLY, "p.ply"), (ExportFormat.GLTF, "p.glb")):
        export(made(count), kind, tmp_path / name)
        assert trimesh.load(tmp_path / name, process=False).bounds is not None


def test_a_camera_that_stands_still_or_turns_back_has_a_tube_without_holes_in_its_numbers(tmp_path: Path) -> None:
    back_and_forth = np.array([0, 0, 0, 1, 2, 1, 0, 0, 5, 5], float)[:, None] * [[1.0, 0, 0]]
    poses = made(10)
    still = replace(poses, trajectory=Trajectory(poses.trajectory.timestamps_ns, back_and_forth, poses.trajectory.quaternions))
    export(still, ExportFormat.PLY, tmp_path / "path.ply")
    mesh = trimesh.load(tmp_path / "path.ply", process=False)
    assert np.isfinite(mesh.vertices).all()
    rings = mesh.vertices[:30].reshape(10, 3, 3) - back_and_forth[:, None]
    np.testing.assert_allclose(rings[..., 0], 0.0, atol=1e-12)  # across the path, which runs along x


def test_pyramids_are_as_far_apart_as_the_eye_needs() -> None:
    poses = made(1000)
    frames = chosen_frames(poses)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(poses.trajectory.translations, axis=0), axis=1))])
    longest_step = np.diff(along).max()
    spacing = np.diff(along[frames])[:-1]  # the last pose is drawn wherever it is
    assert (frames[0], frames[-1]) == (0, 999)
    assert (np.abs(spacing - 1.5 * frustum_depth(poses)) <= longest_step).all()
    assert 20 < len(frames) < 500


def test_a_camera_that_never_moved_has_pyramids_too() -> None:
    poses = made(5)
    still = replace(poses, trajectory=Trajectory(poses.trajectory.timestamps_ns, np.ones((5, 3)), poses.trajectory.quaternions))
    assert chosen_frames(still).tolist() == [0, 4]
    assert frustum_depth(still) == 0.1


def _read_gltf(text: str) -> tuple[dict[str, Any], bytes]:
    document = json.loads(text)
    return document, base64.b64decode(document["buffers"][0]["uri"].split(",")[1])


def _read_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, length, json_length, json_kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, json_kind) == (b"glTF", 2, len(data), b"JSON")
    size, kind = struct.unpack_from("<I4s", data, 20 + json_length)
    assert (kind, 28 + json_length + size) == (b"BIN\0", len(data))
    return json.loads(data[20 : 20 + json_length]), data[28 + json_length :]


def _array(document: dict[str, Any], data: bytes, accessor: int) -> np.ndarray:
    description = document["accessors"][accessor]
    view = document["bufferViews"][description["bufferView"]]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[description["type"]]
    kind = {5126: "<f4", 5125: "<u4"}[description["componentType"]]
    array = np.frombuffer(data, kind, description["count"] * width, view["byteOffset"]).reshape(-1, width)
    np.testing.assert_array_equal(array.min(axis=0), np.array(description["min"], kind))
    np.testing.assert_array_equal(array.max(axis=0), np.array(description["max"], kind))
    return array


def test_trimesh_lays_the_lines_where_the_poses_are(tmp_path: Path) -> None:
    export(_with_gap(), ExportFormat.GLTF, tmp_path / "path.glb")
    scene = trimesh.load(tmp_path / "path.glb")
    points = np.vstack(
        [
            trimesh.transform_points(scene.geometry[scene.graph[node][1]].vertices, scene.graph[node][0])
            for node in scene.graph.nodes_geometry
        ]
    )
    for position in POSES.trajectory.translations:
        assert np.linalg.norm(points - position, axis=1).min() < 1e-6
    assert scene.bounds[0] == pytest.approx(
        frusta(POSES, chosen_frames(POSES), frustum_depth(POSES)).reshape(-1, 3).min(axis=0), abs=1e-5
    )


def test_text_and_binary_hold_the_same() -> None:
    text_document, text_data = _read_gltf(gltf_file(POSES))
    export_document, binary_data = _read_glb(b"".join([_glb()]))
    assert binary_data[: len(text_data)] == text_data
    for document in (text_document, export_document):
        document.pop("buffers")
    assert text_document == export_document


def _glb() -> bytes:
    from reloc.export.gltf import glb_file

    return glb_file(POSES)


def test_a_gap_breaks_the_line() -> None:
    document, data = _read_gltf(gltf_file(_with_gap()))
    parts = document["meshes"][0]["primitives"]
    assert [len(_array(document, data, part["attributes"]["POSITION"])) for part in parts] == [12, COUNT - 12]
    assert [part["mode"] for part in parts] == [3, 3]


def test_the_camera_flies_along_the_poses_looking_where_ours_looks() -> None:
    document, data = _read_gltf(gltf_file(POSES))
    (animation,) = document["animations"]
    targets = {channel["target"]["path"]: animation["samplers"][channel["sampler"]] for channel in animation["channels"]}
    assert {channel["target"]["node"] for channel in animation["channels"]} == {3}
    assert "camera" in document["nodes"][3]
    seconds = _array(document, data, targets["rotation"]["input"])[:, 0]
    np.testing.assert_allclose(seconds, (POSES.trajectory.timestamps_ns - POSES.trajectory.timestamps_ns[0]) * 1e-9, atol=1e-6)
    root = np.array(document["nodes"][0]["translation"])
    positions = _array(document, data, targets["translation"]["output"]) + root
    np.testing.assert_allclose(positions, POSES.trajectory.translations, atol=1e-6)
    xyzw = _array(document, data, targets["rotation"]["output"])
    # glTF's camera looks along −z and has y up; ours looks along z and has y down.
    turns, ours = Rotation.from_quat(xyzw), Rotation.from_quat(np.roll(POSES.trajectory.quaternions, -1, axis=1))
    np.testing.assert_allclose(turns.apply([0, 0, -1]), ours.apply([0, 0, 1]), atol=1e-6)
    np.testing.assert_allclose(turns.apply([0, 1, 0]), ours.apply([0, -1, 0]), atol=1e-6)
    assert (np.sum(xyzw[1:] * xyzw[:-1], axis=1) > 0).all()
    perspective = document["cameras"][0]["perspective"]
    assert perspective["yfov"] == pytest.approx(2 * np.arctan(240 / 501.0))
    assert perspective["aspectRatio"] == pytest.approx((640 / 500.0) / (480 / 501.0))
