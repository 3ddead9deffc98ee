"""Jobs in processes of this machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from reloc.batch.attempt import Attempt
from reloc.batch.folder import Outcome
from reloc.batch.forked import ForkServer
from reloc.batch.jobs import Job

_POLL_S = 0.05


def run_here(
    jobs: Sequence[Job], workers: int, stop: Callable[[], bool], tell: Callable[[Sequence[Job]], None]
) -> Iterator[Outcome]:
    """Yield how each job ended, in the order in which they do, with `workers` at a time; the longest begin first.

    A worker is a core: a job takes one, or two where there are more of them than jobs.
    `tell` is called a few times a second with the jobs that are running. When `stop` says so, those that run are ended, what they
    have written is removed, and nothing more is yielded.
    """
    waiting = deque(sorted(jobs, key=lambda job: -(job.frames or 0)))
    running: list[Attempt] = []
    spare = workers >= 2 * len(jobs)
    with ForkServer() as server:
        try:
            while (waiting or running) and not stop():
                while waiting and len(running) < workers:
                    running.append(Attempt(waiting.popleft(), server.start, has_cores_to_spare=spare))
                for attempt in list(running):
                    outcome = attempt.poll()
                    if outcome is not None:
                        running.remove(attempt)
                        yield outcome
                tell([attempt.job for attempt in running])
                time.sleep(_POLL_S)
        finally:
            for attempt in running:
                attempt.ask_to_stop()
            for attempt in running:
                attempt.abandon()
