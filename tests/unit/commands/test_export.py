from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from reloc.commands.export import export
from reloc.errors import ConfigError, OutputError, TrajectoryError
from reloc.estimate import Verdict
from reloc.export.formats import ExportFormat
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, load_tum, save_tum
from tests.tolerances import TUM_DECIMALS
from tests.unit.evaluate.runs import write_run
from tests.unit.evaluate.trajectories import walk
from tests.unit.sinks.estimates import estimate

APP = typer.Typer()
APP.command()(export)
VERDICTS = [*[Verdict.TRACKED] * 6, Verdict.LOST, Verdict.COASTING, *[Verdict.TRACKED] * 4]


def _call(*arguments: object) -> str:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [estimate(i, verdict=verdict) for i, verdict in enumerate(VERDICTS)])


def _tum(run: Path, *arguments: object) -> Trajectory:
    out = run.parent / "out.tum"
    _call(run, "--format", "tum", "--out", out, "--overwrite", *arguments)
    return load_tum(out)


@pytest.mark.parametrize("kind", list(ExportFormat))
def test_every_format_can_be_asked_for(run: Path, kind: ExportFormat) -> None:
    pytest.importorskip("rosbags")
    out = run.parent / "out.x"
    said = _call(run, "--format", kind.value, "--out", out)
    assert said.startswith(f"10 poses (10 TRACKED) of run as {kind.value}: {out}")
    assert out.exists()


def test_choices_of_poses(run: Path) -> None:
    frames = [estimate(i).frame.timestamp_ns for i in range(12)]
    assert _tum(run).timestamps_ns.tolist() == frames[:6] + frames[8:]
    assert _tum(run, "--verdicts", "tracked,coasting").timestamps_ns.tolist() == frames[:6] + frames[7:]
    assert _tum(run, "--fill-gaps").timestamps_ns.tolist() == frames
    assert _tum(run, "--fill-gaps", "--max-gap", 0.05).timestamps_ns.tolist() == frames[:6] + frames[8:]
    assert len(_tum(run, "--rate", 100)) == 37
    (run.parent / "times.txt").write_text("# my times\n0.05 a.jpg\n0.1,b\n7\n")
    assert _tum(run, "--times", run.parent / "times.txt").timestamps_ns.tolist() == [50_000_000, 100_000_000]


def test_choices_of_frame(run: Path) -> None:
    pose, target = estimate(3).world_from_camera, SE3.exp([1, 2, 3, 0.1, 0.2, 0.3])
    scaled = SE3(pose.rotation, 2.0 * pose.translation)
    save_tum(run.parent / "target.txt", Trajectory.from_poses([0], [target]))
    text = " ".join(map(str, [*target.translation, *np.roll(target.wxyz, -1)]))
    first = estimate(0).world_from_camera
    from_first = SE3(first.rotation, 2.0 * first.translation).inverse()
    cases = [
        ([], pose),
        (["--world-from-map", text], target @ pose),
        (["--world-from-map", run.parent / "target.txt", "--scale", 2], target @ scaled),
        (["--world-from-map", "first", "--scale", 2], from_first @ scaled),
    ]
    for arguments, expected in cases:
        np.testing.assert_allclose(_tum(run, *arguments).pose(3).matrix, expected.matrix, atol=10 * TUM_DECIMALS)


def test_the_camera_and_the_names_come_from_elsewhere_where_the_run_lacks_them(tmp_path: Path) -> None:
    save_tum(tmp_path / "bare.txt", walk(3, start_ns=0))
    (tmp_path / "timestamps.txt").write_text("0.0 images/a.jpg\n0.033333 images/b.jpg\n0.066667 images/c.jpg\n")
    (tmp_path / "camera.yaml").write_text(
        "model: PINHOLE\nwidth: 640\nheight: 480\nfx: 500\nfy: 500\ncx: 320\ncy: 240\npixel_center: 0.5\n"
    )
    arguments = (tmp_path / "bare.txt", "-f", "colmap", "-o", tmp_path / "model")
    with pytest.raises(OutputError, match="give --camera FILE"):
        _call(*arguments)
    with pytest.raises(OutputError, match="have none"):
        _call(*arguments, "--camera", tmp_path / "camera.yaml")
    _call(*arguments, "--camera", tmp_path / "camera.yaml", "--images", tmp_path)
    images = [line.split() for line in (tmp_path / "model" / "images.txt").read_text().splitlines() if line.endswith(".jpg")]
    assert [fields[-1] for fields in images] == ["a.jpg", "b.jpg", "c.jpg"]
    camera = (tmp_path / "model" / "cameras.txt").read_text().splitlines()[-1]
    assert camera == "1 PINHOLE 640 480 500.0 500.0 320.0 240.0"


def test_the_vertices_of_a_mesh_become_points_in_the_frame_of_the_poses(run: Path) -> None:
    mesh = run.parent / "map.ply"
    rows = ["0 0 0 255 0 0", "1 0 0 0 255 0", "0 1 0 0 0 255"]
    head = [
        "ply",
        "format ascii 1.0",
        "element vertex 3",
        *(f"property float {a}" for a in "xyz"),
        *(f"property uchar {c}" for c in ("red", "green", "blue")),
    ]
    mesh.write_text(
        "\n".join([*head, "element face 1", "property list uchar int vertex_indices", "end_header", *rows, "3 0 1 2", ""])
    )
    _call(run, "-f", "colmap", "-o", run.parent / "model", "--points", mesh, "--scale", 2, "--world-from-map", "10 0 0 0 0 0 1")
    points = (run.parent / "model" / "points3D.txt").read_text().splitlines()[1:]
    assert points == ["1 10 0 0 255 0 0 0", "2 12 0 0 0 255 0 0", "3 10 2 0 0 0 255 0"]


def test_numbers_of_the_table_say_what_was_filled(run: Path) -> None:
    said = _call(run, "-f", "csv", "-o", run.parent / "poses.csv", "--fill-gaps")
    assert "12 poses (10 TRACKED, 2 INTERPOLATED)" in said
    with (run.parent / "poses.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["verdict"] for row in rows[5:9]] == ["TRACKED", "INTERPOLATED", "INTERPOLATED", "TRACKED"]
    assert rows[6]["name"] == "000006.jpg"


def test_what_contradicts_itself_or_is_not_there_is_explained(run: Path) -> None:
    bare = run / "trajectory.txt"
    cases: list[tuple[tuple[object, ...], type[Exception], str]] = [
        ((run, "--fill-gaps", "--rate", 5), ConfigError, "say one of"),
        ((bare, "--fill-gaps"), ConfigError, "give the folder of a run"),
        ((run, "--world-from-map", "up"), ConfigError, "seven numbers"),
        ((run, "--world-from-map", bare), ConfigError, "is one pose, found 10"),
        ((run, "--verdicts", "RELOCALISING"), TrajectoryError, "asked for RELOCALISING, found 1 COASTING, 1 LOST, 10 TRACKED"),
        ((run.parent / "absent",), TrajectoryError, "No such file"),
    ]
    for arguments, error, message in cases:
        with pytest.raises(error, match=message):
            _call(*arguments, "-f", "tum", "-o", run.parent / "out.tum")
    assert not (run.parent / "out.tum").exists()


def test_json_and_times_stay_exact_through_the_command(run: Path) -> None:
    _call(run, "-f", "json", "-o", run.parent / "poses.json")
    poses = json.loads((run.parent / "poses.json").read_text())["poses"]
    assert [pose["timestamp_ns"] for pose in poses[:2]] == [0, 33_333_333]
