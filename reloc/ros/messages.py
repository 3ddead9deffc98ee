"""ROS 2 messages as nested mappings of their fields: what rosbags, cyclonedds and rclpy each make their own objects of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import OutputError
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.se3 import SE3, xyzw_from_wxyz
from reloc.geometry.uncertainty import position_and_turn_covariance

Array = NDArray[np.float64]
Fields = dict[str, Any]

POSE = "geometry_msgs/msg/PoseWithCovarianceStamped"
TRANSFORMS = "tf2_msgs/msg/TFMessage"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
"""Levels of a diagnostic; ROS's type `byte` is a bytes object of length 1."""

# ROS keeps seconds in 32 bits with a sign.
_MOST_SECONDS = 2**31


def stamp(timestamp_ns: int) -> Fields:
    """Return a builtin_interfaces/Time; raises `OutputError` for a time that it cannot hold."""
    seconds, nanoseconds = divmod(timestamp_ns, NANOSECONDS_PER_SECOND)
    if not -_MOST_SECONDS <= seconds < _MOST_SECONDS:
        raise OutputError(f"ROS has no word for the time {seconds} s: it counts seconds with 32 bits, until 2038")
    return {"sec": seconds, "nanosec": nanoseconds}


def header(timestamp_ns: int, frame: str) -> Fields:
    """Return a std_msgs/Header."""
    return {"stamp": stamp(timestamp_ns), "frame_id": frame}


def pose_with_covariance(timestamp_ns: int, frame: str, world_from_camera: SE3, world_covariance: Array) -> Fields:
    """Return a geometry_msgs/PoseWithCovarianceStamped; see `ros_covariance`."""
    position, orientation = _vector(world_from_camera), _quaternion(world_from_camera)
    return {
        "header": header(timestamp_ns, frame),
        "pose": {
            "pose": {"position": position, "orientation": orientation},
            "covariance": ros_covariance(world_covariance, world_from_camera),
        },
    }


def transform(timestamp_ns: int, parent: str, child: str, parent_from_child: SE3) -> Fields:
    """Return a tf2_msgs/TFMessage with one transform."""
    motion = {"translation": _vector(parent_from_child), "rotation": _quaternion(parent_from_child)}
    return {"transforms": [{"header": header(timestamp_ns, parent), "child_frame_id": child, "transform": motion}]}


def diagnostics(timestamp_ns: int, name: str, hardware: str, level: bytes, message: str, values: dict[str, str]) -> Fields:
    """Return a diagnostic_msgs/DiagnosticArray with one status."""
    pairs = [{"key": key, "value": value} for key, value in values.items()]
    status = {"level": level, "name": name, "message": message, "hardware_id": hardware, "values": pairs}
    return {"header": header(timestamp_ns, ""), "status": [status]}


def ros_covariance(world_covariance: Array, world_from_camera: SE3) -> list[float]:
    """Return the covariance (36 numbers, row by row) that geometry_msgs/PoseWithCovariance means, zeros where it is not known.

    ROS's order is x, y, z, rotation about X, Y, Z: the position of the camera itself, and its turn about axes that are parallel
    to the map's. `world_covariance` (6, 6) is for exp(δ) @ world_from_camera, whose rotation also carries the camera around the
    map's origin; `position_and_turn_covariance` takes that apart.
    """
    covariance = position_and_turn_covariance(world_covariance, world_from_camera.translation)
    known: list[float] = np.nan_to_num(covariance, nan=0.0, posinf=0.0, neginf=0.0).reshape(36).tolist()
    return known


def _vector(pose: SE3) -> Fields:
    return dict(zip("xyz", pose.translation.tolist(), strict=True))


def _quaternion(pose: SE3) -> Fields:
    return dict(zip("xyzw", xyzw_from_wxyz(pose.wxyz).tolist(), strict=True))
