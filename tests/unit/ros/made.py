"""What the tests of ROS make for themselves: messages, and bags written by rosbags itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from reloc.geometry.lens import LensCamera
from reloc.ros.camera_info import camera_info_fields

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE, COMPRESSED, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
TEXT = "std_msgs/msg/String"


def header(time_ns: int) -> Any:
    stamp = STORE.types["builtin_interfaces/msg/Time"](*divmod(time_ns, 10**9))
    return STORE.types["std_msgs/msg/Header"](stamp, "camera")


def image(data: bytes, width: int, height: int, encoding: str, step: int, *, big_endian: bool = False, time_ns: int = 0) -> Any:
    values = np.frombuffer(data, np.uint8)
    return STORE.types[IMAGE](header(time_ns), height, width, encoding, int(big_endian), step, values)


def rgb_message(rgb: np.ndarray, time_ns: int) -> Any:
    return image(rgb.tobytes(), rgb.shape[1], rgb.shape[0], "rgb8", rgb.shape[1] * 3, time_ns=time_ns)


def compressed(data: bytes, time_ns: int, form: str = "jpeg") -> Any:
    return STORE.types[COMPRESSED](header(time_ns), form, np.frombuffer(data, np.uint8))


def camera_info(lens: LensCamera, **changes: Any) -> Any:
    fields = {**camera_info_fields(lens), **changes}
    roi = STORE.types["sensor_msgs/msg/RegionOfInterest"](**fields.pop("roi"))
    numbers = {name: np.array(fields.pop(name), np.float64) for name in "dkrp"}
    return STORE.types[INFO](header=header(0), roi=roi, **fields, **numbers)


def write_bag(folder: Path, messages: Iterable[tuple[str, int, Any]], *, mcap: bool = True, **options: Any) -> Path:
    """Write (topic, log time, message) with rosbags."""
    plugin = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
    writer = Writer(folder, version=9, storage_plugin=plugin)
    if options:
        writer.set_compression(**options)
    with writer:
        connections: dict[str, Any] = {}
        for topic, time_ns, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], time_ns, STORE.serialize_cdr(message, kind))
    return folder
