"""Batches of real runs: few and short, since each is a process that loads everything."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.errors import RelocError
from reloc.evaluate.run import load_run
from tests.tolerances import CUT_DEG, CUT_M

_PLAN = """
sequences:
  - {source: recordings/*, init: groundtruth}
  - {source: broken, name: no images}
"""


def _batch(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("batch"), ["batch", *map(str, arguments)])
    if isinstance(result.exception, Exception):  # not SystemExit, which is how a command ends
        raise result.exception
    return result


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the batch ended before it was time to"
        assert time.monotonic() < end
        Event().wait(0.02)


@pytest.fixture(scope="module")
def place(made_recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings that can be tracked, and a folder that is none."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "recordings").mkdir()
    for name in ("one", "two"):
        (folder / "recordings" / name).symlink_to(made_recording, target_is_directory=True)
    (folder / "broken").mkdir()
    (folder / "plan.yaml").write_text(_PLAN)
    return folder


@pytest.fixture(scope="module")
def killed(place: Path) -> tuple[Path, int]:
    """A batch that died after its first result, and when that was written."""
    out = place / "out"
    command = [sys.executable, "-m", "reloc", "batch", str(place / "plan.yaml"), "--out", str(out), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # The first is done, and the next has begun.
    _until(lambda: (out / "one" / "job.json").is_file() and any(out.glob(".two.*/log.txt")), process)
    process.kill()
    process.wait()
    return out, (out / "one" / "job.json").stat().st_mtime_ns


@pytest.fixture(scope="module")
def resumed(place: Path, killed: tuple[Path, int]) -> Result:
    return _batch(place / "plan.yaml", "--out", killed[0], "--workers", 2, "--report")


def _rows(out: Path) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads((out / "results.json").read_text())}


def test_what_was_done_before_a_crash_is_not_done_again_and_the_rest_is(killed: tuple[Path, int], resumed: Result) -> None:
    out, written_ns = killed
    assert (out / "one" / "job.json").stat().st_mtime_ns == written_ns
    assert "1 of 3 had been done before." in resumed.stdout
    assert {name: row["status"] for name, row in _rows(out).items()} == {
        "one": "done",
        "two": "done",
        "no_images": "failed",
    }
    # Neither the attempt that was cut short nor anything else is left over.
    assert sorted(path.name for path in out.iterdir()) == [
        ".batch.lock", "no_images", "one", "report.html", "results.csv", "results.json", "two",
    ]  # fmt: skip


def test_failures_are_said_at_the_end_in_one_line_each(resumed: Result) -> None:
    assert resumed.exit_code == 1
    failed = [line for line in resumed.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith("failed: no_images: A folder holds no images")


def test_results_are_one_table_with_errors_where_there_is_a_ground_truth(killed: tuple[Path, int], resumed: Result) -> None:
    out = killed[0]
    rows = _rows(out)
    assert (rows["two"]["frames"], rows["two"]["truth_frames"], rows["two"]["recall_2cm_2deg"]) == (8, 8, 1.0)
    assert rows["two"]["verdicts"]["TRACKED"] == 8
    assert rows["no_images"]["position_m"] is None
    with (out / "results.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [row["name"] for row in table] == ["one", "two", "no_images"]
    assert float(table[1]["position_m"]) == rows["two"]["position_m"]
    assert "two" in resumed.stdout
    assert "report.html" in resumed.stdout.splitlines()[-1]
    assert all(name in (out / "report.html").read_text() for name in ("one", "two"))
    # Two runs of one recording, in two processes, are one to the last digit.
    texts = [(out / name / "trajectory.txt").read_text() for name in ("one", "two")]
    assert texts[0] == texts[1]


def test_only_a_request_that_changed_is_worked_off_again(place: Path, killed: tuple[Path, int], resumed: Result) -> None:
    out = killed[0]
    before = {name: (out / name / "job.json").stat().st_mtime_ns for name in ("one", "two")}
    (place / "other.yaml").write_text(
        "sequences:\n  - {source: recordings/one, init: groundtruth}\n  - {source: recordings/two, init: groundtruth, every: 4}\n"
    )
    result = _batch(place / "other.yaml", "--out", out)
    assert result.exit_code == 0
    after = {name: (out / name / "job.json").stat().st_mtime_ns for name in before}
    assert [name for name in before if after[name] != before[name]] == ["two"]
    assert (_rows(out)["two"]["frames"], _rows(out)["two"]["truth_frames"]) == (2, 2)


def test_a_recording_in_pieces_gives_the_trajectory_of_the_whole(
    made_recording: Path, tmp_path: Path, killed: tuple[Path, int], resumed: Result
) -> None:
    truth = made_recording / "groundtruth.txt"
    result = _batch(made_recording, "--init", truth, "--chunk", 4, "--overlap", 2, "--out", tmp_path / "out")
    assert result.exit_code == 0
    (joined,) = [path for path in (tmp_path / "out").iterdir() if (path / "trajectory.txt").is_file()]
    found, whole = load_run(joined), load_run(killed[0] / "one")
    assert found.frames is not None
    assert found.frames.indices.tolist() == list(range(8))
    offsets = [(found.trajectory.pose(i).inverse() @ whole.trajectory.pose(i)).log() for i in range(8)]
    assert max(np.linalg.norm(offset[:3]) for offset in offsets) < CUT_M
    assert max(np.degrees(np.linalg.norm(offset[3:])) for offset in offsets) < CUT_DEG
    assert [seam["agrees"] for seam in json.loads((joined / "summary.json").read_text())["seams"]] == [True]
    shutil.rmtree(joined.with_name(f"{joined.name}.pieces"))  # nobody needs them any more
    assert (
        "1 of 1 had been done before."
        in _batch(made_recording, "--init", truth, "--chunk", 4, "--overlap", 2, "--out", tmp_path / "out").stdout
    )


def test_ctrl_c_ends_it_cleanly_and_it_can_go_on(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "reloc",
        "batch",
        str(place / "recordings" / "one"),
        "--init",
        "groundtruth",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    _until(lambda: any(out.glob(".one.*/log.txt")), process)
    os.kill(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"stopped" in said
    assert sorted(path.name for path in out.iterdir()) == [".batch.lock", "results.csv", "results.json"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["nothing/*"], "the pattern “nothing/\\*” matches nothing"),
        (["plan.yaml"], r"the plan cannot be read"),
        (["room", "--set", "align.iteration=1"], r"did you mean `align\.iterations`"),
        (
            ["{room}", "--init", "0 0 0 0 0 0 1", "--chunk", "4", "--overlap", "1"],
            "one pose says nothing of where the others begin",
        ),
    ],
)
def test_what_cannot_begin_is_one_line(made_recording: Path, tmp_path: Path, arguments: list[str], match: str) -> None:
    with pytest.raises(RelocError, match=match):
        _batch(*(one.format(room=made_recording) for one in arguments), "--out", tmp_path / "out")


def test_a_plan_says_everything_itself(place: Path, tmp_path: Path) -> None:
    assert _batch(place / "plan.yaml", "--every", 2, "--out", tmp_path).exit_code == 2
