"""RosSink and RosImageSource against other processes, on loopback."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from reloc.errors import ConfigError, OutputError, SourceError
from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.uncertainty import position_and_turn_covariance
from reloc.ros.bus import open_bus
from reloc.ros.cyclone_bus import LOOPBACK, CycloneBus
from reloc.ros.loopback import confine_to_loopback
from reloc.ros.topics import CAMERA_INFO, IMAGE
from reloc.sinks.ros2 import RosSink
from reloc.sinks.sink import Sink
from reloc.sources.open import open_source
from reloc.sources.ros2 import RosImageSource
from reloc.sources.source import FrameSource, SourceInfo
from tests.tolerances import ALGEBRA
from tests.unit.sinks.estimates import CAMERA, INFO, estimate

Peer = Callable[..., "subprocess.Popen[str]"]
TOPIC = "/eye/image_raw"
PATIENCE_S = 20.0


def _heard(child: subprocess.Popen[str], sink: RosSink, topic: str, made: Callable[[int], Estimate], has: str) -> dict[str, Any]:
    """Write estimates until the other process has heard a message on the topic that contains a text; return it."""
    assert child.stdout is not None
    for index in range(400):
        sink.write(made(index))
        while select.select([child.stdout], [], [], 0.05)[0]:
            line = child.stdout.readline()
            said = json.loads(line)
            if said["topic"] == topic and has in line:
                return dict(said["message"])
    raise AssertionError(f"nothing was heard on {topic}")


def test_another_process_hears_pose_transform_and_diagnostics(peer: Peer) -> None:
    child = peer("listen")
    assert child.stdout is not None
    assert json.loads(child.stdout.readline()) == {"topic": "ready"}
    sink = RosSink()
    assert isinstance(sink, Sink)
    sink.open(INFO, CAMERA)
    made = estimate(5)
    message = _heard(child, sink, "rt/reloc/pose", lambda index: made, "")
    pose = message["pose"]["pose"]
    assert message["header"] == {"stamp": {"sec": 0, "nanosec": made.frame.timestamp_ns}, "frame_id": "map"}
    assert list(pose["position"].values()) == made.world_from_camera.translation.tolist()
    assert [pose["orientation"][axis] for axis in "wxyz"] == made.world_from_camera.wxyz.tolist()
    wanted = position_and_turn_covariance(made.world_covariance, made.world_from_camera.translation)
    np.testing.assert_allclose(np.reshape(message["pose"]["covariance"], (6, 6)), wanted, atol=ALGEBRA)
    (tf,) = _heard(child, sink, "rt/tf", lambda index: made, "")["transforms"]
    assert (tf["header"]["frame_id"], tf["child_frame_id"]) == ("map", "camera_optical_frame")
    assert list(tf["transform"]["translation"].values()) == made.world_from_camera.translation.tolist()
    told = _heard(child, sink, "rt/diagnostics", lambda i: estimate(40 * i, verdict=Verdict.LOST, reason="too dark"), "dark")
    assert (told["status"][0]["level"], told["status"][0]["message"]) == (2, "too dark")
    assert told["status"][0]["hardware_id"] == INFO.name
    sink.close()


def test_images_of_another_process_are_a_live_source_until_it_ends_and_again_when_it_is_back(peer: Peer) -> None:
    camera = peer("camera", TOPIC)
    with RosImageSource(TOPIC, first_s=PATIENCE_S, calibration_s=PATIENCE_S, next_s=3.0) as source:
        assert isinstance(source, FrameSource)
        lens = LensCamera(LensModel.OPENCV, 32, 24, 40.0, 41.0, 15.5, 11.5, (-0.1, 0.01, 0.001, 0.002))
        assert source.info == SourceInfo(f"ros:{TOPIC}", live=True, length=None, camera=lens, clock="ROS header")
        frames = list(islice(source, 5))
        assert all(a.timestamp_ns < b.timestamp_ns and a.index < b.index for a, b in pairwise(frames))
        for frame in frames:
            assert frame.image.shape == (24, 32)
            assert (frame.image == (frame.timestamp_ns - 1000 * 10**9) % 256).all()
        camera.kill()
        with pytest.raises(SourceError, match=f"No image came for 3 s on the topic {TOPIC}"):
            list(source)
        peer("camera", TOPIC)
        again = _first(source, 3)
        # It counts from 0 again.
        assert again[0].timestamp_ns < frames[-1].timestamp_ns
        assert again[0].index > frames[-1].index


def _first(source: RosImageSource, count: int) -> list[RawFrame]:
    """Read until images come again, as a node does after a camera was unplugged."""
    for _ in range(10):
        try:
            return list(islice(source, count))
        except SourceError:
            continue
    raise AssertionError("no images came again")


def test_a_topic_without_images_is_an_error_that_names_those_with(peer: Peer) -> None:
    peer("camera", TOPIC)
    with RosImageSource(TOPIC, first_s=PATIENCE_S):
        pass  # the camera is at work and discovery is done
    with pytest.raises(
        SourceError, match=rf"No image came in 2 s on the topic /other .*Images are sent on {TOPIC} \(ROS_DOMAIN_ID"
    ):
        RosImageSource("/other", first_s=2.0)


def test_the_topics_that_can_be_seen_are_those_of_others(peer: Peer) -> None:
    peer("camera", TOPIC)
    bus, heard = open_bus(), Event()
    bus.publisher("/ours/image_raw", IMAGE)
    bus.subscribe(TOPIC, IMAGE, lambda message: heard.set())
    assert heard.wait(PATIENCE_S)
    assert bus.topics() == {TOPIC: IMAGE, "/eye/camera_info": CAMERA_INFO}
    bus.close()


def test_a_user_names_a_topic_as_a_source(peer: Peer) -> None:
    peer("camera", TOPIC)
    with open_source(f"ros:{TOPIC}") as source:
        assert len(list(islice(source, 2))) == 2


def test_messages_that_are_no_pictures_are_said_when_nothing_else_comes(domain: int) -> None:
    bus = CycloneBus()
    send = bus.publisher(TOPIC, IMAGE)
    fields = {"encoding": "32FC1", "height": 1, "width": 1, "is_bigendian": 0, "step": 4, "data": b"1234"}
    sending = _Repeated(lambda: send({"header": {"stamp": {"sec": 1, "nanosec": 0}, "frame_id": ""}, **fields}))
    with sending, pytest.raises(SourceError, match=r"No image came for 0\.5 s .*could not be read: .*32FC1"):
        list(RosImageSource(TOPIC, first_s=PATIENCE_S, calibration_s=0.0, next_s=0.5))
    bus.close()


class _Repeated:
    """Does something again and again in a thread."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._stop = Event()
        self._thread = Thread(target=self._run, args=(act,))

    def _run(self, act: Callable[[], None]) -> None:
        while not self._stop.wait(0.02):
            act()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_other_machines_cannot_reach_the_sockets(domain: int) -> None:
    bus = CycloneBus()
    devices = _devices(range(7400 + 250 * domain, 7400 + 250 * (domain + 1)))
    # For discovery and for data.
    assert len(devices) >= 2
    assert set(devices) == {b"lo\0"}
    bus.close()


