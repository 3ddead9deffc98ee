from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.commands import record as record_module
from reloc.errors import OutputError, SourceError
from reloc.frame import RawFrame
from reloc.geometry.calibration import save_calibration
from reloc.sources import open as open_module
from reloc.sources.open import open_source
from reloc.sources.options import CameraOptions
from reloc.sources.source import FrameSource
from tests.unit.sinks.estimates import LENS
from tests.unit.sources.made import ListSource, frames, picture, write_image, write_video


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    (tmp_path / "shots").mkdir()
    for number in range(12):
        write_image(tmp_path / "shots" / f"{number:02d}.png", picture(number))
    return tmp_path / "shots"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(make_app("record"), ["record", *map(str, arguments)])


def test_a_source_becomes_a_recording_that_is_read_back_the_same(shots: Path, tmp_path: Path) -> None:
    save_calibration(LENS, tmp_path / "cam.yaml")
    result = _run(shots, "--fps", 10, "--out", tmp_path / "r", "--camera", tmp_path / "cam.yaml")
    assert result.exit_code == 0, result.output
    assert "r: 12 frames\n" in result.stdout
    recorded, original = open_source(str(tmp_path / "r")), open_source(str(shots), fps=10)
    assert recorded.info.camera == LENS
    for a, b in zip(recorded, original, strict=True):
        assert a.timestamp_ns == b.timestamp_ns
        np.testing.assert_array_equal(a.image, b.image)


@pytest.mark.parametrize(("duration", "count"), [(0.5, 5), (0.51, 6), (100, 12)])
def test_it_stops_after_a_duration_of_the_source_s_own_time(shots: Path, tmp_path: Path, duration: float, count: int) -> None:
    _run(shots, "--fps", 10, "--out", tmp_path / "r", "--duration", duration)
    assert len(list(open_source(str(tmp_path / "r")))) == count


@pytest.mark.parametrize(
    ("form", "found"), [("ffv1", "video/000000.mkv"), ("h264", "video/000000.mkv"), ("jpg", "images/000000.jpg")]
)
def test_the_format_can_be_chosen(shots: Path, tmp_path: Path, form: str, found: str) -> None:
    result = _run(shots, "--out", tmp_path / "r", "--format", form)
    assert (tmp_path / "r" / found).is_file()
    assert "no calibration" in result.stdout


def test_a_recording_gets_a_name_where_none_is_given(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(shots).exit_code == 0
    (folder,) = (tmp_path / "recordings").iterdir()
    assert len(list(open_source(str(folder)))) == 12


def test_nothing_is_recorded_over_a_recording(shots: Path, tmp_path: Path) -> None:
    _run(shots, "--out", tmp_path / "r")
    result = _run(shots, "--out", tmp_path / "r")
    assert isinstance(result.exception, OutputError)


def test_a_source_without_frames_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_module.SCHEMES, "made", lambda spec: ListSource([]))
    assert isinstance(_run("made:0", "--out", tmp_path / "r").exception, SourceError)


def test_a_camera_that_breaks_off_leaves_what_came_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = ListSource(frames(4), error=SourceError("unplugged"), live=True)
    monkeypatch.setitem(open_module.SCHEMES, "made", lambda spec: camera)
    result = _run("made:0", "--out", tmp_path / "r")
    assert str(result.exception) == "unplugged"
    assert camera.closed == 1
    assert len(list(open_source(str(tmp_path / "r")))) == 4


@pytest.mark.parametrize("spec", ["webcam:3", "realsense", "/dev/video3"])
def test_cameras_are_asked_for_their_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    asked: list[tuple[str, float | None]] = []

    def camera(name: str, options: CameraOptions) -> FrameSource:
        asked.append((name, options.fps))
        return ListSource(frames(2), live=True)

    monkeypatch.setattr(record_module, "open_camera", camera)
    assert _run(spec, "--fps", 15, "--out", tmp_path / "r").exit_code == 0
    assert asked == [(spec, 15.0)]


class Endless(ListSource):
    """A camera that asks its own process to end after five frames, as an operator would, and would go on for ever."""

    def __iter__(self) -> Iterator[RawFrame]:
        for frame in frames(300):
            yield frame
            if frame.index == 4:
                os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_a_recording_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_module.SCHEMES, "made", lambda spec: Endless([], live=True))
    result = _run("made:0", "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert len(list(open_source(str(tmp_path / "r")))) == 6


def test_the_command_is_there_for_users(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [picture(0), picture(1)], [0, 3000])
    main = "import sys; from reloc.cli import main; main(sys.argv[1:])"
    arguments = ["record", str(tmp_path / "a.mp4"), "--out", str(tmp_path / "r")]
    done = subprocess.run([sys.executable, "-c", main, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 frames" in done.stdout
