from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reloc.batch.folder import Outcome, clear, finished, locked, new_attempt, publish, running, sweep
from reloc.batch.jobs import Job
from reloc.errors import OutputError


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("walk", tmp_path / "out" / "walk", tmp_path, ("walk", "--every", "2"), "abc", 10)


def _attempt(job: Job, text: str) -> Path:
    folder = new_attempt(job)
    (folder / "trajectory.txt").write_text(text)
    return folder


def _published(job: Job, text: str = "one", code: int = 0) -> Outcome:
    return publish(job, _attempt(job, text), code, "" if code == 0 else "it broke", 1.5)


def test_results_appear_at_once_with_the_request_that_they_answer(job: Job) -> None:
    attempt = _attempt(job, "one")
    assert not job.out.exists()
    outcome = publish(job, attempt, 0, "", 1.5)
    assert not attempt.exists()
    assert (job.out / "trajectory.txt").read_text() == "one"
    assert finished(job) == outcome
    assert (outcome.arguments, outcome.wall_s, outcome.is_done) == (job.arguments, 1.5, True)
    assert finished(replace(job, digest="another")) is None


def test_of_two_attempts_the_first_stays(job: Job) -> None:
    first, second = _attempt(job, "one"), _attempt(job, "two")
    outcome = publish(job, first, 0, "", 1.0)
    assert publish(job, second, 0, "", 9.0) == outcome
    assert (job.out / "trajectory.txt").read_text() == "one"
    assert sorted(path.name for path in job.out.parent.iterdir()) == ["walk"]


def test_a_failure_is_kept_to_look_at_and_makes_way_for_another_attempt(job: Job) -> None:
    failed = _published(job, "bad", code=1)
    assert (failed.is_done, failed.error, finished(job)) == (False, "it broke", None)
    assert _published(job, "good").is_done
    assert (job.out / "trajectory.txt").read_text() == "good"


def test_a_lost_camera_is_a_result(job: Job) -> None:
    assert _published(job, code=3).is_done
    assert finished(job) is not None


def test_what_a_dead_batch_left_is_removed_and_nothing_else(job: Job, tmp_path: Path) -> None:
    _published(job, code=1)
    _attempt(job, "half")
    other = replace(job, out=tmp_path / "out" / "walk2")
    kept = _attempt(other, "of another job")
    clear(job)
    assert list(job.out.parent.iterdir()) == [kept]
    sweep(other)
    assert list(job.out.parent.iterdir()) == []


def test_a_folder_that_is_not_ours_is_left_alone(job: Job) -> None:
    job.out.mkdir(parents=True)
    (job.out / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match=r"holds no results of a batch; choose another --out \[.*walk\]"):
        clear(job)
    assert (job.out / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 9999, '{"name": 1}', '{"arguments": 7}', "\x00"])
def test_a_damaged_record_is_no_result(job: Job, content: str) -> None:
    _published(job)
    (job.out / "job.json").write_text(content)
    assert finished(job) is None


def test_how_far_an_attempt_has_come(job: Job) -> None:
    assert running(job) == 0
    (_attempt(job, "") / "summary.json").write_text(json.dumps({"frames": 7}))
    (_attempt(job, "") / "summary.json").write_text("{")
    assert running(job) == 7


def test_a_folder_holds_one_batch_at_a_time(tmp_path: Path) -> None:
    other = (
        "import sys; from pathlib import Path; from reloc.batch.folder import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", other, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another batch is at work"), locked(tmp_path / "out"):
            pytest.fail("two batches in one folder")
        process.kill()
    with locked(tmp_path / "out"):  # what died holds nothing
        pass
