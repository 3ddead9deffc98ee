"""The command line as a person, a shell and a broken machine meet it: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reloc.evaluate.run import load_run

PROJECT = Path(__file__).resolve().parents[2]

# Runs the command line, but something happens in the middle of the fourth frame.
PROGRAM = """
import os, signal, sys
from reloc.cli import main
from reloc.relocalizer import Relocalizer
step, seen = Relocalizer.step, []
def interrupted(self, raw):
    seen.append(raw.index)
    if len(seen) == 4:
        {event}
    return step(self, raw)
Relocalizer.step = interrupted
main()
"""


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    return {**os.environ, "RELOC_CACHE": cache, "PYTHONPATH": str(PROJECT)}


def _track(room: Path, out: Path, environment: dict[str, str], event: str = "pass") -> subprocess.CompletedProcess[str]:
    arguments = ["track", str(room), "--init", str(room / "groundtruth.txt"), "--out", str(out)]
    program = [sys.executable, "-c", PROGRAM.format(event=event), *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_with_whole_files(
    made_recording: Path, tmp_path: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    result = _track(made_recording, tmp_path, environment, f"signal.raise_signal({int(number)})")
    assert result.returncode == 128 + number, result.stderr
    assert "4 frames: 4 TRACKED, 0 LIMITED, 0 COASTING, 0 RELOCALISING, 0 LOST (stopped before the end)" in result.stdout
    run = load_run(tmp_path)
    assert run.frames is not None
    assert run.summary is not None
    assert (len(run.trajectory), len(run.frames), run.summary["frames"], run.summary["complete"]) == (4, 4, 4, True)


def test_a_run_that_is_killed_leaves_all_frames_before_that(
    made_recording: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    result = _track(made_recording, tmp_path, environment, "os.kill(os.getpid(), signal.SIGKILL)")
    assert result.returncode == -signal.SIGKILL
    run = load_run(tmp_path)
    assert run.frames is not None
    assert run.summary is not None
    assert (len(run.trajectory), len(run.frames), run.summary["complete"]) == (3, 3, False)
    again = _track(made_recording, tmp_path, environment)
    assert (again.returncode, len(load_run(tmp_path).trajectory)) == (0, 8)


def test_a_fault_of_ours_shows_itself_and_closes_the_files(
    made_recording: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    result = _track(made_recording, tmp_path, environment, "1 / 0")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert len(load_run(tmp_path).trajectory) == 3


def test_tracking_loads_neither_torch_nor_rerun(made_recording: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    event = "print([name for name in ('torch', 'rerun', 'matplotlib', 'av', 'trimesh', 'rosbags') if name in sys.modules])"
    result = _track(made_recording, tmp_path, environment, event)
    assert result.stdout.splitlines()[0] == "[]"


def test_the_api_does_in_five_lines_what_the_readme_says(
    made_recording: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "desk").symlink_to(made_recording)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 8
    assert all(line.startswith("TRACKED") for line in result.stdout.splitlines())


def test_evaluate_reads_what_track_writes(made_recording: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    _track(made_recording, tmp_path, environment)
    program = [sys.executable, "-c", "from reloc.cli import main; main()", "evaluate", str(tmp_path)]
    result = subprocess.run(
        [*program, "--groundtruth", str(made_recording / "groundtruth.txt"), "--json"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    found = json.loads(result.stdout)
    assert (found["frames"], found["matched"], found["recall"]["2cm_2deg"]) == (8, 8, 1.0)
