from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reloc.commands.report import report
from reloc.errors import TrajectoryError
from reloc.evaluate.inputs import RunInputs, absolute
from reloc.geometry.trajectory import load_tum, save_tum
from tests.unit.evaluate.runs import write_run
from tests.unit.report.made import Reader, estimates

APP = typer.Typer()
APP.command()(report)


def _call(*arguments: object) -> str:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _run(folder: Path, recording: Path, **changed: object) -> Path:
    """A run of the made recording, 1 cm off, that knows where everything is."""
    truth = load_tum(recording / "groundtruth.txt")
    where = RunInputs(
        source=absolute(str(recording)), map=str(recording / "map" / "mesh.obj"), groundtruth=str(recording / "groundtruth.txt")
    )
    return write_run(folder, estimates(truth), inputs={**where.as_mapping(), **changed})


def test_a_run_knows_where_everything_is(tmp_path: Path, made_recording: Path) -> None:
    said = _call(_run(tmp_path / "run", made_recording), "--out", tmp_path / "page" / "report.html", "--worst", 2)
    assert said == f"{tmp_path / 'page' / 'report.html'}: run\n"
    read = Reader((tmp_path / "page" / "report.html").read_text(encoding="utf-8"))
    assert read.open == []
    assert "8 of 8" in read.words
    pictures = [source for source in read.attributes("src") if source.startswith("data:image/webp")]
    assert len(pictures) == 4
    assert "cannot be shown" not in read.words
    assert str(made_recording) in read.words


def test_what_is_gone_is_said_and_can_be_named(tmp_path: Path, made_recording: Path) -> None:
    run = _run(tmp_path / "run", made_recording, source="/gone/images", map="/gone/mesh.obj", groundtruth="/gone/truth.txt")
    _call(run, "-o", tmp_path / "a.html")
    words = Reader((tmp_path / "a.html").read_text(encoding="utf-8")).words
    assert re.search(r"The images cannot be shown: .*/gone/mesh\.obj", words)
    assert re.search(r"the map cannot be shown: .*/gone/mesh\.obj", words)
    assert "No ground truth was given" in words
    found = ["--map", made_recording / "map", "--source", made_recording, "-g", made_recording]
    _call(run, "-o", tmp_path / "b.html", *found, "--worst", 1)
    words = Reader((tmp_path / "b.html").read_text(encoding="utf-8")).words
    assert "cannot be shown" not in words
    assert "8 of 8" in words


def test_images_of_other_times_are_not_taken_for_these(tmp_path: Path, made_recording: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "images").symlink_to(made_recording / "images")
    (other / "camera.yaml").symlink_to(made_recording / "camera.yaml")
    lines = (made_recording / "timestamps.txt").read_text().splitlines()[1:]
    (other / "timestamps.txt").write_text("".join(f"{float(line.split()[0]) + 77:.9f} {line.split()[1]}\n" for line in lines))
    _call(_run(tmp_path / "run", made_recording, source=str(other)), "-o", tmp_path / "a.html", "--worst", 2)
    words = Reader((tmp_path / "a.html").read_text(encoding="utf-8")).words
    assert "none of the 2 frames is among the images at these times" in words


def test_a_bare_trajectory_beside_a_run_is_shown_on_the_same_map(tmp_path: Path, made_recording: Path) -> None:
    truth = load_tum(made_recording / "groundtruth.txt")
    save_tum(tmp_path / "bare.txt", truth)
    _call(_run(tmp_path / "run", made_recording), tmp_path / "bare.txt", "-o", tmp_path / "a.html", "--worst", 0)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count('<svg class="map"') == 1
    assert "run · bare" in Reader(page).words


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="not the folder of a run"):
        _call(tmp_path, "-o", tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_video_of_one_run(tmp_path: Path, made_recording: Path) -> None:
    run = _run(tmp_path / "run", made_recording)
    assert _call(run, "--video", tmp_path / "run.mp4") == f"{tmp_path / 'run.mp4'}: 8 frames of run\n"
    assert (tmp_path / "run.mp4").stat().st_size > 10_000
    for wrong in ([run], [run, run, "--video", tmp_path / "a.mp4"], [run, "--video", tmp_path / "a.gif"]):
        assert CliRunner().invoke(APP, [str(argument) for argument in wrong]).exit_code == 2
    save_tum(tmp_path / "bare.txt", load_tum(made_recording / "groundtruth.txt"))
    with pytest.raises(TrajectoryError, match="a video needs the folder of a run"):
        _call(tmp_path / "bare.txt", "--video", tmp_path / "a.mp4")


def test_a_run_of_some_frames_is_judged_by_those(tmp_path: Path, made_recording: Path) -> None:
    truth = load_tum(made_recording / "groundtruth.txt")
    where = RunInputs(
        str(made_recording), str(made_recording / "map"), every=2, groundtruth=str(made_recording / "groundtruth.txt")
    )
    run = write_run(tmp_path / "run", estimates(truth)[::2], inputs=where.as_mapping())
    _call(run, "-o", tmp_path / "a.html", "--worst", 1)
    words = Reader((tmp_path / "a.html").read_text(encoding="utf-8")).words
    assert "4 of 4" in words
    assert "cannot be shown" not in words
