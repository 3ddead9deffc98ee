"""What can be chosen about the files of a run, about the viewer, and about others who listen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class OutputConfig:
    """The files of a run."""

    frames: bool = True
    """Write frames.jsonl with all that is known of every frame, 2 kB a frame; without it only trajectory and summary remain."""


@dataclass(frozen=True)
class ViewerConfig:
    """The Rerun viewer."""

    mode: Literal["none", "save", "spawn", "serve"] = "none"
    """`save` writes session.rrd, `spawn` opens a window, `serve` serves a page for a browser on this machine."""
    rate_hz: Annotated[float, Gt(0), Le(1000)] = 10.0
    """Pictures a second, at most; numbers are shown for every frame. More makes larger recordings and costs time."""
    image_width: Annotated[int, Ge(16), Le(8192)] = 640
    """Width in pixels to which pictures are reduced before they are shown."""
    jpeg_quality: Annotated[int, Ge(1), Le(100)] = 80
    """Quality of the pictures: 100 is the best and the largest."""
    memory_limit: str = "512MiB"
    """What `spawn` and `serve` may keep in memory; beyond it they forget what is oldest."""
    bind_ip: str = "127.0.0.1"
    """Address that `spawn` and `serve` listen on. Any other than 127.0.0.1 lets other machines look, without a password."""
    web_port: Annotated[int, Ge(0), Le(65535)] = 9090
    """Port of the page of `serve`; 0 takes any that is free."""
    grpc_port: Annotated[int, Ge(0), Le(65535)] = 9876
    """Port through which `spawn` and `serve` hand the data to the viewer; 0 takes any that is free."""


@dataclass(frozen=True)
class RecordConfig:
    """A recording of the frames, which `reloc track` can replay."""

    enabled: bool = False
    """Record into the folder `recording` of the run, or `recording_1` and so on where there is one already."""
    format: Literal["png", "jpg", "ffv1", "h264"] = "png"
    """How frames are kept: png and ffv1 (video) keep every bit; jpg and h264 (video) are smaller and do not."""
    queue_mib: Annotated[int, Ge(1), Le(65_536)] = 128
    """Images that may wait for a slow disk, in MiB; beyond it frames of a camera are left out and counted."""
    reserve_mib: Annotated[int, Ge(0), Le(1_000_000)] = 256
    """Recording, and the MCAP file, stop while so many MiB of the disk are still free for others."""


@dataclass(frozen=True)
class McapConfig:
    """A file of ROS 2 messages, for Foxglove and the tools of ROS."""

    enabled: bool = False
    """Write session.mcap: poses, transforms, diagnostics, images and calibration. Needs `pip install 'reloc[ros]'`."""
    images: Literal["jpg", "png", "none"] = "jpg"
    """How images are packed: png keeps every bit; none leaves them out."""
    jpeg_quality: Annotated[int, Ge(1), Le(100)] = 85
    """Quality of jpg: 100 is the best and the largest."""


@dataclass(frozen=True)
class RosConfig:
    """Topics of ROS 2 that are sent while the run goes on; the names hold for session.mcap as well."""

    enabled: bool = False
    """Publish poses, transforms and diagnostics. Needs a sourced ROS, or `pip install 'reloc[ros]'`."""
    transport: Literal["auto", "cyclonedds", "rclpy"] = "auto"
    """rclpy goes through a sourced ROS; cyclonedds does without, and unless CYCLONEDDS_URI is set stays on this machine, where it
    meets those who use configs/cyclonedds-loopback.xml; auto takes rclpy where there is one."""
    map_frame: str = "map"
    """Name of the mesh's frame, after REP-105."""
    camera_frame: str = "camera_optical_frame"
    """Name of the camera's optical frame, after REP-103 (x right, y down, z forward). A frame has one parent only: where the
    robot's own tree has this one, take another name or leave tf_topic empty."""
    pose_topic: str = "/reloc/pose"
    """Topic of geometry_msgs/PoseWithCovarianceStamped; empty sends none."""
    tf_topic: str = "/tf"
    """Topic of tf2_msgs/TFMessage; empty sends none."""
    diagnostics_topic: str = "/diagnostics"
    """Topic of diagnostic_msgs/DiagnosticArray, once a second and with every new verdict; empty sends none."""
