"""`reloc live`: a camera against a map, for as long as it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reloc.commands.live_run import LiveRequest, track_live
from reloc.commands.options import (
    ConfigOption,
    IndexOption,
    InitOption,
    MapOption,
    MotionOption,
    SetOption,
    ViewerOption,
    configuration,
)
from reloc.errors import ConfigError
from reloc.sources.options import CameraOptions

EXAMPLES = """
reloc live --camera realsense --map hall.glb --init "0 0 1.2 0 0 0 1" --out out/live --viewer serve
reloc live --camera webcam:0 --calibration webcam.yaml --map desk.obj --init start.txt --out out/live --record
reloc live --camera rtsp://user:password@10.0.0.7/stream --calibration ip.yaml --map yard.obj --init start.txt --out out/yard
reloc live --camera recordings/desk --rate 30 --init recordings/desk/groundtruth.txt --out out/replay
"""

_LARGEST_PORT = 65_535

RecordFormatName = Literal["png", "jpg", "ffv1", "h264"]


def live(
    camera: Annotated[
        str,
        typer.Option(
            "--camera",
            metavar="CAMERA",
            help="realsense, realsense:SERIAL, webcam:N, an rtsp:// or http:// address, ros:/TOPIC, or a recording to be played "
            "as if it were a camera. `reloc cameras` lists what is plugged in.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results; an earlier run there is replaced.")],
    map_: MapOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="FILE",
            help="The lens: reloc's YAML, or a file of COLMAP, ROS, Kalibr or OpenCV. Default: what the camera brings.",
        ),
    ] = None,
    init: InitOption = None,
    index: IndexOption = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="HZ", help="Frames a second at which a recording is played. [default: its own]"),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Record the frames into DIR/recording, for `reloc track`.")] = False,
    record_format: Annotated[
        RecordFormatName | None, typer.Option("--record-format", help="png and ffv1 keep every bit. [default: png]")
    ] = None,
    viewer: ViewerOption = None,
    ros: Annotated[bool, typer.Option("--ros", help="Publish poses, transforms and diagnostics on ROS 2 topics.")] = False,
    health_port: Annotated[
        str | None,
        typer.Option(
            "--health-port",
            metavar="N|off",
            help="Port on 127.0.0.1 for /health (JSON) and /metrics (Prometheus); 0 takes any. [default: 8710]",
        ),
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0.0, metavar="S", help="Stop after so many seconds. [default: at Ctrl-C]")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Size of the images to ask the camera for, such as 640x480.")
    ] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="Frames a second to ask the camera for.")] = None,
    exposure: Annotated[
        float | None, typer.Option("--exposure", metavar="US", help="Exposure time in microseconds. [default: automatic]")
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    motion: MotionOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files in DIR that are not an earlier run's.")] = False,
) -> None:
    """Tell where a camera is, for as long as it runs.

    The newest frame wins: what comes while a frame is tracked is dropped and counted. A camera that stops, hangs or is unplugged
    is reported and opened again and again until it is back; a viewer or disk that fails stops nothing else.

    DIR gets what `reloc track` writes; summary.json also says how many frames were dropped, how the camera fared, and the
    latency from exposure to pose. Ctrl-C, or SIGTERM, ends it with all files closed, and 0; a second one ends it on the spot.
    A recording, or --duration, ends it as `reloc track` ends: 0, or 3 if it was lost.
    """
    overrides = [*(settings or ())]
    overrides += ["record.enabled=true"] * record + ["ros.enabled=true"] * ros
    overrides += [] if health_port is None else _health(health_port)
    overrides += [] if record_format is None else [f"record.format={record_format}", "record.enabled=true"]
    width, height = (None, None) if size is None else _size(size)
    request = LiveRequest(
        camera=camera,
        options=CameraOptions(width=width, height=height, fps=fps, exposure_us=exposure, rate_hz=rate),
        map=map_,
        calibration=calibration,
        init=init,
        index=index,
        out=out,
        config=configuration(config, overrides, viewer=viewer, motion=motion),
        duration_s=duration,
        overwrite=overwrite,
    )
    raise typer.Exit(track_live(request))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"a size is two numbers such as 640x480, not “{text}”")
    return int(width), int(height)


def _health(text: str) -> list[str]:
    if text == "off":
        return ["live.health=false"]
    if not (text.isdecimal() and int(text) <= _LARGEST_PORT):
        raise ConfigError(f"--health-port is a port number from 0 to {_LARGEST_PORT}, or off, not “{text}”")
    return [f"live.health_port={text}", "live.health=true"]
