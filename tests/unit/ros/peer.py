# mypy: ignore-errors
"""Another process on the ROS 2 network, with message types written out by hand. Knows nothing of reloc.

`python peer.py listen` prints what it hears as JSON lines, the first one when it is ready; `python peer.py camera TOPIC` sends
grey images of 32 × 24 and a CameraInfo until its input ends; the value of all pixels and the nanoseconds are the frame's number.
"""

import json
import select
import sys
from dataclasses import asdict, dataclass

from cyclonedds.core import ReadCondition, WaitSet
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import array, byte, float64, int32, sequence, uint8, uint32
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration


@dataclass
class Time(IdlStruct, typename="builtin_interfaces::msg::dds_::Time_"):
    sec: int32
    nanosec: uint32


@dataclass
class Header(IdlStruct, typename="std_msgs::msg::dds_::Header_"):
    stamp: Time
    frame_id: str


@dataclass
class Point(IdlStruct, typename="geometry_msgs::msg::dds_::Point_"):
    x: float64
    y: float64
    z: float64


@dataclass
class Vector3(IdlStruct, typename="geometry_msgs::msg::dds_::Vector3_"):
    x: float64
    y: float64
    z: float64


@dataclass
class Quaternion(IdlStruct, typename="geometry_msgs::msg::dds_::Quaternion_"):
    x: float64
    y: float64
    z: float64
    w: float64


@dataclass
class Pose(IdlStruct, typename="geometry_msgs::msg::dds_::Pose_"):
    position: Point
    orientation: Quaternion


@dataclass
class PoseWithCovariance(IdlStruct, typename="geometry_msgs::msg::dds_::PoseWithCovariance_"):
    pose: Pose
    covariance: array[float64, 36]


@dataclass
class PoseWithCovarianceStamped(IdlStruct, typename="geometry_msgs::msg::dds_::PoseWithCovarianceStamped_"):
    header: Header
    pose: PoseWithCovariance


@dataclass
class Transform(IdlStruct, typename="geometry_msgs::msg::dds_::Transform_"):
    translation: Vector3
    rotation: Quaternion


@dataclass
class TransformStamped(IdlStruct, typename="geometry_msgs::msg::dds_::TransformStamped_"):
    header: Header
    child_frame_id: str
    transform: Transform


@dataclass
class TFMessage(IdlStruct, typename="tf2_msgs::msg::dds_::TFMessage_"):
    transforms: sequence[TransformStamped]


@dataclass
class KeyValue(IdlStruct, typename="diagnostic_msgs::msg::dds_::KeyValue_"):
    key: str
    value: str


@dataclass
class DiagnosticStatus(IdlStruct, typename="diagnostic_msgs::msg::dds_::DiagnosticStatus_"):
    level: byte
    name: str
    message: str
    hardware_id: str
    values: sequence[KeyValue]


@dataclass
class DiagnosticArray(IdlStruct, typename="diagnostic_msgs::msg::dds_::DiagnosticArray_"):
    header: Header
    status: sequence[DiagnosticStatus]


@dataclass
class RegionOfInterest(IdlStruct, typename="sensor_msgs::msg::dds_::RegionOfInterest_"):
    x_offset: uint32
    y_offset: uint32
    height: uint32
    width: uint32
    do_rectify: bool


@dataclass
class CameraInfo(IdlStruct, typename="sensor_msgs::msg::dds_::CameraInfo_"):
    header: Header
    height: uint32
    width: uint32
    distortion_model: str
    d: sequence[float64]
    k: array[float64, 9]
    r: array[float64, 9]
    p: array[float64, 12]
    binning_x: uint32
    binning_y: uint32
    roi: RegionOfInterest


@dataclass
class Image(IdlStruct, typename="sensor_msgs::msg::dds_::Image_"):
    header: Header
    height: uint32
    width: uint32
    encoding: str
    is_bigendian: uint8
    step: uint32
    data: sequence[uint8]


TOPICS = {"rt/reloc/pose": PoseWithCovarianceStamped, "rt/tf": TFMessage, "rt/diagnostics": DiagnosticArray}
# As ROS 2 subscribes by default.
QOS = Qos(Policy.Reliability.Reliable(duration(milliseconds=100)), Policy.History.KeepLast(10), Policy.Durability.Volatile)
PERIOD_S = 0.02


def listen(participant: DomainParticipant) -> None:
    readers = {name: DataReader(participant, Topic(participant, name, kind), qos=QOS) for name, kind in TOPICS.items()}
    waiting = WaitSet(participant)
    for reader in readers.values():
        waiting.attach(ReadCondition(reader, 0xFFFF))
    print(json.dumps({"topic": "ready"}), flush=True)
    while True:
        waiting.wait(duration(milliseconds=50))
        for name, reader in readers.items():
            for message in reader.take(10):
                print(json.dumps({"topic": name, "message": asdict(message)}), flush=True)


def camera(participant: DomainParticipant, topic: str) -> None:
    images = DataWriter(participant, Topic(participant, f"rt{topic}", Image), qos=QOS)
    infos = DataWriter(participant, Topic(participant, f"rt{topic.rpartition('/')[0]}/camera_info", CameraInfo), qos=QOS)
    number = 0
    while not select.select([sys.stdin], [], [], PERIOD_S)[0]:
        header = Header(Time(1000, number), "eye")
        k = [40.0, 0.0, 15.5, 0.0, 41.0, 11.5, 0.0, 0.0, 1.0]
        p = [40.0, 0.0, 15.5, 0.0, 0.0, 41.0, 11.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        roi = RegionOfInterest(0, 0, 0, 0, False)
        infos.write(CameraInfo(header, 24, 32, "plumb_bob", [-0.1, 0.01, 0.001, 0.002, 0.0], k, [0.0] * 9, p, 0, 0, roi))
        images.write(Image(header, 24, 32, "mono8", 0, 32, [number % 256] * 768))
        number += 1


if __name__ == "__main__":
    import os

    member = DomainParticipant(int(os.environ["ROS_DOMAIN_ID"]))
    if sys.argv[1] == "listen":
        listen(member)
    else:
        camera(member, sys.argv[2])
