from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.commands.live_run import LiveRequest, _report
from reloc.config import RelocConfig
from reloc.errors import ConfigError, SourceError
from reloc.geometry.trajectory import load_tum
from reloc.live import CameraState, CameraStatus
from reloc.node import RunResult
from reloc.sources.options import CameraOptions

PATIENCE_S = 120.0


def _arguments(recording: Path, out: Path, *more: object) -> list[str]:
    # Several tests may run at once on one machine, so no port must be taken for granted.
    given = ["--camera", recording, "--init", recording / "groundtruth.txt", "--out", out, "--health-port", 0, *more]
    return ["live", *map(str, given)]


def _run(recording: Path, out: Path, *more: object) -> Result:
    return CliRunner().invoke(make_app("live"), _arguments(recording, out, *more))


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_replayed_recording_is_tracked_measured_and_recorded(made_recording: Path, tmp_path: Path) -> None:
    # Slowly, so that a busy machine drops nothing.
    result = _run(made_recording, tmp_path / "out", "--rate", 2, "--record", "--record-format", "png")
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["live"]
    assert summary["complete"]
    assert summary["frames"] + summary["dropped"] == 8
    assert summary["milliseconds"]["latency"]["median"] >= summary["milliseconds"]["total"]["median"]
    assert summary["camera_state"]["state"] == "ENDED"
    assert summary["sinks"][0]["name"] == "RecorderSink"
    frames = _lines(tmp_path / "out" / "frames.jsonl")
    assert all(frame["milliseconds"]["latency"] > 0 for frame in frames)  # type: ignore[index]
    assert len((tmp_path / "out" / "recording" / "timestamps.txt").read_text().splitlines()) == 1 + len(frames)
    assert f"{len(frames)} frames: {len(frames)} TRACKED" in result.stdout


def test_it_ends_after_a_duration(made_recording: Path, tmp_path: Path) -> None:
    begun_s = time.monotonic()
    result = _run(made_recording, tmp_path / "out", "--rate", 0.01, "--duration", 0.2)
    assert result.exit_code == 0, result.output
    assert len(_lines(tmp_path / "out" / "frames.jsonl")) == 1
    assert time.monotonic() - begun_s < PATIENCE_S


def test_without_a_first_pose_the_known_views_say_where_it_begins(
    made_recording: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    arguments = _arguments(made_recording, tmp_path / "out", "--rate", 2, "--set", "places.views=30")
    place = arguments.index("--init")
    result = CliRunner().invoke(make_app("live"), [*arguments[:place], *arguments[place + 2 :]])
    assert result.exit_code == 0, result.output
    frames = _lines(tmp_path / "out" / "frames.jsonl")
    assert [frame["verdict"] for frame in frames] == ["TRACKED"] * len(frames)
    truth = load_tum(made_recording / "groundtruth.txt").pose(frames[0]["index"])  # type: ignore[arg-type]
    found = load_tum(tmp_path / "out" / "trajectory.txt").pose(0)
    assert np.linalg.norm(found.translation - truth.translation) < 0.02


@pytest.mark.parametrize(
    ("left_out", "kind", "message"),
    [
        ("--camera", SourceError, "no such source"),
    ],
)
def test_what_is_missing_is_said_before_anything_begins(
    made_recording: Path, tmp_path: Path, left_out: str, kind: type[Exception], message: str
) -> None:
    arguments = _arguments(made_recording, tmp_path / "out")
    place = arguments.index(left_out)
    changed = [*arguments[:place], *arguments[place + 2 :]]
    changed += ["--camera", str(tmp_path / "nowhere")] * (left_out == "--camera")
    result = CliRunner().invoke(make_app("live"), changed)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_camera_that_gave_nothing_is_said_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = CameraStatus(CameraState.ENDED, 1.0, 0, 3, 0, "unplugged")
    request = LiveRequest("webcam:0", CameraOptions(), None, None, None, tmp_path, RelocConfig())
    _report(RunResult({}, None, True, ()), request, SimpleNamespace(status=lambda: status))  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert shown.err == "lost: the camera gave no frame: unplugged\n"
    assert "next:" not in shown.out


@pytest.mark.parametrize("text", ["640", "axb", "640x"])
def test_a_size_is_two_numbers(made_recording: Path, tmp_path: Path, text: str) -> None:
    result = _run(made_recording, tmp_path / "out", "--size", text)
    assert isinstance(result.exception, ConfigError)


@pytest.mark.parametrize("text", ["on", "-1", "65536", "80.5", ""])
def test_a_port_is_a_number_or_off(made_recording: Path, tmp_path: Path, text: str) -> None:
    result = _run(made_recording, tmp_path / "out", "--health-port", text)
    assert isinstance(result.exception, ConfigError)
    assert "--health-port" in str(result.exception)


def test_health_is_served_unless_it_is_off(made_recording: Path, tmp_path: Path) -> None:
    quick = ("--rate", 0.01, "--duration", 0.1)
    assert "health is at http://127.0.0.1:" in _run(made_recording, tmp_path / "a", *quick).stderr
    assert "health is at" not in _run(made_recording, tmp_path / "b", *quick, "--health-port", "off").stderr


def _started(recording: Path, out: Path) -> subprocess.Popen[str]:
    """Start a run that would last for a quarter of an hour, and wait for its first frame."""
    program = [sys.executable, "-c", "from reloc.cli import main; main()", *_arguments(recording, out, "--rate", 0.01)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until_s = time.monotonic() + PATIENCE_S
    while not (out / "frames.jsonl").is_file() or not (out / "frames.jsonl").stat().st_size:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(made_recording: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = _started(made_recording, tmp_path / "out")
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert "1 frames: 1 TRACKED" in output
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["complete"]


def test_a_second_signal_ends_the_process_on_the_spot() -> None:
    program = (
        "import os, signal\nfrom reloc.commands.stopping import stop_request\n"
        "with stop_request() as stop:\n"
        "    assert not stop()\n    os.kill(os.getpid(), signal.SIGTERM)\n    assert stop()\n    print('first', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    print('still there')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "first\n")


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    from reloc.commands.stopping import stop_request

    before = signal.getsignal(signal.SIGTERM)
    with stop_request() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
    assert signal.getsignal(signal.SIGTERM) is before
