from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from reloc.errors import ConfigError, OutputError
from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.lens import LensModel
from reloc.geometry.uncertainty import position_and_turn_covariance
from reloc.sinks.mcap import McapSink
from reloc.sinks.ros_messages import RosNames
from reloc.sinks.sink import Sink
from reloc.sources.open import open_source
from reloc.sources.rosbag.mcap_records import read_records
from reloc.sources.source import SourceInfo
from tests.tolerances import ALGEBRA
from tests.unit.sinks.estimates import CAMERA, LENS, estimate
from tests.unit.sources.made import picture

INFO = SourceInfo("cam", live=True, length=None, camera=LENS)
START_NS = 1_762_000_000_123_456_789
IMAGE = "/camera/image_raw/compressed"


def seen(index: int, image: np.ndarray | None = None, **fields: Any) -> Estimate:
    """Return an estimate with a picture of its own."""
    made = estimate(index, timestamp_ns=START_NS + index * 33_333_333, **fields)
    raw = RawFrame(index, made.frame.timestamp_ns, picture(index) if image is None else image)
    return replace(made, frame=replace(made.frame, raw=raw))


def _write(path: Path, estimates: list[Estimate], **options: Any) -> McapSink:
    sink = McapSink(path, **{"reserve_bytes": 0, **options})
    assert isinstance(sink, Sink)
    sink.open(INFO, CAMERA)
    for one in estimates:
        sink.write(one)
    sink.close()
    sink.close()
    return sink