def _devices(ports: range) -> list[bytes]:
    """Return the network interface of each socket of this process that is bound to one of the ports."""
    found = []
    sockets = [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_socket()]
    for entry in sockets:
        with socket.socket(fileno=os.dup(int(entry.name))) as handle:
            address = handle.getsockname()
            is_datagram = handle.type is socket.SOCK_DGRAM  # others may have got such a port by chance
            if is_datagram and isinstance(address, tuple) and len(address) > 1 and address[1] in ports:
                found.append(handle.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16))
    return found


def test_without_a_setting_of_the_user_s_it_stays_on_this_machine_and_says_so(
    domain: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CYCLONEDDS_URI")
    CycloneBus().close()
    assert os.environ["CYCLONEDDS_URI"] == LOOPBACK
    assert "stay on this machine" in caplog.text
    monkeypatch.delenv("CYCLONEDDS_URI")


def test_other_nodes_find_the_same_setting_in_a_file() -> None:
    file = Path(__file__).resolve().parents[3] / "configs" / "cyclonedds-loopback.xml"
    assert file.read_text().strip().endswith(LOOPBACK)


def test_only_sockets_of_the_domain_are_confined() -> None:
    # Ports of domain 231, which no test uses.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        inside.bind(("0.0.0.0", 7400 + 250 * 231 + 10))
        outside.bind(("0.0.0.0", 7400 + 250 * 231 - 1))
        assert confine_to_loopback(231) == 1
        bound = [each.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16) for each in (inside, outside)]
    assert bound == [b"lo\0", b""]


def test_confining_leaves_no_descriptor_behind(domain: int) -> None:
    bus = CycloneBus()
    before = len(list(Path("/proc/self/fd").iterdir()))
    confine_to_loopback(domain)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    bus.close()


@pytest.mark.parametrize("number", ["-1", "233", "one"])
def test_an_impossible_domain_is_refused(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", number)
    with pytest.raises(ConfigError, match=f"ROS_DOMAIN_ID must be a number from 0 to 232, found “{number}”"):
        CycloneBus()


@pytest.mark.parametrize("topic", ["/a b", "", "/a//b", "/1"])
def test_an_impossible_topic_is_refused(domain: int, topic: str) -> None:
    bus = CycloneBus()
    with pytest.raises(ConfigError, match="no name of a ROS topic"):
        bus.publisher(topic, IMAGE)
    bus.close()


def test_the_network_of_a_user_s_own_is_left_as_it_is(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONEDDS_URI", "<Nonsense")
    monkeypatch.setenv("ROS_DOMAIN_ID", "229")
    with pytest.raises(ConfigError, match=r"cannot join the ROS 2 network.*CYCLONEDDS_URI=<Nonsense"):
        CycloneBus()


def test_what_breaks_on_the_way_is_raised_by_the_next_write(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def publisher(self, topic: str, kind: str) -> Callable[[dict[str, Any]], None]:
            def send(fields: dict[str, Any]) -> None:
                raise OutputError(f"no way to {topic}")

            return send

        def subscribe(self, topic: str, kind: str, receive: Callable[[Any], None]) -> None: ...

        def topics(self) -> dict[str, str]:
            return {}

        def close(self) -> None:
            logging.getLogger("test").warning("closed")

    sink = RosSink(connect=Broken)
    sink.open(INFO, CAMERA)
    with pytest.raises(OutputError, match="no way to /reloc/pose"):
        _write_on(sink)
    sink.close()
    sink.close()
    assert caplog.messages == ["closed"]


def _write_on(sink: RosSink) -> None:
    for index in range(100_000):
        sink.write(estimate(index))


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setitem(sys.modules, "cyclonedds", None)
    with pytest.raises(ConfigError, match=r"pip install 'reloc\[ros\]'"):
        open_bus()


def test_rclpy_must_be_sourced() -> None:
    with pytest.raises(ConfigError, match="source ROS first"):
        open_bus("rclpy")
