from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mcap_ros2._dynamic import generate_dynamic
from scipy.spatial.transform import Rotation

from reloc.errors import OutputError
from reloc.geometry.se3 import SE3
from reloc.ros import cdr, idl
from reloc.ros.camera_info import camera_info_fields
from reloc.ros.messages import (
    DIAGNOSTICS,
    OK,
    POSE,
    TRANSFORMS,
    WARN,
    diagnostics,
    header,
    pose_with_covariance,
    ros_covariance,
    stamp,
    transform,
)
from tests.tolerances import ALGEBRA, SAMPLED_COVARIANCE
from tests.unit.ros.made import COMPRESSED, IMAGE, INFO, STORE
from tests.unit.sinks.estimates import LENS

TIME_NS = 1_762_000_000_123_456_789
POSE_IN_MAP = SE3.exp([4.0, -3.0, 2.0, 0.3, -0.2, 0.9])
COVARIANCE = np.diag([1e-4, 2e-4, 3e-4, 4e-6, 5e-6, 6e-6]) + 1e-7
HEADER = header(TIME_NS, "cam")

MESSAGES: dict[str, dict[str, Any]] = {
    POSE: pose_with_covariance(TIME_NS, "map", POSE_IN_MAP, COVARIANCE),
    TRANSFORMS: transform(TIME_NS, "map", "camera_optical_frame", POSE_IN_MAP),
    DIAGNOSTICS: diagnostics(TIME_NS, "reloc", "webcam", WARN, "coasting", {"score": "0.3", "größe": "ü"}),
    INFO: {"header": HEADER, **camera_info_fields(LENS)},
    IMAGE: {
        "header": HEADER, "height": 2, "width": 3, "encoding": "mono8", "is_bigendian": 0, "step": 3,
        "data": b"\x00\x01\xfe\xff\x80\x07",
    },
    COMPRESSED: {"header": HEADER, "format": "jpeg", "data": b"\xff\xd8\xff"},
}  # fmt: skip


@pytest.mark.parametrize("kind", MESSAGES)
def test_cyclonedds_and_rosbags_write_the_same_bytes(kind: str) -> None:
    native = idl.build(kind, MESSAGES[kind]).serialize()
    assert native[:2] == b"\x00\x01"  # plain CDR, little-endian, as ROS 2 sends
    assert native.rstrip(b"\0") == cdr.serialize(kind, MESSAGES[kind]).rstrip(b"\0")


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_third_party_reads_what_cyclonedds_wrote(kind: str) -> None:
    decoders = generate_dynamic(kind, cdr.definition(kind))
    data = idl.build(kind, MESSAGES[kind]).serialize()
    message = decoders[kind](data)
    _compare(message, MESSAGES[kind])


@pytest.mark.parametrize("kind", MESSAGES)
def test_rosbags_reads_what_cyclonedds_wrote(kind: str) -> None:
    _compare(STORE.deserialize_cdr(idl.build(kind, MESSAGES[kind]).serialize(), kind), MESSAGES[kind])


@pytest.mark.parametrize("kind", [IMAGE, COMPRESSED])
def test_images_come_from_cyclonedds_as_arrays(kind: str) -> None:
    message = idl.idl_type(kind).deserialize(idl.build(kind, MESSAGES[kind]).serialize())
    assert isinstance(message.data, np.ndarray)
    assert bytes(message.data) == MESSAGES[kind]["data"]


def _compare(message: Any, fields: dict[str, Any]) -> None:
    for name, wanted in fields.items():
        found = getattr(message, name)
        match wanted:
            case dict():
                _compare(found, wanted)
            case [dict(), *_]:
                assert len(found) == len(wanted)
                for one, other in zip(found, wanted, strict=True):
                    _compare(one, other)
            case bytes() if name == "level":
                assert found == wanted[0]
            case bytes():
                assert bytes(found) == wanted
            case list():
                np.testing.assert_array_equal(found, wanted)
            case _:
                assert found == wanted


