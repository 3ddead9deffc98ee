from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from reloc.commands.evaluate import evaluate
from reloc.errors import TrajectoryError
from reloc.estimate import Verdict
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, save_tum
from tests.unit.evaluate.runs import write_run
from tests.unit.evaluate.trajectories import disturbed, walk
from tests.unit.sinks.estimates import estimate

APP = typer.Typer()
APP.command()(evaluate)
TRUTH = walk(80, start_ns=0)


def _call(*arguments: object) -> str:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _figures(*arguments: object) -> Any:
    return json.loads(_call(*arguments, "--json"), parse_constant=lambda constant: pytest.fail(f"not JSON: {constant}"))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder with a ground truth, a noisy trajectory of every frame and one of every fourth."""
    save_tum(tmp_path / "groundtruth.txt", TRUTH)
    save_tum(tmp_path / "all.txt", disturbed(TRUTH))
    save_tum(tmp_path / "fourth.txt", disturbed(TRUTH).selected(np.arange(0, 80, 4)))
    return tmp_path


def _run(folder: Path) -> Path:
    """A run of 80 frames: TRACKED 1 cm off, but frames 70 to 79 LOST and far off."""
    estimates = []
    for i in range(80):
        lost = i >= 70
        pose = TRUTH.pose(i)
        shifted = SE3(pose.rotation, pose.translation + np.array([1.0 if lost else 0.01, 0, 0]))
        verdict, score = (Verdict.LOST, 0.1) if lost else (Verdict.TRACKED, 0.9)
        estimates.append(estimate(i, shifted, timestamp_ns=int(TRUTH.timestamps_ns[i]), verdict=verdict, score=score))
    return write_run(folder, estimates)


def test_the_json_has_what_was_promised(recording: Path) -> None:
    found = _figures(recording / "all.txt", "--groundtruth", recording / "groundtruth.txt")
    assert (found["frames"], found["matched"]) == (80, 80)
    assert set(found["position_m"]) == set(found["rotation_deg"]) == {"median", "rmse", "p95", "max"}
    assert set(found["recall"]) == {"1cm_1deg", "2cm_2deg", "5cm_5deg"}
    assert set(found["relative"]) == {"step", "distance", "time"}
    assert found["alignment"]["kind"] == "none"
    assert set(found["axes"]["world"]["position_m"]) == {"x", "y", "z"}


def test_frames_without_a_pose_are_missed_unless_they_are_left_out(recording: Path) -> None:
    truth = recording / "groundtruth.txt"
    every_frame = _figures(recording / "fourth.txt", "-g", truth)
    assert (every_frame["frames"], every_frame["matched"], every_frame["recall"]["5cm_5deg"]) == (80, 20, 0.25)
    expected = {"frames": 20, "matched": 20, "recall": {"5cm_5deg": 1.0}}
    (recording / "timestamps.txt").write_text("".join(f"{t / 1e9:.6f} {i}.jpg\n" for i, t in enumerate(TRUTH.timestamps_ns[::4])))
    restrictions = [
        ("--every", 4),
        ("--frames-of", recording / "fourth.txt"),
        ("--frames-of", recording),
        ("--frames-of", recording / "timestamps.txt"),
    ]
    for restriction in restrictions:
        found = _figures(recording / "fourth.txt", "-g", truth, *restriction)
        assert {
            "frames": found["frames"],
            "matched": found["matched"],
            "recall": {"5cm_5deg": found["recall"]["5cm_5deg"]},
        } == expected


def test_a_run_is_judged_by_its_trajectory_and_its_claims_by_its_frames(recording: Path) -> None:
    found = _figures(_run(recording / "run"), "-g", recording)
    assert (found["name"], found["frames"], found["matched"]) == ("run", 80, 70)
    assert found["recall"]["2cm_2deg"] == 70 / 80
    assert found["trust"]["verdicts"]["LOST"]["frames"] == 10
    assert found["trust"]["bad_recall"] == 1.0
    assert found["trust"]["score_auc"] == 1.0
    assert found["trust"]["nees"]["frames"] == 70
    # Covariances are of poses in the map's frame, not of poses that were moved.
    assert "trust" not in _figures(recording / "run", "-g", recording, "--align", "se3")


def test_several_runs_are_a_list_and_one_table(recording: Path) -> None:
    runs = (recording / "all.txt", recording / "fourth.txt", _run(recording / "[run]"))
    found = _figures(*runs, "-g", recording)
    assert [(one["name"], one["matched"]) for one in found] == [("all", 80), ("fourth", 20), ("[run]", 70)]
    table = _call(*runs, "-g", recording)
    rows = {line.split()[0]: line.split()[1] for line in table.splitlines() if line.split()}
    assert [rows[name] for name in ("all", "fourth", "[run]")] == ["80", "20", "70"]


def test_runs_of_one_name_are_told_apart_by_their_paths(recording: Path) -> None:
    paths = [_run(recording / folder / "out") for folder in ("a", "b")]
    assert [one["name"] for one in _figures(*paths, "-g", recording)] == [str(path) for path in paths]


def test_the_report_says_in_words_what_counts(recording: Path) -> None:
    report = _call(_run(recording / "run"), "-g", recording)
    assert "70 of 80 ground-truth frames have a pose; matched within 0.01 s, no alignment." in report
    assert "5 cm/5° 87.5 %" in report
    assert "no frames called TRACKED are beyond 5 cm/5°" in report
    aligned = _call(recording / "all.txt", "-g", recording, "--every", 2, "--align", "sim3")
    assert "40 of 40 ground-truth frames that count, of 80 have a pose" in aligned
    assert "sim3 alignment (scale " in aligned


def test_a_run_of_fewer_frames_is_told_how_to_be_judged_by_those(recording: Path) -> None:
    estimates = [estimate(i, TRUTH.pose(i), timestamp_ns=int(TRUTH.timestamps_ns[i])) for i in range(0, 80, 4)]
    run = write_run(recording / "run", estimates)
    assert "run was given 20 of these 80 frames" in _call(run, "-g", recording)
    assert "was given" not in _call(run, "-g", recording, "--frames-of", run)


def test_the_errors_of_every_frame_go_to_a_table(recording: Path) -> None:
    _call(_run(recording / "run"), recording / "fourth.txt", "-g", recording, "--per-frame", recording / "errors.csv")
    with (recording / "errors.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 160
    assert {key: rows[3][key] for key in ("run", "timestamp", "matched", "verdict", "score")} == {
        "run": "run", "timestamp": "0.099999999", "matched": "1", "verdict": "TRACKED", "score": "0.9",
    }  # fmt: skip
    assert float(rows[3]["position_m"]) == pytest.approx(0.01, abs=1e-8)
    assert [float(rows[3][axis]) for axis in ("x_m", "y_m", "z_m")] == pytest.approx([0.01, 0, 0], abs=1e-8)
    assert float(rows[3]["nees"]) > 0
    lost = rows[75]
    assert (lost["verdict"], lost["matched"], lost["position_m"], lost["score"]) == ("LOST", "0", "", "0.1")
    assert [row["matched"] for row in rows[80:85]] == ["1", "0", "0", "0", "1"]
    assert [row["position_m"] != "" for row in rows[80:85]] == [True, False, False, False, True]
    assert rows[80]["verdict"] == ""


def test_a_trajectory_of_nothing_but_lost_frames_has_no_recall(recording: Path) -> None:
    (recording / "lost.txt").write_text("# timestamp tx ty tz qx qy qz qw\n")
    found = _figures(recording / "lost.txt", "-g", recording)
    assert (found["matched"], found["recall"]["5cm_5deg"], found["position_m"]["median"]) == (0, 0.0, None)
    assert "0 of 80" in _call(recording / "lost.txt", "-g", recording)


@pytest.mark.parametrize(
    "option", [["--tolerance", "nan"], ["--tolerance", "-1"], ["--every", "0"], ["--metres", "0"], ["--align", "affine"], []]
)
def test_what_cannot_be_meant_is_a_matter_of_usage(recording: Path, option: list[str]) -> None:
    truth = ["-g", str(recording)] * bool(option)
    result = CliRunner().invoke(APP, [str(recording / "all.txt"), *truth, *option])
    assert result.exit_code == 2


def test_bad_files_are_named(recording: Path) -> None:
    (recording / "empty").mkdir()
    cases = [
        ((recording / "all.txt", "-g", recording / "empty"), "no ground truth in the folder"),
        ((recording / "empty", "-g", recording), r"expected a trajectory\.txt"),
        ((recording / "absent.txt", "-g", recording), "No such file"),
        ((recording / "all.txt", "-g", recording, "--frames-of", recording / "empty"), r"No such file.*timestamps\.txt"),
    ]
    for arguments, message in cases:
        with pytest.raises(TrajectoryError, match=message):
            _call(*arguments)
    (recording / "words.txt").write_text("# head\nframe one\n")
    with pytest.raises(TrajectoryError, match="line 2 does not begin with a time in seconds: `frame`"):
        _call(recording / "all.txt", "-g", recording, "--frames-of", recording / "words.txt")
    save_tum(recording / "none.txt", Trajectory.from_poses([], []))
    with pytest.raises(TrajectoryError, match=r"the ground truth holds no pose.*none\.txt"):
        _call(recording / "all.txt", "-g", recording / "none.txt")
