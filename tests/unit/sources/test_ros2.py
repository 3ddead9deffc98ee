"""RosImageSource on a bus that does what the test says; `tests/unit/ros/test_network.py` has the real one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from reloc.errors import SourceError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.ros.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE
from reloc.sources.clock import Clock
from reloc.sources.ros2 import RosImageSource
from tests.unit.ros.made import camera_info, compressed, rgb_message
from tests.unit.sources.made import picture

LENS = LensCamera(LensModel.OPENCV, 64, 48, 50.0, 51.0, 31.0, 23.5, (-0.1, 0.02, 0.001, -0.002))
RAW = "/cam/image_raw"


class Wire:
    """A bus without a network: `image` and `info` arrive as soon as somebody subscribes."""

    def __init__(self, topic: str = RAW, *, image: list[Any], info: list[Any] | None = None) -> None:
        self.topic = topic
        self.first = {CAMERA_INFO: info or [], IMAGE: image, COMPRESSED_IMAGE: image}
        self.kinds: dict[str, str] = {}
        self.receivers: dict[str, Callable[[Any], None]] = {}
        self.closed = 0

    def publisher(self, topic: str, kind: str) -> Callable[[dict[str, Any]], None]:
        raise AssertionError("a source sends nothing")

    def subscribe(self, topic: str, kind: str, receive: Callable[[Any], None]) -> None:
        self.kinds[topic], self.receivers[topic] = kind, receive
        for message in self.first[kind]:
            receive(message)

    def topics(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self.closed += 1

    def send(self, *times_ns: int) -> None:
        for time_ns in times_ns:
            self.receivers[self.topic](rgb_message(picture(0), time_ns))

    def source(self) -> RosImageSource:
        return RosImageSource(self.topic, lambda: self, first_s=0.0, calibration_s=0.0, next_s=0.05)


def test_images_that_are_not_later_are_left_out() -> None:
    wire = Wire(image=[rgb_message(picture(0), 5)])
    frames = iter(wire.source())
    seen = [next(frames)]
    for pair in [(5, 7), (3, 8), (8, 9)]:
        wire.send(*pair)
        seen.append(next(frames))
    assert [(frame.index, frame.timestamp_ns) for frame in seen] == [(0, 5), (2, 7), (4, 8), (6, 9)]


def test_only_the_newest_two_wait_and_then_silence_is_an_error() -> None:
    frames = iter(Wire(image=[rgb_message(picture(i), 100 + i) for i in range(7)]).source())
    assert [next(frames).index for _ in range(2)] == [5, 6]
    begun_s = time.monotonic()
    with pytest.raises(SourceError, match=r"No image came for 0\.05 s on the topic /cam/image_raw$"):
        next(frames)
    assert time.monotonic() - begun_s < 20  # on however busy a machine


def test_a_bus_without_images_is_left_again() -> None:
    wire = Wire(image=[])
    with pytest.raises(SourceError, match="No topic with images can be seen"):
        wire.source()
    assert wire.closed == 1


def test_it_leaves_when_it_is_closed() -> None:
    wire = Wire(image=[rgb_message(picture(0), 5)])
    with wire.source():
        assert wire.closed == 0
    assert wire.closed == 1


@pytest.mark.parametrize(
    ("topic", "info", "lens"),
    [
        (RAW, camera_info(LENS), LENS),
        ("/cam/image_rect", camera_info(LENS), LensCamera(LensModel.PINHOLE, 64, 48, 50.0, 51.0, 31.0, 23.5)),
        (RAW, camera_info(LENS, k=[0.0] * 9), None),
        (RAW, camera_info(LENS, binning_x=2), None),
    ],
)
def test_the_calibration_beside_the_images_is_used_where_it_can_be(topic: str, info: Any, lens: LensCamera | None) -> None:
    wire = Wire(topic, image=[rgb_message(picture(0), 5)], info=[info])
    assert wire.source().info.camera == lens
    assert wire.kinds == {topic: IMAGE, "/cam/camera_info": CAMERA_INFO}


def test_compressed_images_are_known_by_the_name_of_their_topic() -> None:
    data = cv2.imencode(".png", picture(3)[..., ::-1])[1].tobytes()
    wire = Wire(f"{RAW}/compressed", image=[compressed(data, 5)])
    np.testing.assert_array_equal(next(iter(wire.source())).image, picture(3))
    assert wire.kinds == {f"{RAW}/compressed": COMPRESSED_IMAGE, "/cam/camera_info": CAMERA_INFO}


@pytest.mark.parametrize(("behind_s", "clock"), [(0, Clock.SYSTEM.value), (3600, "ROS header")])
def test_the_clock_is_ours_only_where_the_headers_are_near_our_time(behind_s: int, clock: str) -> None:
    wire = Wire(image=[rgb_message(picture(0), time.time_ns() - behind_s * 10**9)])
    assert wire.source().info.clock == clock
