"""The way through rclpy, against a stand-in with its calls and names: there is no ROS to test with here."""

from __future__ import annotations

import sys
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reloc.ros.bus import open_bus
from reloc.ros.messages import OK, TRANSFORMS, transform
from reloc.sinks.ros2 import RosSink
from tests.unit.ros.test_messages import POSE_IN_MAP
from tests.unit.sinks.estimates import CAMERA, INFO, estimate


class Ros:
    """Notes what is asked of rclpy."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.sent: list[tuple[str, Any]] = []
        self.spinning = Event()
        self.stop = Event()

    def create_node(self, name: str, *, context: Any) -> Any:
        self.asked.append(("node", name))
        return SimpleNamespace(
            create_publisher=self._create_publisher,
            create_subscription=lambda kind, topic, receive, qos: self.asked.append(
                ("subscription", kind.name, topic, receive, qos)
            ),
            get_topic_names_and_types=lambda: [("/a", ["sensor_msgs/msg/Image"]), ("/b", [])],
            destroy_node=lambda: self.asked.append(("destroy",)),
        )

    def _create_publisher(self, kind: Any, topic: str, depth: int) -> Any:
        self.asked.append(("publisher", kind.name, topic, depth))
        return SimpleNamespace(publish=lambda message: self.sent.append((topic, message)))

    def spin(self) -> None:
        self.spinning.set()
        assert self.stop.wait(30)


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Ros:
    fake = Ros()
    context = SimpleNamespace(try_shutdown=lambda: fake.asked.append(("shutdown",)))
    executor = SimpleNamespace(add_node=lambda node: None, spin=fake.spin, shutdown=fake.stop.set)
    reliability = SimpleNamespace(BEST_EFFORT="best effort")
    modules: dict[str, dict[str, Any]] = {
        "rclpy": {"init": lambda args, context: fake.asked.append(("init", args)), "create_node": fake.create_node},
        "rclpy.context": {"Context": lambda: context},
        "rclpy.executors": {"SingleThreadedExecutor": lambda context: executor},
        "rclpy.qos": {
            "QoSProfile": lambda history, depth, reliability: (history, depth, reliability),
            "HistoryPolicy": SimpleNamespace(KEEP_LAST="keep last"),
            "ReliabilityPolicy": reliability,
        },
        "rosidl_runtime_py": {},
        "rosidl_runtime_py.utilities": {"get_message": _message_type},
        "rosidl_runtime_py.set_message": {"set_message_fields": lambda message, fields: message.update(fields)},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        module.__dict__.update(content, __spec__=SimpleNamespace())
        monkeypatch.setitem(sys.modules, name, module)
    return fake


def _message_type(kind: str) -> Any:
    made = type(kind, (dict,), {})
    made.name = kind  # type: ignore[attr-defined]
    return made


def test_poses_go_through_a_node_of_our_own(ros: Ros) -> None:
    sink = RosSink(connect=lambda: open_bus("rclpy"))
    sink.open(INFO, CAMERA)
    sink.write(estimate(3))
    sink.close()
    assert ros.spinning.is_set()
    assert [topic for topic, _ in ros.sent] == ["/reloc/pose", "/tf", "/diagnostics"]
    assert ros.sent[1][1] == transform(
        estimate(3).frame.timestamp_ns, "map", "camera_optical_frame", estimate(3).world_from_camera
    )
    assert ros.sent[2][1]["status"][0]["level"] == OK
    assert ros.asked[:3] == [
        ("init", []),
        ("node", "reloc"),
        ("publisher", "geometry_msgs/msg/PoseWithCovarianceStamped", "/reloc/pose", 10),
    ]
    assert ros.asked[-2:] == [("destroy",), ("shutdown",)]


def test_images_are_subscribed_to_as_a_sensor_s(ros: Ros) -> None:
    bus = open_bus("rclpy")
    heard: list[Any] = []
    bus.subscribe("/a", "sensor_msgs/msg/Image", heard.append)
    _, kind, topic, receive, qos = ros.asked[-1]
    receive("message")
    assert (kind, topic, qos, heard) == ("sensor_msgs/msg/Image", "/a", ("keep last", 2, "best effort"), ["message"])
    assert bus.topics() == {"/a": "sensor_msgs/msg/Image"}
    bus.close()


@pytest.mark.parametrize(("distro", "taken"), [("jazzy", "RclpyBus"), (None, "CycloneBus")])
def test_ros_is_used_where_it_is_sourced(
    ros: Ros, domain: int, monkeypatch: pytest.MonkeyPatch, distro: str | None, taken: str
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distro or "")
    bus = open_bus()
    assert type(bus).__name__ == taken
    bus.publisher("/tf", TRANSFORMS)(transform(0, "a", "b", POSE_IN_MAP))
    bus.close()
