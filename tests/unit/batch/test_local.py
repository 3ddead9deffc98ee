"""Jobs whose process is a few lines of Python instead of `reloc track`: what is tested is who starts, stops and cleans up."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from reloc.batch import forked, processes
from reloc.batch.attempt import Attempt
from reloc.batch.folder import finished
from reloc.batch.jobs import Job
from reloc.batch.local import run_here

# Says who it is, then does what the first argument of the job says.
_PROGRAM = """
import os, sys, threading, time
from pathlib import Path

def job(arguments):
    what, number, out = *arguments[-4:-2], Path(arguments[-1])
    (out / "trajectory.txt").write_text(" ".join([os.environ["OMP_NUM_THREADS"], *arguments]))
    (out / "summary.json").write_text('{"frames": 3}')
    print(what, "in", os.getcwd())
    if what == "fail":
        print("warning: something\\nerror: the cable was cut [x.png]\\n", file=sys.stderr)
        sys.exit(1)
    if what == "crash":
        os.abort()
    if what == "alone":
        os.kill(os.getppid(), 9)
        time.sleep(60)
    if what == "wait":
        (out.parent / f"{number}.waits").touch()
        time.sleep(60)
    sys.exit(3 if what == "lose" else 0)
"""
# In a process of its own, and forked; both end, as jobs do, when whoever started them does.
_OWN = f"""{_PROGRAM}
from reloc.batch.child import _end_with_parent
threading.Thread(target=_end_with_parent, daemon=True).start()
job(sys.argv[1:])
"""
_FORKED = f"""{_PROGRAM}
from reloc.batch.child import _end_with_parent
from reloc.batch.fork_server import main

def become(arguments):
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job(arguments)

main(lambda: print("what modules say as they load"), become)
"""


@pytest.fixture(autouse=True)
def _short_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "command", lambda arguments: [sys.executable, "-c", _OWN, *arguments])
    monkeypatch.setattr(forked, "command", lambda: [sys.executable, "-c", _FORKED])


def _jobs(folder: Path, *whats: str) -> list[Job]:
    return [
        Job(f"{i}", folder / "out" / str(i), folder, (what, str(i)), f"digest {i}", frames=len(whats) - i)
        for i, what in enumerate(whats)
    ]


def _nothing(jobs: Sequence[Job]) -> None:
    pass


def test_every_job_is_run_once_and_says_how_it_ended(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path, "go", "fail", "lose", "crash", "go")
    outcomes = {outcome.name: outcome for outcome in run_here(jobs, 2, lambda: False, _nothing)}
    assert [outcomes[str(i)].exit_code for i in range(5)] == [0, 1, 3, -6, 0]
    assert outcomes["1"].error == "the cable was cut [x.png]"
    assert [finished(job) is not None for job in jobs] == [True, False, True, False, True]
    # One thread each: the processes keep the cores busy.
    said = (tmp_path / "out" / "0" / "trajectory.txt").read_text().split()
    assert said[:6] == ["1", "track", "--set", "input.read_ahead=0", "go", "0"]
    assert "error: the cable was cut" in (tmp_path / "out" / "1" / "log.txt").read_text()
    assert (tmp_path / "out" / "2" / "log.txt").read_text() == f"lose in {tmp_path}\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == list("01234")


def test_where_there_are_more_cores_than_jobs_each_may_read_ahead(tmp_path: Path) -> None:
    (outcome,) = run_here(_jobs(tmp_path, "go"), 2, lambda: False, _nothing)
    assert outcome.exit_code == 0
    assert (tmp_path / "out" / "0" / "trajectory.txt").read_text().split()[:3] == ["1", "track", "go"]


def test_a_job_on_a_cluster_has_a_process_of_its_own(tmp_path: Path) -> None:
    attempt = Attempt(_jobs(tmp_path, "lose")[0])
    while (outcome := attempt.poll()) is None:
        threading.Event().wait(0.02)
    assert (outcome.exit_code, outcome.error) == (3, f"lose in {tmp_path}")


def test_when_what_forks_the_jobs_dies_so_do_they_and_the_next_job_gets_another(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path, "alone", "go", "go")
    outcomes = {outcome.name: outcome.exit_code for outcome in run_here(jobs, 1, lambda: False, _nothing)}
    assert outcomes == {"0": -9, "1": 0, "2": 0}


def test_what_forks_jobs_has_one_thread_when_all_is_loaded() -> None:
    """What is forked from several threads may hang: a lock that another one held is held for ever."""
    program = (
        "from reloc.batch.warm import load_everything; import os; load_everything(); print(len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run([sys.executable, "-c", program], env=processes.environment(), capture_output=True, check=True)
    assert done.stdout == b"1\n"


def test_no_more_than_the_workers_are_at_work_and_the_longest_begins(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    jobs = _jobs(tmp_path, "go", "go", "go", "go")
    order = [outcome.name for outcome in run_here(jobs[::-1], 1, lambda: False, lambda at: seen.append([job.name for job in at]))]
    assert order == ["0", "1", "2", "3"]
    assert max(map(len, seen)) == 1


def test_when_it_is_stopped_what_runs_ends_and_leaves_nothing(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path, "go", "wait", "wait", "go")
    out = tmp_path / "out"

    def both_wait() -> bool:
        return len(list(out.glob("*.waits"))) == 2

    outcomes = list(run_here(jobs, 2, both_wait, _nothing))
    assert [outcome.name for outcome in outcomes] == ["0"]
    assert sorted(path.name for path in out.iterdir()) == ["0", "1.waits", "2.waits"]


def test_a_job_ends_when_whoever_started_it_dies(tmp_path: Path) -> None:
    """However that happens: the pipe that the job holds has then no other end."""
    program = "from reloc.batch.child import _end_with_parent\n_end_with_parent()\nimport time\ntime.sleep(60)"
    keeper = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\nimport time\ntime.sleep(60)"
    )
    # The job has our pipe for its output: it is closed when the job has ended, whoever its parent is by then.
    with subprocess.Popen([sys.executable, "-c", keeper, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        process.kill()
        ended = threading.Event()
        threading.Thread(target=lambda: (process.stdout.read(), ended.set()), daemon=True).start()
        assert ended.wait(30)
