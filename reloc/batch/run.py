"""Works off the jobs of a batch: skips what is done, runs the rest, joins what was cut."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reloc.batch.folder import Outcome, clear, finished, sweep
from reloc.batch.jobs import Job, Task
from reloc.batch.join import join_pieces
from reloc.errors import RelocError

Runner = Callable[[Sequence[Job]], Iterator[Outcome]]
"""Yields how jobs end, in whatever order; ends early where it is asked to stop."""


@dataclass(frozen=True)
class Ending:
    """How a task ended."""

    task: Task
    outcome: Outcome | None
    """None where it was stopped before its end."""
    skipped: bool = False
    """Whether it had been done before."""


@dataclass
class Tally:
    """What a person wants to know while it runs: frames and jobs that are done."""

    frames: int = 0
    jobs: int = 0
    failed: int = 0

    def add(self, job: Job, outcome: Outcome) -> None:
        """Count a job that has ended."""
        self.frames += job.frames or 0
        self.jobs += 1
        self.failed += not outcome.is_done


def run_tasks(tasks: Sequence[Task], run: Runner, tally: Tally) -> list[Ending]:
    """Return how each task ended, in the order given. Raises `OutputError` where results cannot be put where they belong."""
    before = {task.name: found for task in tasks if (found := finished(whole(task))) is not None}
    for task in tasks:
        if task.name in before:
            tally.jobs += len(task.jobs)
            tally.frames += sum(job.frames or 0 for job in task.jobs)
    jobs = {job.digest: job for task in tasks if task.name not in before for job in task.jobs}
    outcomes = {digest: found for digest, job in jobs.items() if (found := finished(job)) is not None}
    for digest, outcome in outcomes.items():
        tally.add(jobs[digest], outcome)
    waiting = [job for digest, job in jobs.items() if digest not in outcomes]
    for job in waiting:
        clear(job)
    for outcome in run(waiting):
        outcomes[outcome.digest] = outcome
        tally.add(jobs[outcome.digest], outcome)
    for job in waiting:
        sweep(job)
    return [Ending(task, before[task.name], skipped=True) if task.name in before else _ending(task, outcomes) for task in tasks]


def whole(task: Task) -> Job:
    """Return the job whose results are those of the task: its only one, or what its pieces make together."""
    if not task.is_cut:
        return task.jobs[0]
    digest = hashlib.sha256("".join(job.digest for job in task.jobs).encode()).hexdigest()
    frames = [job.frames for job in task.jobs]
    return replace(task.jobs[0], name=task.name, out=task.out, digest=digest, frames=sum(one or 0 for one in frames))


def _ending(task: Task, outcomes: dict[str, Outcome]) -> Ending:
    found = [outcomes.get(job.digest) for job in task.jobs]
    known = [outcome for outcome in found if outcome is not None]
    failed = next((outcome for outcome in known if not outcome.is_done), None)
    if failed is not None or len(known) < len(found):
        return Ending(task, failed)
    if not task.is_cut:
        return Ending(task, known[0])
    return Ending(task, _joined(task, known))


def _joined(task: Task, pieces: Iterable[Outcome]) -> Outcome:
    """Join the pieces of a task. An error of that is one of the task, and not of the batch."""
    wall_s = sum(piece.wall_s for piece in pieces)
    job = whole(task)
    try:
        clear(job)
        return join_pieces(job, [piece.out for piece in task.jobs], wall_s)
    except RelocError as error:
        sweep(job)
        return Outcome(task.name, job.digest, 1, str(error), wall_s, "", job.arguments)
