"""Where the results of jobs are kept, so that each is there whole, once, or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from reloc.batch.jobs import Job
from reloc.errors import OutputError
from reloc.files import json_document, write_atomically

RECORD, LOG = "job.json", "log.txt"
_LOCK = ".batch.lock"
_LARGEST_RECORD_BYTES = 1 << 20
LOST_EXIT_CODE = 3


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    name: str
    digest: str
    exit_code: int
    error: str
    """One line; empty where all went well."""
    wall_s: float
    host: str
    arguments: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether there are results, also such of a camera that was lost."""
        return self.exit_code in (0, LOST_EXIT_CODE)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the folder of a batch and hold it for this process. Raises `OutputError` where another batch is at work in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        stream = (out / _LOCK).open("w")
    except OSError as error:
        raise OutputError(f"the results cannot be written: {error.strerror or error}", out) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError("another batch is at work in this folder: wait for it, or choose another folder", out) from error
        yield


def finished(job: Job) -> Outcome | None:
    """Return how a job ended, if its results are there and answer this very request."""
    outcome = read_outcome(job.out)
    return outcome if outcome is not None and outcome.digest == job.digest and outcome.is_done else None


def read_outcome(folder: Path) -> Outcome | None:
    """Return how the job whose results are in a folder ended, or None where none are."""
    try:
        with (folder / RECORD).open("rb") as file:
            found = json.loads(file.read(_LARGEST_RECORD_BYTES))
        return Outcome(**{**found, "arguments": tuple(found["arguments"])})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def clear(job: Job) -> None:
    """Remove what earlier attempts have left. Raises `OutputError` where a folder in the way is not a batch's."""
    if job.out.exists() and read_outcome(job.out) is None:
        raise OutputError("the folder is in the way and holds no results of a batch; choose another --out", job.out)
    for path in (job.out, *_attempts(job)):
        shutil.rmtree(path, ignore_errors=True)


def sweep(job: Job) -> None:
    """Remove what attempts have left that were cut short, such as on a machine that died."""
    for path in _attempts(job):
        shutil.rmtree(path, ignore_errors=True)


def new_attempt(job: Job) -> Path:
    """Return a folder of its own for one attempt at a job."""
    path = job.out.with_name(f".{job.out.name}.{uuid.uuid4().hex[:12]}")
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"the results cannot be written: {error.strerror or error}", path) from error
    return path


def running(job: Job) -> int:
    """Return how many frames the attempts at a job have come to, as far as they say."""
    return max((_frames(path) for path in _attempts(job)), default=0)


def publish(job: Job, attempt: Path, exit_code: int, error: str, wall_s: float) -> Outcome:
    """Make an attempt the results of a job, in one step. What another attempt has published before stays, and this one goes."""
    outcome = Outcome(job.name, job.digest, exit_code, error, wall_s, socket.gethostname(), job.arguments)
    write_atomically(attempt / RECORD, json_document(asdict(outcome)))
    earlier = finished(job)
    if earlier is None:
        shutil.rmtree(job.out, ignore_errors=True)  # of an attempt that failed
        try:
            os.rename(attempt, job.out)
            return outcome
        except OSError as problem:
            earlier = finished(job)
            if earlier is None:
                raise OutputError(f"the results cannot be put in place: {problem.strerror or problem}", job.out) from problem
    shutil.rmtree(attempt, ignore_errors=True)
    return earlier


def _attempts(job: Job) -> list[Path]:
    try:
        return [path for path in job.out.parent.iterdir() if path.name.startswith(f".{job.out.name}.")]
    except OSError:
        return []


def _frames(attempt: Path) -> int:
    try:
        found = json.loads((attempt / "summary.json").read_bytes()[:_LARGEST_RECORD_BYTES])
        return int(found["frames"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0
