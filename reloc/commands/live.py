"""`reloc live`: a camera against a map, for as long as it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.live_options import (
    CalibrationOption,
    DurationOption,
    ExposureOption,
    FpsOption,
    HealthPortOption,
    LiveCameraOption,
    RateOption,
    RecordFormatOption,
    RecordOption,
    RosOption,
    SizeOption,
)
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


def live(
    camera: LiveCameraOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results; an earlier run there is replaced.")],
    map_: MapOption = None,
    calibration: CalibrationOption = None,
    init: InitOption = None,
    index: IndexOption = None,
    rate: RateOption = None,
    record: RecordOption = False,
    record_format: RecordFormatOption = None,
    viewer: ViewerOption = None,
    ros: RosOption = False,
    health_port: HealthPortOption = None,
    duration: DurationOption = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    exposure: ExposureOption = None,
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
    overrides = _overrides(settings, record=record, record_format=record_format, ros=ros, health_port=health_port)
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


def _overrides(
    settings: list[str] | None, *, record: bool, record_format: str | None, ros: bool, health_port: str | None
) -> list[str]:
    """Return the settings, followed by those that options of their own say."""
    overrides = [*(settings or ())]
    overrides += ["record.enabled=true"] * record + ["ros.enabled=true"] * ros
    overrides += [] if health_port is None else _health(health_port)
    overrides += [] if record_format is None else [f"record.format={record_format}", "record.enabled=true"]
    return overrides


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
