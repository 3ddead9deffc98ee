from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import OutputError
from reloc.export.formats import ExportFormat, export
from reloc.export.ros import CAMERA_FRAME, MAP_FRAME, PATH_TOPIC, POSE_TOPIC, TF_TOPIC
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.geometry.uncertainty import position_and_turn_covariance
from tests.tolerances import ALGEBRA
from tests.unit.export.made import COUNT, made, run

POSES = made()
pytest.importorskip("rosbags")


def _check_pose(pose: object, i: int) -> None:
    p, q = pose.position, pose.orientation  # type: ignore[attr-defined]
    np.testing.assert_allclose([p.x, p.y, p.z], POSES.trajectory.translations[i], atol=ALGEBRA)
    np.testing.assert_allclose([q.w, q.x, q.y, q.z], POSES.trajectory.quaternions[i], atol=ALGEBRA)


def test_rosbags_reads_every_message(tmp_path: Path) -> None:
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    export(POSES, ExportFormat.ROS2BAG, tmp_path / "bag")
    store = get_typestore(Stores.ROS2_HUMBLE)
    messages: dict[str, list] = {}
    with Reader(tmp_path / "bag") as reader:
        for connection, time, data in reader.messages():
            messages.setdefault(connection.topic, []).append((time, store.deserialize_cdr(data, connection.msgtype)))
    assert {topic: len(found) for topic, found in messages.items()} == {POSE_TOPIC: COUNT, TF_TOPIC: COUNT, PATH_TOPIC: 1}
    for i, (time, message) in enumerate(messages[POSE_TOPIC]):
        stamp = message.header.stamp
        assert time == stamp.sec * 1_000_000_000 + stamp.nanosec == POSES.trajectory.timestamps_ns[i]
        assert message.header.frame_id == MAP_FRAME
        _check_pose(message.pose.pose, i)
        expected = position_and_turn_covariance(POSES.covariances[i], POSES.trajectory.translations[i])
        np.testing.assert_allclose(message.pose.covariance.reshape(6, 6), expected, atol=ALGEBRA)
    (transform,) = messages[TF_TOPIC][3][1].transforms
    assert (transform.header.frame_id, transform.child_frame_id) == (MAP_FRAME, CAMERA_FRAME)
    shift, turn = transform.transform.translation, transform.transform.rotation
    np.testing.assert_allclose([shift.x, shift.y, shift.z], POSES.trajectory.translations[3], atol=ALGEBRA)
    np.testing.assert_allclose([turn.w, turn.x, turn.y, turn.z], POSES.trajectory.quaternions[3], atol=ALGEBRA)
    path = messages[PATH_TOPIC][0][1]
    assert len(path.poses) == COUNT
    _check_pose(path.poses[7].pose, 7)


def test_the_mcap_library_decodes_the_file(tmp_path: Path) -> None:
    reader = pytest.importorskip("mcap.reader")
    decoder = pytest.importorskip("mcap_ros2.decoder")
    export(POSES, ExportFormat.MCAP, tmp_path / "poses.mcap")
    with (tmp_path / "poses.mcap").open("rb") as stream:
        found = reader.make_reader(stream, decoder_factories=[decoder.DecoderFactory()])
        messages = [message for *_, message in found.iter_decoded_messages(topics=[POSE_TOPIC])]
    assert len(messages) == COUNT
    for i, message in enumerate(messages):
        _check_pose(message.pose.pose, i)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["poses.mcap"]


def test_evo_reads_the_bag(tmp_path: Path) -> None:
    export(POSES, ExportFormat.ROS2BAG, tmp_path / "bag")
    run(tmp_path, "evo_traj", "bag2", "bag", POSE_TOPIC, "--save_as_tum")
    (written,) = tmp_path.glob("*.tum")
    np.testing.assert_allclose(load_tum(written).translations, POSES.trajectory.translations, atol=1e-9)


def test_an_unknown_covariance_is_zeros(tmp_path: Path) -> None:
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    export(replace(POSES, covariances=np.full((COUNT, 6, 6), np.nan)), ExportFormat.ROS2BAG, tmp_path / "bag")
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(tmp_path / "bag") as reader:
        (connection,) = [one for one in reader.connections if one.topic == POSE_TOPIC]
        _, _, data = next(reader.messages([connection]))
    assert not store.deserialize_cdr(data, connection.msgtype).pose.covariance.any()


def test_a_bag_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="there is something already"):
        export(POSES, ExportFormat.ROS2BAG, tmp_path / "taken", overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the bag"):
        export(POSES, ExportFormat.MCAP, tmp_path / "file" / "a.mcap")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reloc.export.ros.os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        export(POSES, ExportFormat.ROS2BAG, tmp_path / "bag")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


@pytest.mark.parametrize("shift_ns", [-1_800_000_000_000_000_000, 1_800_000_000_000_000_000])
def test_times_that_ros_cannot_say_are_refused(tmp_path: Path, shift_ns: int) -> None:
    t = POSES.trajectory
    shifted = replace(POSES, trajectory=Trajectory(t.timestamps_ns + shift_ns, t.translations, t.quaternions))
    with pytest.raises(OutputError, match="before 1970 or after 2038"):
        export(shifted, ExportFormat.MCAP, tmp_path / "a.mcap")
    assert list(tmp_path.iterdir()) == []