def _decoded(path: Path) -> dict[str, list[Any]]:
    """Return the messages by topic, as MCAP's own decoder reads them."""
    found: dict[str, list[Any]] = {}
    with path.open("rb") as stream:
        for _, channel, message, decoded in make_reader(stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages():
            found.setdefault(channel.topic, []).append((message.log_time, decoded))
    return found


def test_a_run_is_read_by_the_tools_of_others(tmp_path: Path) -> None:
    estimates = [seen(i) for i in range(4)]
    _write(tmp_path / "run.mcap", estimates)
    found = _decoded(tmp_path / "run.mcap")
    assert {topic: len(messages) for topic, messages in found.items()} == {
        "/reloc/pose": 4, "/tf": 4, "/diagnostics": 1, IMAGE: 4, "/camera/camera_info": 4,
    }  # fmt: skip
    for (time_ns, message), made in zip(found["/reloc/pose"], estimates, strict=True):
        pose, wanted = message.pose.pose, made.world_from_camera
        assert time_ns == made.frame.timestamp_ns == message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        assert message.header.frame_id == "map"
        assert [pose.position.x, pose.position.y, pose.position.z] == wanted.translation.tolist()
        assert [pose.orientation.w, pose.orientation.x, pose.orientation.y, pose.orientation.z] == wanted.wxyz.tolist()
        covariance = position_and_turn_covariance(made.world_covariance, wanted.translation)
        np.testing.assert_allclose(np.reshape(message.pose.covariance, (6, 6)), covariance, atol=ALGEBRA)
    (_, info), (_, tf) = found["/camera/camera_info"][0], found["/tf"][0]
    assert (info.distortion_model, info.header.frame_id, info.k[0]) == ("plumb_bob", "camera_optical_frame", LENS.fx)
    assert (tf.transforms[0].header.frame_id, tf.transforms[0].child_frame_id) == ("map", "camera_optical_frame")


def test_rosbags_reads_it_too(tmp_path: Path) -> None:
    _write(tmp_path / "run.mcap", [seen(i) for i in range(3)])
    with AnyReader([tmp_path / "run.mcap"], default_typestore=get_typestore(Stores.EMPTY)) as reader:
        messages = [reader.deserialize(data, connection.msgtype) for connection, _, data in reader.messages()]
    assert len(messages) == 13


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_written_as_png_is_a_source_again_bit_by_bit(tmp_path: Path, dtype: type) -> None:
    images = [picture(i, dtype=dtype) for i in range(3)]
    _write(tmp_path / "run.mcap", [seen(i, image) for i, image in enumerate(images)], images="png")
    source = open_source(str(tmp_path / "run.mcap"))
    for i, frame in enumerate(source):
        assert frame.timestamp_ns == START_NS + i * 33_333_333
        np.testing.assert_array_equal(frame.image, images[i])
    assert source.info.length == 3
    assert source.info.camera is not None
    assert (source.info.camera.model, source.info.camera.pinhole) == (LensModel.OPENCV, LENS.pinhole)


def test_images_of_sixteen_bits_lose_the_lower_half_as_jpeg(tmp_path: Path) -> None:
    image = picture(0, dtype=np.uint16)
    _write(tmp_path / "run.mcap", [seen(0, image)])
    (frame,) = open_source(str(tmp_path / "run.mcap"))
    assert np.abs(frame.image.astype(int) - image // 256).mean() < 10


def test_images_may_be_left_out_and_topics_renamed(tmp_path: Path) -> None:
    names = RosNames(map_frame="world", camera_frame="eye", pose_topic="/pose", tf_topic="", diagnostics_topic="/d")
    _write(tmp_path / "run.mcap", [seen(0)], images="none", names=names)
    found = _decoded(tmp_path / "run.mcap")
    assert sorted(found) == ["/d", "/pose"]
    assert found["/pose"][0][1].header.frame_id == "world"


def test_verdicts_decide_what_is_said(tmp_path: Path) -> None:
    T, N, C, R, L = Verdict.TRACKED, Verdict.LIMITED, Verdict.COASTING, Verdict.RELOCALISING, Verdict.LOST
    verdicts = [T, T, N, C, R, L, L, T]
    made = [seen(i, verdict=verdict, reason="dark" * (verdict is not T)) for i, verdict in enumerate(verdicts)]
    _write(tmp_path / "run.mcap", [*made, seen(40)], images="none")
    found = _decoded(tmp_path / "run.mcap")
    assert len(found["/reloc/pose"]) == len(found["/tf"]) == 6
    told = [message.status[0] for _, message in found["/diagnostics"]]
    assert [(status.level, status.message) for status in told] == [
        (0, "TRACKED"), (1, "dark"), (1, "dark"), (2, "dark"), (2, "dark"), (0, "TRACKED"), (0, "TRACKED"),
    ]  # fmt: skip
    assert told[0].hardware_id == "cam"
    values = {pair.key: pair.value for pair in told[0].values}
    assert (values["score"], values["milliseconds"]) == ("0.900", "7.0")


def test_a_new_file_begins_after_a_while(tmp_path: Path) -> None:
    clock = count(0, 10)
    _write(tmp_path / "run.mcap", [seen(i) for i in range(6)], longest_file_s=50, clock=lambda: float(next(clock)))
    files = sorted(tmp_path.glob("*.mcap"))
    assert [file.name for file in files[:2]] == ["run.mcap", "run_1.mcap"]
    assert sum(len(_decoded(file)["/reloc/pose"]) for file in files) == 6
    assert all(len(_decoded(file)[IMAGE]) for file in files)


def _write_on(sink: McapSink) -> None:
    for index in range(1000):
        sink.write(seen(index))


def test_a_disk_without_room_ends_the_file_and_is_told_to_the_next_write(tmp_path: Path) -> None:
    sink = McapSink(tmp_path / "run.mcap", reserve_bytes=2**62, queue_bytes=1)
    sink.open(replace(INFO, live=False), CAMERA)
    with pytest.raises(OutputError, match="nearly full"):
        _write_on(sink)
    sink.close()
    assert [record for record in read_records(tmp_path / "run.mcap") if record.content] == []


def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    (tmp_path / "run.mcap").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"No space left on device.*run\.mcap\]$"):
        McapSink(tmp_path / "run.mcap").open(INFO, CAMERA)


def test_a_missing_package_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcap.writer", None)
    with pytest.raises(ConfigError, match=r"pip install 'reloc\[ros\]'"):
        McapSink(tmp_path / "run.mcap").open(INFO, CAMERA)


def test_it_must_be_opened_first_and_may_be_closed_without(tmp_path: Path) -> None:
    sink = McapSink(tmp_path / "run.mcap")
    with pytest.raises(ValueError, match="not open"):
        sink.write(seen(0))
    sink.close()
    assert not list(tmp_path.iterdir())


def write_for_ever(path: Path) -> None:
    """Write with a clock that goes a second a look, so that every frame is flushed; runs in a process of its own."""
    clock = count()
    sink = McapSink(path, reserve_bytes=0, images="png", queue_bytes=1, longest_file_s=1e9, clock=lambda: float(next(clock)))
    sink.open(replace(INFO, live=False), CAMERA)
    for index in range(10_000):
        sink.write(seen(index, np.full((200, 300, 3), index % 256, np.uint8)))
        os.write(1, b"%d\n" % index)


@pytest.mark.parametrize("handed", [3, 40])
def test_a_file_whose_process_is_killed_is_read_up_to_the_last_frames(tmp_path: Path, handed: int) -> None:
    path = tmp_path / "run.mcap"
    call = f"from tests.unit.sinks.mcap.test_sink import *; write_for_ever(Path({str(path)!r}))"
    with subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(handed)]
        child.send_signal(signal.SIGKILL)
        said += [int(line) for line in child.stdout]
    frames = list(open_source(str(path)))
    # One frame waits or is in work, and one is being handed over.
    assert said[-1] + 1 - 2 <= len(frames) <= said[-1] + 2
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all((frame.image == frame.index % 256).all() for frame in frames)