def test_type_names_are_those_of_ros_on_the_wire() -> None:
    names = {kind: idl.idl_type(kind).__idl_typename__ for kind in MESSAGES}
    assert names[POSE] == "geometry_msgs::msg::dds_::PoseWithCovarianceStamped_"
    assert names[TRANSFORMS] == "tf2_msgs::msg::dds_::TFMessage_"
    assert names[DIAGNOSTICS] == "diagnostic_msgs::msg::dds_::DiagnosticArray_"
    assert names[IMAGE] == "sensor_msgs::msg::dds_::Image_"


def test_the_pose_is_that_of_the_camera_in_the_map_with_the_real_part_last() -> None:
    pose = MESSAGES[POSE]["pose"]["pose"]
    position = [pose["position"][axis] for axis in "xyz"]
    xyzw = [pose["orientation"][axis] for axis in "xyzw"]
    moved = Rotation.from_quat(xyzw).apply([[0.0, 0.0, 1.0]])[0] + position
    np.testing.assert_allclose(moved, POSE_IN_MAP.apply(np.array([0.0, 0.0, 1.0])), atol=ALGEBRA)
    motion = MESSAGES[TRANSFORMS]["transforms"][0]["transform"]
    assert (list(motion["translation"].values()), list(motion["rotation"].values())) == (position, xyzw)


def test_the_covariance_is_what_sampled_poses_show() -> None:
    """Oracle: 200,000 poses drawn as the filter means it, looked at as ROS means it, with scipy's rotations."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6)) * np.array([3e-3, 3e-3, 3e-3, 1e-3, 1e-3, 1e-3])[:, None]
    covariance = root @ root.T
    deltas = rng.multivariate_normal(np.zeros(6), covariance, size=200_000)
    turns = Rotation.from_rotvec(deltas[:, 3:])
    # To second order in the angle, far below the sampling error: the left Jacobian of SO(3) is I + [ω]× / 2.
    carried = deltas[:, :3] + 0.5 * np.cross(deltas[:, 3:], deltas[:, :3])
    positions = turns.apply(POSE_IN_MAP.translation) + carried
    orientations = turns * Rotation.from_matrix(POSE_IN_MAP.rotation)
    fixed_axis = (orientations * Rotation.from_matrix(POSE_IN_MAP.rotation).inv()).as_rotvec()
    sampled = np.cov(np.hstack([positions, fixed_axis]).T)
    found = np.array(ros_covariance(covariance, POSE_IN_MAP)).reshape(6, 6)
    scale = np.sqrt(np.outer(np.diag(sampled), np.diag(sampled)))
    np.testing.assert_allclose(found / scale, sampled / scale, atol=SAMPLED_COVARIANCE)
    # What would be wrong: the covariance as it is says something else about the position, four metres from the origin.
    assert np.abs(covariance / scale - sampled / scale).max() > 10 * SAMPLED_COVARIANCE


def test_what_is_not_known_of_a_covariance_is_zero() -> None:
    assert ros_covariance(np.full((6, 6), np.nan), POSE_IN_MAP) == [0.0] * 36


@pytest.mark.parametrize(("time_ns", "sec", "nanosec"), [(0, 0, 0), (TIME_NS, 1_762_000_000, 123_456_789), (-1, -1, 999_999_999)])
def test_times_are_exact(time_ns: int, sec: int, nanosec: int) -> None:
    assert stamp(time_ns) == {"sec": sec, "nanosec": nanosec}


@pytest.mark.parametrize("time_ns", [2**31 * 10**9, -(2**31) * 10**9 - 1])
def test_times_that_ros_cannot_say_are_an_error(time_ns: int) -> None:
    with pytest.raises(OutputError, match="2038"):
        stamp(time_ns)


def test_levels_are_bytes() -> None:
    assert diagnostics(0, "a", "b", OK, "c", {})["status"][0]["level"] == b"\0"
