from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reloc.batch.folder import Outcome, new_attempt, publish
from reloc.batch.jobs import Job, Task
from reloc.batch.plan import Sequence as PlannedSequence
from reloc.batch.run import Tally, run_tasks, whole
from tests.unit.evaluate.runs import write_run
from tests.unit.sinks.estimates import estimate


class Hands:
    """Works off jobs by writing short runs, and remembers which."""

    def __init__(self, fail: Sequence[str] = (), stop_after: int = 99) -> None:
        self.worked: list[str] = []
        self._fail, self._stop_after = fail, stop_after

    def __call__(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        for job in jobs[: self._stop_after]:
            self.worked.append(job.name)
            first, end = map(int, job.arguments)
            folder = write_run(new_attempt(job), [estimate(i) for i in range(first, end)])
            failed = job.name in self._fail
            yield publish(job, folder, 1 if failed else 0, "it broke" if failed else "", 1.0)


def _task(folder: Path, name: str, *pieces: tuple[int, int]) -> Task:
    jobs = tuple(
        Job(
            f"{name} {number}",
            folder / (name if len(pieces) == 1 else f"{name}.pieces/{number}"),
            folder,
            (str(first), str(end)),
            f"{name} {number}",
            end - first,
        )
        for number, (first, end) in enumerate(pieces)
    )
    return Task(name, folder / name, PlannedSequence(name), None, jobs)


def test_every_task_ends_and_none_is_worked_off_twice(tmp_path: Path) -> None:
    tasks = [_task(tmp_path, "a", (0, 5)), _task(tmp_path, "b", (0, 6), (4, 9))]
    hands, tally = Hands(), Tally()
    endings = run_tasks(tasks, hands, tally)
    assert sorted(hands.worked) == ["a 0", "b 0", "b 1"]
    assert [ending.outcome is not None and ending.outcome.is_done for ending in endings] == [True, True]
    assert (tally.jobs, tally.frames, tally.failed) == (3, 16, 0)
    assert (tmp_path / "b" / "frames.jsonl").read_text().count("\n") == 9
    again, tally = Hands(), Tally()
    assert all(ending.skipped for ending in run_tasks(tasks, again, tally))
    assert again.worked == []
    assert (tally.jobs, tally.frames) == (3, 16)


def test_a_failed_piece_fails_its_task_only_and_alone_is_worked_off_again(tmp_path: Path) -> None:
    tasks = [_task(tmp_path, "a", (0, 5)), _task(tmp_path, "b", (0, 6), (4, 9))]
    tally = Tally()
    first, second = run_tasks(tasks, Hands(fail=["b 1"]), tally)
    assert first.outcome is not None
    assert first.outcome.is_done
    assert second.outcome is not None
    assert (second.outcome.is_done, second.outcome.error, tally.failed) == (False, "it broke", 1)
    assert not (tmp_path / "b").exists()
    again = Hands()
    endings = run_tasks(tasks, again, Tally())
    assert again.worked == ["b 1"]
    assert [ending.skipped for ending in endings] == [True, False]
    assert all(ending.outcome is not None and ending.outcome.is_done for ending in endings)


def test_what_was_stopped_has_no_outcome(tmp_path: Path) -> None:
    tasks = [_task(tmp_path, "a", (0, 5)), _task(tmp_path, "b", (0, 6), (4, 9)), _task(tmp_path, "c", (0, 3))]
    endings = run_tasks(tasks, Hands(stop_after=2), Tally())
    assert [ending.outcome is None for ending in endings] == [False, True, True]
    rest = Hands()
    run_tasks(tasks, rest, Tally())
    assert rest.worked == ["b 1", "c 0"]


def test_pieces_that_do_not_fit_are_an_error_of_their_task(tmp_path: Path) -> None:
    task = _task(tmp_path, "b", (0, 6), (4, 5))
    (ending,) = run_tasks([task], Hands(), Tally())
    assert ending.outcome is not None
    assert (ending.outcome.exit_code, "one lacks frames" in ending.outcome.error) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["b.pieces"]


@pytest.mark.parametrize("change", ["b 0", "b 1"])
def test_what_pieces_make_together_depends_on_each(tmp_path: Path, change: str) -> None:
    task = _task(tmp_path, "b", (0, 6), (4, 9))
    other = replace(task, jobs=tuple(replace(job, digest="new") if job.digest == change else job for job in task.jobs))
    assert whole(task).digest != whole(other).digest
    assert whole(task).out == task.out
