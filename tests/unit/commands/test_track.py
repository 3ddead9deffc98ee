from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.config import load_config
from reloc.errors import ConfigError, RelocError
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.evaluate.run import load_run
from reloc.evaluate.summary import evaluate


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def _track(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("track"), ["track", *map(str, arguments)])
    if isinstance(result.exception, Exception):  # not SystemExit, which is how a command ends
        raise result.exception
    return result


def _summary(out: Path) -> Any:
    return json.loads((out / "summary.json").read_text())


def test_a_recording_is_tracked_into_its_folder(made_recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = _track(made_recording, "--init", made_recording / "groundtruth.txt", "--out", out)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "8 frames: 8 TRACKED, 0 LIMITED, 0 COASTING, 0 RELOCALISING, 0 LOST"
    assert "ms a frame in the median" in result.stdout
    assert f"next: reloc evaluate {out} --groundtruth {made_recording / 'groundtruth.txt'}" in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["config.yaml", "frames.jsonl", "summary.json", "trajectory.txt"]
    found = _summary(out)
    assert (found["frames"], found["verdicts"]) == (8, {"TRACKED": 8, "LIMITED": 0, "COASTING": 0, "RELOCALISING": 0, "LOST": 0})
    assert set(found["milliseconds"]["total"]) == {"median", "p95"}
    assert {"undistort", "align", "total"} <= set(found["milliseconds"])
    assert {"reloc", "python", "numpy"} <= set(found["versions"])
    errors = evaluate(load_run(out).trajectory, load_groundtruth(made_recording), max_difference_s=0.01)
    # Ten times what was seen on this easy recording; a swapped quaternion or a wrong pixel centre is far beyond it.
    assert errors.recall["2cm_2deg"] == 1.0


def test_the_same_run_from_poses_map_and_calibration_that_are_named(made_recording: Path, tmp_path: Path) -> None:
    fourth = (made_recording / "groundtruth.txt").read_text().splitlines()[1]
    arguments = (
        made_recording / "images", "--fps", 30, "--map", made_recording / "map", "--camera", made_recording / "camera.yaml",
        "--init", fourth.split(" ", 1)[1],
    )  # fmt: skip
    assert _track(*arguments, "--out", tmp_path / "a").exit_code == 0
    assert _track(made_recording, "--init", made_recording / "groundtruth.txt", "--out", tmp_path / "b").exit_code == 0
    texts = [(tmp_path / run / "trajectory.txt").read_text().splitlines() for run in "ab"]
    assert len(texts[0]) == 9
    # Times of images without timestamps are those of 30 a second, as the recording's are.
    assert texts[0] == texts[1]


def test_options_over_settings_over_file(made_recording: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("align: {iterations: 3, points: 500}\nmotion: {model: kalman}\n")
    out = tmp_path / "out"
    result = _track(
        made_recording, "--init", made_recording / "groundtruth.txt", "--out", out, "--every", 4, "--config", tmp_path / "c.yaml",
        "--set", "align.iterations=9", "--set", "output.frames=false", "--motion", "none",
    )  # fmt: skip
    assert "--every 4" in result.stdout
    config = load_config(out / "config.yaml")
    assert (config.align.iterations, config.align.points, config.motion.model) == (9, 500, "none")
    assert _summary(out)["frames"] == 2
    assert not (out / "frames.jsonl").exists()


def test_a_viewer_that_saves_leaves_a_session_and_the_next_run_without_one_removes_it(
    made_recording: Path, tmp_path: Path
) -> None:
    arguments = (made_recording, "--init", made_recording / "groundtruth.txt", "--out", tmp_path, "--every", 4)
    result = _track(*arguments, "--viewer", "save")
    assert f"next: rerun {tmp_path / 'session.rrd'}" in result.stdout
    assert (tmp_path / "session.rrd").stat().st_size > 10_000
    again = _track(*arguments)
    assert "note: the earlier run in" in again.stderr
    assert not (tmp_path / "session.rrd").exists()
    assert "session.rrd" not in again.stdout


def test_where_the_images_show_something_else_the_run_is_lost_and_says_so(made_recording: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    noise = np.random.default_rng(1)
    for index in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), noise.integers(0, 255, (240, 320, 3), dtype=np.uint8))
    result = _track(
        tmp_path / "images", "--map", made_recording / "map", "--camera", made_recording / "camera.yaml",
        "--init", made_recording / "groundtruth.txt", "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 3
    assert "lost: " in result.stderr
    assert _summary(tmp_path / "out")["verdicts"]["TRACKED"] == 0
    # Poses that are not believed are not written as if they were.
    assert (tmp_path / "out" / "trajectory.txt").read_text().count("\n") == 1


def test_a_mask_is_heeded(made_recording: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "all.png"), np.full((240, 320), 255, np.uint8))
    arguments = (made_recording, "--init", made_recording / "groundtruth.txt", "--out", tmp_path / "out", "--every", 4)
    assert _track(*arguments, "--mask", tmp_path / "all.png").exit_code == 3


def test_without_a_first_pose_the_map_is_indexed_once_and_searched(made_recording: Path, tmp_path: Path) -> None:
    arguments = (made_recording, "--set", "places.views=30", "--every", 3)
    first, second = (_track(*arguments, "--out", tmp_path / name) for name in ("a", "b"))
    assert first.exit_code == second.exit_code == 0
    assert "no index of known views" not in second.stderr
    for out in (tmp_path / "a", tmp_path / "b"):
        assert _summary(out)["verdicts"]["TRACKED"] == 3
        found = load_run(out)
        errors = evaluate(found.trajectory, load_groundtruth(made_recording), max_difference_s=0.01)
        assert errors.position_m.max < 0.02
    poses = [(tmp_path / name / "trajectory.txt").read_text() for name in ("a", "b")]
    assert poses[0] == poses[1]


def test_an_index_that_must_be_made_is_announced(made_recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))
    result = _track(made_recording, "--out", tmp_path / "out", "--set", "places.views=2", "--every", 8)
    assert "mesh.obj has no index of known views yet: making one" in result.stderr
    assert "2 known views in " in result.stderr
    assert list((tmp_path / "cache").rglob("places_sift.npz"))


