"""ROS 2 without ROS: a rosbag2 folder, or a single .mcap file that Foxglove opens, written by rosbags.

Topics: /reloc/pose (geometry_msgs/PoseWithCovarianceStamped, one a pose), /reloc/path (nav_msgs/Path, once, at the end) and /tf
(tf2_msgs/TFMessage). After REP-103 the camera's own axes (x right, y down, z forward) are those of an optical frame; after
REP-105 the poses are in the frame `map`. The covariance has the order x, y, z, rotation about X, Y, Z, and is that of the
position itself, about the camera and not about the origin of the map.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from reloc.errors import OutputError
from reloc.export.selection import ExportedPoses
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.geometry.uncertainty import position_and_turn_covariance

MAP_FRAME, CAMERA_FRAME = "map", "camera_optical_frame"
POSE_TOPIC, PATH_TOPIC, TF_TOPIC = "/reloc/pose", "/reloc/path", "/tf"

_VERSION = 9
# ROS keeps seconds in 32 bits with a sign.
_LATEST_NS = (1 << 31) * 1_000_000_000


def write_bag(poses: ExportedPoses, folder: Path) -> None:
    """Write a rosbag2 folder with an SQLite file; raises `OutputError` where that fails or rosbags is not installed."""
    rosbag2, _ = _rosbags()
    with _beside(folder) as workshop:
        _write(poses, workshop / folder.name, rosbag2.StoragePlugin.SQLITE3)
        os.replace(workshop / folder.name, folder)


def write_mcap(poses: ExportedPoses, path: Path) -> None:
    """Write a single .mcap file; raises `OutputError` where that fails or rosbags is not installed."""
    rosbag2, _ = _rosbags()
    with _beside(path) as workshop:
        _write(poses, workshop / "bag", rosbag2.StoragePlugin.MCAP)
        os.replace(next((workshop / "bag").glob("*.mcap")), path)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a folder next to the target, on the same disk, that is gone afterwards: nobody finds half a bag."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".reloc-", dir=target.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(f"cannot write the bag: {error.strerror or error}; check the folder and its space", target) from error


def _rosbags() -> tuple[ModuleType, ModuleType]:
    try:
        from rosbags import rosbag2, typesys
    except ImportError as error:
        raise OutputError("bags need the package rosbags: pip install 'reloc[ros]'") from error
    return rosbag2, typesys


def _write(poses: ExportedPoses, folder: Path, storage: Any) -> None:
    if poses.trajectory.timestamps_ns[0] < 0 or poses.trajectory.timestamps_ns[-1] >= _LATEST_NS:
        raise OutputError("ROS has no word for times before 1970 or after 2038; export another format")
    rosbag2, typesys = _rosbags()
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    with rosbag2.Writer(folder, version=_VERSION, storage_plugin=storage) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in (
                (POSE_TOPIC, "geometry_msgs/msg/PoseWithCovarianceStamped"),
                (TF_TOPIC, "tf2_msgs/msg/TFMessage"),
                (PATH_TOPIC, "nav_msgs/msg/Path"),
            )
        }
        for topic, time, message in _messages(poses, store.types):
            writer.write(connections[topic], time, store.serialize_cdr(message, message.__msgtype__))


def _messages(poses: ExportedPoses, types: Any) -> Iterator[tuple[str, int, Any]]:
    """Yield (topic, time in nanoseconds, message)."""
    make = _Messages(types)
    trajectory = poses.trajectory
    xyzw = xyzw_from_wxyz(trajectory.quaternions)
    covariances = position_and_turn_covariance(poses.covariances, trajectory.translations)
    stamped = []
    for i, time in enumerate(trajectory.timestamps_ns.tolist()):
        position, turn = trajectory.translations[i].tolist(), xyzw[i].tolist()
        yield POSE_TOPIC, time, make.pose_with_covariance(time, position, turn, covariances[i])
        yield TF_TOPIC, time, make.transform(time, position, turn)
        stamped.append(make.pose_stamped(time, position, turn))
    yield PATH_TOPIC, time, types["nav_msgs/msg/Path"](make.header(time), stamped)


class _Messages:
    """Builds the messages from numbers."""

    def __init__(self, types: Any) -> None:
        self._types = types

    def _make(self, kind: str, *fields: Any) -> Any:
        return self._types[kind](*fields)

    def header(self, time_ns: int) -> Any:
        stamp = self._make("builtin_interfaces/msg/Time", *divmod(time_ns, 1_000_000_000))
        return self._make("std_msgs/msg/Header", stamp, MAP_FRAME)

    def _pose(self, position: list[float], xyzw: list[float]) -> Any:
        point = self._make("geometry_msgs/msg/Point", *position)
        return self._make("geometry_msgs/msg/Pose", point, self._make("geometry_msgs/msg/Quaternion", *xyzw))

    def pose_stamped(self, time_ns: int, position: list[float], xyzw: list[float]) -> Any:
        return self._make("geometry_msgs/msg/PoseStamped", self.header(time_ns), self._pose(position, xyzw))

    def pose_with_covariance(self, time_ns: int, position: list[float], xyzw: list[float], covariance: np.ndarray) -> Any:
        # Zeros are what ROS takes for unknown.
        known = np.nan_to_num(covariance, nan=0.0, posinf=0.0, neginf=0.0).reshape(36)
        pose = self._make("geometry_msgs/msg/PoseWithCovariance", self._pose(position, xyzw), known)
        return self._make("geometry_msgs/msg/PoseWithCovarianceStamped", self.header(time_ns), pose)

    def transform(self, time_ns: int, position: list[float], xyzw: list[float]) -> Any:
        shift, turn = self._make("geometry_msgs/msg/Vector3", *position), self._make("geometry_msgs/msg/Quaternion", *xyzw)
        motion = self._make("geometry_msgs/msg/Transform", shift, turn)
        stamped = self._make("geometry_msgs/msg/TransformStamped", self.header(time_ns), CAMERA_FRAME, motion)
        return self._make("tf2_msgs/msg/TFMessage", [stamped])
