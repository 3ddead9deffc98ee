"""`reloc cameras`: what is plugged in."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from reloc.errors import SourceError
from reloc.files import json_document
from reloc.sources.realsense.devices import RealSenseDevice, list_realsense
from reloc.sources.v4l2 import VideoDevice, list_video_devices

EXAMPLES = """
reloc cameras
reloc cameras --json
"""

# Where nobody looks at a terminal, lines may be as long as the table needs.
_WIDTH_OF_A_PIPE = 200


def cameras(as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON, for programs.")] = False) -> None:
    """List the cameras that are plugged in, with the names by which `reloc live --camera` takes them.

    Network cameras do not show up here: name them by their address.
    """
    realsense, trouble = _realsense()
    video = list_video_devices()
    if as_json:
        listed = {
            "realsense": [{"camera": f"realsense:{one.serial}", **asdict(one)} for one in realsense],
            "video": [{"camera": one.spec, **asdict(one)} for one in video],
            "trouble": trouble,
        }
        typer.echo(json_document(listed), nl=False)
    else:
        _print(realsense, video, trouble)


def _realsense() -> tuple[list[RealSenseDevice], str | None]:
    """Return the RealSense cameras, or none and what keeps them from being found: other cameras must be listed all the same."""
    try:
        return list_realsense(), None
    except SourceError as error:
        return [], str(error)


def _print(realsense: list[RealSenseDevice], video: list[VideoDevice], trouble: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
    table = Table("--camera", "name", "details", box=None, header_style="bold", pad_edge=False)
    for one in realsense:
        table.add_row(Text(f"realsense:{one.serial}"), Text(one.name), Text(_realsense_details(one)))
    for device in video:
        table.add_row(Text(device.spec), Text(device.name), Text(_video_details(device)))
    if table.row_count:
        console.print(table)
    else:
        console.print("No cameras were found. Check cables and rights; network cameras are named by their address (rtsp://…).")
    if trouble is not None:
        console.print(Text(f"! {trouble}", style="yellow"))


def _realsense_details(device: RealSenseDevice) -> str:
    usb = f"USB {device.usb}" if device.usb else ""
    slow = ", too slow for some modes: use a USB 3 port and cable" if device.usb.startswith("2") else ""
    return ", ".join(part for part in (f"firmware {device.firmware}" if device.firmware else "", usb) if part) + slow


def _video_details(device: VideoDevice) -> str:
    return device.path if device.captures else f"{device.path}, could not be asked: no right to use it, or it is busy"