def test_without_a_first_pose_and_without_a_search_nothing_begins(made_recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give --init, or let the whole map be searched"):
        _track(made_recording, "--out", tmp_path / "out", "--set", "places.use=never")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{room}", "--init", "0 0 0 0 0 0 2"], "length 1, found 2"),
        (["{room}", "--init", "0 0 0 0 0 0 1", "--map", "{room}/images"], "holds no mesh"),
        (["{room}", "--init", "0 0 0 0 0 0 1", "--camera", "{room}/timestamps.txt"], "calibration"),
        (["{room}", "--init", "0 0 0 0 0 0 1", "--set", "align.iteration=2"], r"did you mean `align\.iterations`"),
        (["{room}/images", "--init", "0 0 0 0 0 0 1"], "no map: name one with --map"),
        (["{room}/images", "--init", "0 0 0 0 0 0 1", "--map", "{room}/map"], "no calibration: name one with --camera"),
        (["{room}/nothing", "--init", "0 0 0 0 0 0 1"], "no such source"),
        (["{room}", "--init", "0 0 0 0 0 0 1", "--mask", "nowhere.png"], "mask was not found"),
    ],
)
def test_what_cannot_begin_leaves_an_earlier_run_as_it_is(
    made_recording: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "summary.json").write_text('{"versions": {"reloc": "0.1"}}')
    (tmp_path / "trajectory.txt").write_text("precious")
    with pytest.raises(RelocError, match=message):
        _track(*(argument.format(room=made_recording) for argument in arguments), "--out", tmp_path)
    assert (tmp_path / "trajectory.txt").read_text() == "precious"
