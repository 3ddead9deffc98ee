"""One attempt at a job: a process, its log, and what becomes of its results."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from reloc.batch.folder import LOG, Outcome, new_attempt, publish
from reloc.batch.jobs import Job

_PROJECT = Path(__file__).resolve().parents[2]
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# A run that was asked to stop finishes its frame and closes its files, and needs no more than a moment for it.
_PATIENCE_S = 20.0
_LONGEST_LOG_TAIL = 1 << 16
_LONGEST_ERROR = 500


class Attempt:
    """A running `reloc track`. One thread each: the processes are what keeps the cores busy."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._folder = new_attempt(job)
        self._begun_s = time.monotonic()
        with (self._folder / LOG).open("wb") as log:
            # A session of its own, so that Ctrl-C at the terminal is told by us, once, and not to half of the processes.
            self._process = subprocess.Popen(
                _command(job, self._folder),
                cwd=job.folder,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it runs."""
        if self._process.poll() is None:
            return None
        self.ask_to_stop()  # closes our end of the pipe
        code = self._process.returncode
        return publish(self.job, self._folder, code, self._error(code), round(time.monotonic() - self._begun_s, 3))

    def ask_to_stop(self) -> None:
        """Close the pipe that says that we are there; the process finishes its frame and ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def abandon(self) -> None:
        """Wait for a process that was asked to stop, end it if it does not, and remove what it has written."""
        self.ask_to_stop()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _error(self, code: int) -> str:
        """Return in one line why it failed: what `reloc track` says last about an error."""
        if code == 0:
            return ""
        with (self._folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LONGEST_LOG_TAIL))
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("error: ", "lost: ", "Error: "))]
        last = (said or lines or [f"it ended with {code}"])[-1]
        return last.removeprefix("error: ")[:_LONGEST_ERROR]


def _command(job: Job, out: Path) -> list[str]:
    return [sys.executable, "-m", "reloc.batch.child", "track", *job.arguments, "--out", str(out)]


def _environment() -> dict[str, str]:
    """Return the environment of a job: this very program, and one thread."""
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(paths)}
