"""What a saved session holds, read back with Rerun's own reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rerun.chunk import RrdReader
from scipy.spatial.transform import Rotation

from reloc.estimate import Estimate, Verdict
from reloc.geometry.se3 import SE3
from reloc.sinks.pictures import VERDICT_COLORS
from reloc.sinks.rerun_viewer import RerunSink
from tests.tolerances import FLOAT32_POSE, JPEG
from tests.unit.sinks.estimates import INFO
from tests.unit.sinks.rerun_viewer.session import CAMERA, DIAGONAL_M, MESH, FlatRenderer, Recording, seen, write_all

VERDICTS = [Verdict.TRACKED] * 20 + [Verdict.COASTING] * 5 + [Verdict.LOST] * 5 + [Verdict.TRACKED] * 40
SESSION = [seen(i, verdict, reason="too dark" * (verdict != Verdict.TRACKED)) for i, verdict in enumerate(VERDICTS)]


def save(path: Path, estimates: list[Estimate], **options: Any) -> Recording:
    sink = RerunSink(MESH, FlatRenderer(), mode="save", path=path, **options)
    sink.open(INFO, CAMERA)
    write_all(sink, estimates)
    return Recording(path)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return save(tmp_path_factory.mktemp("viewer") / "deep" / "session.rrd", SESSION)


def packed(verdict: Verdict) -> int:
    red, green, blue = VERDICT_COLORS[verdict]
    return red << 24 | green << 16 | blue << 8 | 255


def decoded(blob: list[list[int]]) -> np.ndarray:
    image = cv2.imdecode(np.array(blob[0], np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return image


def test_the_pose_is_that_of_the_camera_in_the_world_with_the_real_part_last(recording: Recording) -> None:
    translations = recording.column("/world/camera", "Transform3D:translation")
    quaternions = recording.column("/world/camera", "Transform3D:quaternion")
    assert list(translations) == list(quaternions) == list(range(len(SESSION)))
    for made in SESSION:
        index, pose = made.frame.index, made.camera_from_world.inverse()
        np.testing.assert_allclose(translations[index][0], pose.translation, atol=FLOAT32_POSE)
        rotation = Rotation.from_quat(quaternions[index][0]).as_matrix()
        np.testing.assert_allclose(rotation, pose.rotation, atol=FLOAT32_POSE)


def test_there_are_two_timelines_and_both_tell_the_time_of_the_frame(recording: Recording) -> None:
    expected = {made.frame.index: made.frame.timestamp_ns for made in SESSION}
    found = recording.times("/world/camera")
    assert {index: time.value for index, time in found.items()} == expected
    names = {name for rows in recording.entities.values() for row in rows for name in row if ":" not in name}
    assert names == {"frame", "t_cam", "rerun.controls.RowId"}


def test_times_since_1970_are_dates(tmp_path: Path) -> None:
    start_ns = 1_795_000_000_123_456_789
    found = save(tmp_path / "epoch.rrd", [seen(i, timestamp_ns=start_ns + i) for i in range(3)])
    assert [time.value for time in found.times("/world/camera").values()] == [start_ns, start_ns + 1, start_ns + 2]


def test_what_does_not_change_is_logged_once(recording: Recording) -> None:
    assert recording.static_rows["/world/map/0"] == recording.static_rows["/world/map/1"] == 1
    assert recording.static_rows["/world/camera"] == 1
    assert recording.static_rows["/plots/trust/0"] == 1


def test_the_map_is_there_with_textures_and_their_places(recording: Recording) -> None:
    for number in (0, 1):
        found = recording.static[f"/world/map/{number}"]
        triangles = np.array(found["Mesh3D:triangle_indices"])
        face = MESH.faces[number]
        np.testing.assert_array_equal(np.array(found["Mesh3D:vertex_positions"])[triangles[0]], MESH.vertices[face])
        np.testing.assert_array_equal(np.array(found["Mesh3D:vertex_texcoords"], np.float32)[triangles[0]], MESH.uv[number])
        np.testing.assert_array_equal(found["Mesh3D:albedo_texture_buffer"][0], MESH.textures[number].ravel())


def test_rerun_gets_the_lens_with_its_pixels_counted_from_the_corner(recording: Recording) -> None:
    found = recording.static["/world/camera"]
    by_columns = np.array(found["Pinhole:image_from_camera"]).reshape(3, 3)
    np.testing.assert_array_equal(by_columns.T, [[50.0, 0.0, 30.5], [0.0, 51.0, 22.5], [0.0, 0.0, 1.0]])
    assert found["Pinhole:resolution"] == [[64.0, 48.0]]
    assert found["Pinhole:image_plane_distance"][0] == pytest.approx(0.04 * DIAGONAL_M)


def test_pictures_come_at_the_rate_of_the_frames_own_time(recording: Recording) -> None:
    expected = [next(i for i in range(70) if i * 33_333_333 >= period * 100_000_000) for period in range(23)]
    for entity in ("/world/camera/image", "/pictures/overlay", "/pictures/residual"):
        assert list(recording.column(entity, "EncodedImage:blob")) == expected


def test_the_images_are_those_of_their_frames(recording: Recording) -> None:
    for index, blob in recording.column("/world/camera/image", "EncodedImage:blob").items():
        image = decoded(blob)
        assert image.shape == (48, 64, 3)
        assert np.abs(image.astype(int) - index).max() <= JPEG


def test_a_large_image_is_shown_small_with_the_lens_to_match(tmp_path: Path) -> None:
    found = save(tmp_path / "small.rrd", SESSION[:2], image_width=32)
    assert decoded(found.column("/pictures/overlay", "EncodedImage:blob")[0]).shape == (24, 32, 3)
    assert found.static["/world/camera"]["Pinhole:resolution"] == [[32.0, 24.0]]
    by_columns = np.array(found.static["/world/camera"]["Pinhole:image_from_camera"]).reshape(3, 3)
    np.testing.assert_allclose(by_columns[2, :2], [30.5 / 2, 22.5 / 2])


def test_the_map_is_drawn_no_larger_than_there_is_room_for(tmp_path: Path) -> None:
    large = np.zeros((480, 640, 3), np.uint8)
    made = replace(SESSION[0], frame=replace(SESSION[0].frame, rectify=lambda: (CAMERA.area_scaled(640, 480), large)))
    found = save(tmp_path / "large.rrd", [made])
    assert decoded(found.column("/world/camera/image", "EncodedImage:blob")[0]).shape == (480, 640, 3)
    assert decoded(found.column("/pictures/overlay", "EncodedImage:blob")[0]).shape == (360, 480, 3)
    assert decoded(found.column("/pictures/residual", "EncodedImage:blob")[0]).shape == (360, 480, 3)


def test_the_overlay_is_rendered_at_the_pose_of_its_frame(tmp_path: Path) -> None:
    renderer = FlatRenderer()
    sink = RerunSink(MESH, renderer, mode="save", path=tmp_path / "s.rrd")
    sink.open(INFO, CAMERA)
    write_all(sink, SESSION[:5])
    assert renderer.poses == [SESSION[0].camera_from_world, SESSION[4].camera_from_world]


def test_the_trajectory_has_the_colour_of_the_verdict_and_nothing_twice(recording: Recording) -> None:
    strips = recording.column("/world/trajectory", "LineStrips3D:strips")
    colors = recording.column("/world/trajectory", "LineStrips3D:colors")
    assert list(strips) == [20, 25, 30]
    assert [len(strip[0]) for strip in strips.values()] == [20, 6, 6]
    verdicts = [Verdict.TRACKED, Verdict.COASTING, Verdict.LOST]
    assert [color[0] for color in colors.values()] == [packed(verdict) for verdict in verdicts]
    np.testing.assert_allclose(strips[20][0][7], SESSION[7].world_from_camera.translation, atol=FLOAT32_POSE)
    latest = recording.column("/world/trajectory/latest", "LineStrips3D:strips")
    assert len(latest[69][0]) == 40


def test_a_change_of_verdict_is_a_message_a_state_and_a_colour_of_the_camera(recording: Recording) -> None:
    assert recording.column("/messages", "TextLog:text") == {
        0: ["TRACKED"],
        20: ["COASTING: too dark"],
        25: ["LOST: too dark"],
        30: ["TRACKED"],
    }
    assert [level for (level,) in recording.column("/messages", "TextLog:level").values()] == ["INFO", "WARN", "ERROR", "INFO"]
    states = {0: ["TRACKED"], 20: ["COASTING"], 25: ["LOST"], 30: ["TRACKED"]}
    assert recording.column("/verdict", "StateChange:state") == states
    colors = recording.column("/world/camera", "Pinhole:color")
    assert colors == {index: [packed(Verdict(state))] for index, (state,) in states.items()}
    configured = recording.static["/verdict"]
    assert dict(zip(configured["StateConfiguration:values"], configured["StateConfiguration:colors"], strict=True)) == {
        verdict: packed(verdict) for verdict in Verdict
    }


def test_the_verdict_is_said_again_from_time_to_time_but_not_as_a_message(tmp_path: Path) -> None:
    found = save(tmp_path / "long.rrd", [seen(i, timestamp_ns=i * 4_000_000_000) for i in range(7)])
    assert list(found.column("/verdict", "StateChange:state")) == [0, 3, 6]
    assert list(found.column("/messages", "TextLog:text")) == [0]


def test_every_frame_is_plotted(recording: Recording) -> None:
    assert recording.static["/plots/trust/0"]["SeriesLines:names"] == ["score", "inlier share", "correlation"]
    assert recording.static["/plots/milliseconds/0"]["SeriesLines:names"] == ["total", "align"]
    expected = {index: [7.0, 4.0] for index in range(len(SESSION))}
    assert recording.column("/plots/milliseconds/0", "Scalars:scalars") == expected


def test_of_the_stages_only_the_telling_ones_are_drawn_at_first(tmp_path: Path) -> None:
    stages = {"undistort": 1.0, "align": 2.0, "total": 4.0}
    found = save(tmp_path / "stages.rrd", [replace(SESSION[0], milliseconds=stages)])
    assert found.static["/plots/milliseconds/0"]["SeriesLines:visible_series"] == [True, False, True]
    assert found.static["/plots/trust/0"]["SeriesLines:visible_series"] == [True, True, True]


def test_a_stage_that_begins_later_is_plotted_from_then_on(tmp_path: Path) -> None:
    late = [replace(made, milliseconds={"align": 1.0, "render": 9.0}) for made in SESSION[10:20]]
    found = save(tmp_path / "late.rrd", [*SESSION[:10], *late])
    assert found.static["/plots/milliseconds/1"]["SeriesLines:names"] == ["render"]
    assert max(found.column("/plots/milliseconds/1", "Scalars:scalars").values()) == [9.0]
    assert len(found.column("/plots/milliseconds/0", "Scalars:scalars")) == 20


def test_a_frame_without_a_pose_shows_its_image_only(tmp_path: Path) -> None:
    nowhere = seen(0, Verdict.LOST, camera_from_world=SE3(np.full((3, 3), np.nan), np.zeros(3)))
    found = save(tmp_path / "lost.rrd", [nowhere])
    assert list(found.column("/world/camera/image", "EncodedImage:blob")) == [0]
    assert "/pictures/overlay" not in found.entities
    assert found.column("/world/camera", "Transform3D:translation") == {}


def test_the_same_session_gives_the_same_recording(tmp_path: Path, recording: Recording) -> None:
    again = save(tmp_path / "again.rrd", SESSION)
    assert again.entities.keys() == recording.entities.keys()
    for entity, rows in recording.entities.items():
        assert without_ids(again.entities[entity]) == without_ids(rows)


def without_ids(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [{name: value for name, value in row.items() if name != "rerun.controls.RowId"} for row in rows]
    return sorted(kept, key=lambda row: (row["frame"], sorted(row)))


def test_the_layout_is_in_the_recording(tmp_path: Path) -> None:
    save(tmp_path / "s.rrd", SESSION[:1])
    assert len(RrdReader(tmp_path / "s.rrd").blueprints()) == 1


def test_a_session_without_frames_still_shows_the_map(tmp_path: Path) -> None:
    assert "/world/map/0" in save(tmp_path / "empty.rrd", []).static
