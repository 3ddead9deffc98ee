from __future__ import annotations

import json
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from reloc.commands import cameras
from reloc.errors import SourceError
from reloc.sources.realsense.devices import RealSenseDevice
from reloc.sources.v4l2 import VideoDevice

APP = typer.Typer()
APP.command()(cameras.cameras)


def _call(*arguments: str) -> str:
    result = CliRunner().invoke(APP, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _fails() -> Any:
    raise SourceError("pyrealsense2 is not installed")


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [RealSenseDevice("Intel [RealSense] D435", "042", "5.16.0.1", "2.1"), RealSenseDevice("D455", "043", "", "3.2")]
    monkeypatch.setattr(cameras, "list_realsense", lambda: found)
    devices = [VideoDevice("/dev/video2", "HD Webcam", True), VideoDevice("/dev/video4", "locked", None)]
    monkeypatch.setattr(cameras, "list_video_devices", lambda: devices)


@pytest.mark.usefixtures("plugged_in")
def test_cameras_are_listed_by_the_names_that_open_them() -> None:
    lines = [" ".join(line.split()) for line in _call().splitlines()]
    assert lines[1].startswith("realsense:042 Intel [RealSense] D435 firmware 5.16.0.1, USB 2.1, too slow")
    assert lines[-3:] == [
        "realsense:043 D455 USB 3.2",
        "webcam:2 HD Webcam /dev/video2",
        "webcam:4 locked /dev/video4, could not be asked: no right to use it, or it is busy",
    ]


@pytest.mark.usefixtures("plugged_in")
def test_programs_get_the_same_as_json() -> None:
    found = json.loads(_call("--json"))
    assert found["realsense"][0] == {
        "camera": "realsense:042", "name": "Intel [RealSense] D435", "serial": "042", "firmware": "5.16.0.1", "usb": "2.1",
    }  # fmt: skip
    assert found["video"] == [
        {"camera": "webcam:2", "path": "/dev/video2", "name": "HD Webcam", "captures": True},
        {"camera": "webcam:4", "path": "/dev/video4", "name": "locked", "captures": None},
    ]
    assert found["trouble"] is None


def test_nothing_plugged_in_is_said_and_trouble_with_one_kind_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "list_video_devices", list)
    monkeypatch.setattr(cameras, "list_realsense", list)
    assert "No cameras were found" in _call()
    assert json.loads(_call("--json")) == {"realsense": [], "video": [], "trouble": None}
    monkeypatch.setattr(cameras, "list_realsense", _fails)
    monkeypatch.setattr(cameras, "list_video_devices", lambda: [VideoDevice("/dev/video0", "Webcam", True)])
    text = _call()
    assert "webcam:0" in text
    assert "pyrealsense2 is not installed" in text
    assert json.loads(_call("--json"))["trouble"] == "pyrealsense2 is not installed"
