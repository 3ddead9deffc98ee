"""Jobs on a Ray cluster that exists already. Its machines must have this program, and see the same files at the same places."""

from __future__ import annotations

import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reloc.batch.attempt import Attempt
from reloc.batch.folder import Outcome
from reloc.batch.jobs import Job
from reloc.errors import ConfigError

_POLL_S = 0.2
_KNOCK_S = 10.0
# A run that is cancelled closes its files, and its attempt is removed where it ran.
_STOPPING_S = 30.0
# A job that has brought down three machines is not tried on a fourth.
_MOST_LOSSES = 3


def run_on_ray(
    jobs: Sequence[Job],
    address: str,
    most: int | None,
    stop: Callable[[], bool],
    tell: Callable[[Sequence[Job]], None],
) -> Iterator[Outcome]:
    """Yield how each job ended, in the order in which they do, with one core each, `most` at a time where that is given.

    What ran on a machine that dies runs again elsewhere; results appear in one step, so that none is there twice. `tell` and
    `stop` are as in `run_here`. Raises `ConfigError` where there is no such cluster.
    """
    ray = _connected(address)
    attempt = ray.remote(num_cpus=1, max_retries=0)(_work_off)
    waiting = deque(sorted(jobs, key=lambda job: -(job.frames or 0)))
    running: dict[Any, Job] = {}
    losses: Counter[str] = Counter()
    try:
        while (waiting or running) and not stop():
            while waiting and (most is None or len(running) < most):
                job = waiting.popleft()
                running[attempt.remote(job)] = job
            ready, _ = ray.wait(list(running), num_returns=1, timeout=_POLL_S)
            for reference in ready:
                job = running.pop(reference)
                try:
                    yield ray.get(reference)
                except (ray.exceptions.RayTaskError, ray.exceptions.RaySystemError) as error:
                    yield _failed(job, f"it could not be run on the cluster: {error}")
                except ray.exceptions.RayError as error:
                    losses[job.digest] += 1
                    if losses[job.digest] < _MOST_LOSSES:
                        waiting.append(job)
                    else:
                        yield _failed(job, f"its machine was lost {_MOST_LOSSES} times: {error}")
            tell(list(running.values()))
    finally:
        for reference in running:
            ray.cancel(reference)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=_STOPPING_S)
        ray.shutdown()


def _connected(address: str) -> Any:
    """Return the package, connected. Raises `ConfigError` where it is not installed, or nobody answers."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError('--ray needs the package ray: pip install "reloc[batch]"') from error
    _knock(address)
    # Ray would end the process at a request to terminate; we finish and clean up first.
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
    return ray


def _knock(address: str) -> None:
    """Raise `ConfigError` where nobody listens at `host:port`: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # `auto` and the like, which Ray looks up on this machine
    try:
        socket.create_connection((host, int(port)), _KNOCK_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"there is no Ray cluster at {address}: {error}; its head prints the address when it starts") from error


def _work_off(job: Job) -> Outcome:
    """Run a job to its end on the machine that this is called on."""
    attempt, outcome = Attempt(job), None
    try:
        while outcome is None:
            time.sleep(_POLL_S)
            outcome = attempt.poll()
        return outcome
    finally:
        if outcome is None:  # cancelled
            attempt.abandon()


def _failed(job: Job, error: str) -> Outcome:
    return Outcome(job.name, job.digest, 1, " ".join(error.split())[:500], 0.0, "", job.arguments)
