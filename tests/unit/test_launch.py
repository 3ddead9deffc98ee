"""The ready-made starts: what each of them asks `reloc` to do."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reloc.config import load_config

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "launch"


@pytest.fixture
def said(tmp_path: Path) -> dict[str, str]:
    """An environment whose `reloc` only says what it was asked."""
    program = tmp_path / "reloc"
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("script", "arguments", "beginning"),
    [
        ("live_realsense.sh", ["m.obj", "0 0 1"], ["live", "--camera", "realsense", "--map", "m.obj", "--init", "0 0 1"]),
        ("live_webcam.sh", ["m.obj", "c.yaml", "0 0 1"], ["live", "--camera", "webcam:0", "--map", "m.obj"]),
        ("live_ros.sh", ["/cam/image", "m.obj", "0 0 1"], ["live", "--camera", "ros:/cam/image", "--map", "m.obj"]),
        ("record_realsense.sh", ["r/hall"], ["record", "realsense", "--format", "ffv1", "--out", "r/hall"]),
        ("offline.sh", ["r/desk", "0 0 1"], ["track", "r/desk", "--init", "0 0 1", "--out", "out/desk"]),
        ("evaluate.sh", ["r/desk"], ["track", "r/desk", "--init", "r/desk/groundtruth.txt", "--out", "out/desk"]),
        ("export.sh", ["out/desk"], ["export", "out/desk", "--format", "tum", "--out", "out/desk/export/poses.tum"]),
    ],
)
def test_a_start_is_a_command_with_options_to_which_more_may_be_added(
    said: dict[str, str], script: str, arguments: list[str], beginning: list[str]
) -> None:
    call = ["bash", str(LAUNCH / script), *arguments, "--set", "a b=c"]
    output = subprocess.run(call, env=said, capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[: len(beginning)] == beginning
    assert "--set\na b=c\n" in output
    assert os.access(LAUNCH / script, os.X_OK)


@pytest.mark.parametrize("script", sorted(path.name for path in LAUNCH.glob("*.sh")))
def test_a_start_without_its_arguments_fails(said: dict[str, str], script: str) -> None:
    assert subprocess.run(["bash", str(LAUNCH / script)], env=said, capture_output=True, check=False).returncode != 0


def test_the_settings_for_ros_turn_it_on() -> None:
    assert load_config(ROOT / "configs" / "ros.yaml", []).ros.enabled


def test_the_launch_file_of_ros_starts_reloc_with_the_names_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in of ROS's package: there is no ROS to test with here."""
    modules: dict[str, dict[str, Any]] = {
        "launch": {"LaunchDescription": list},
        "launch.actions": {
            "DeclareLaunchArgument": lambda name, default_value, description: (name, default_value),
            "ExecuteProcess": lambda cmd, output: SimpleNamespace(cmd=cmd),
        },
        "launch.substitutions": {"LaunchConfiguration": lambda name: f"<{name}>"},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    *declared, process = runpy.run_path(str(LAUNCH / "reloc.launch.py"))["generate_launch_description"]()
    words = ["".join(part) for part in process.cmd]
    assert words[:8] == ["reloc", "live", "--camera", "ros:<image>", "--map", "<map>", "--init", "<init>"]
    settings = [word.partition("=")[::2] for word in words[10:] if word != "--set"]
    assert dict(settings)["ros.camera_frame"] == "<camera_frame>"
    assert load_config(None, [f"{key}={dict(declared).get(value.strip('<>'), value)}" for key, value in settings]).ros.enabled
    assert [name for name, default in declared if default is None] == ["map", "init"]
