"""The options that only `reloc live` has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

RecordFormatName = Literal["png", "jpg", "ffv1", "h264"]

LiveCameraOption = Annotated[
    str,
    typer.Option(
        "--camera",
        metavar="CAMERA",
        help="realsense, realsense:SERIAL, webcam:N, an rtsp:// or http:// address, ros:/TOPIC, or a recording to be played "
        "as if it were a camera. `reloc cameras` lists what is plugged in.",
    ),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="The lens: reloc's YAML, or a file of COLMAP, ROS, Kalibr or OpenCV. Default: what the camera brings.",
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option("--rate", metavar="HZ", help="Frames a second at which a recording is played. [default: its own]"),
]
RecordOption = Annotated[bool, typer.Option("--record", help="Record the frames into DIR/recording, for `reloc track`.")]
RecordFormatOption = Annotated[
    RecordFormatName | None, typer.Option("--record-format", help="png and ffv1 keep every bit. [default: png]")
]
RosOption = Annotated[bool, typer.Option("--ros", help="Publish poses, transforms and diagnostics on ROS 2 topics.")]
HealthPortOption = Annotated[
    str | None,
    typer.Option(
        "--health-port",
        metavar="N|off",
        help="Port on 127.0.0.1 for /health (JSON) and /metrics (Prometheus); 0 takes any. [default: 8710]",
    ),
]
DurationOption = Annotated[
    float | None, typer.Option("--duration", min=0.0, metavar="S", help="Stop after so many seconds. [default: at Ctrl-C]")
]
SizeOption = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Size of the images to ask the camera for, such as 640x480.")
]
FpsOption = Annotated[float | None, typer.Option("--fps", help="Frames a second to ask the camera for.")]
ExposureOption = Annotated[
    float | None, typer.Option("--exposure", metavar="US", help="Exposure time in microseconds. [default: automatic]")
]
