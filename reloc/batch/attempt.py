"""One attempt at a job: a process, its log, and what becomes of its results."""

from __future__ import annotations

import os
import shutil
import time

from reloc.batch.folder import LOG, Outcome, new_attempt, publish
from reloc.batch.jobs import Job
from reloc.batch.processes import OwnProcess, Start

# A run that was asked to stop finishes its frame and closes its files, and needs no more than a moment for it.
_PATIENCE_S = 20.0
_POLL_S = 0.05
_LONGEST_LOG_TAIL = 1 << 16
_LONGEST_ERROR = 500
# Where every core has a job of its own, a thread that decodes images ahead only takes turns with the one that tracks.
_ONE_CORE = ("--set", "input.read_ahead=0")


class Attempt:
    """A running `reloc track`. One thread each, unless it may have a core more: the processes are what keeps the cores busy."""

    def __init__(self, job: Job, start: Start = OwnProcess, *, has_cores_to_spare: bool = False) -> None:
        self.job = job
        self._folder = new_attempt(job)
        self._begun_s = time.monotonic()
        # First, so that what the job itself sets has the last word.
        threads = () if has_cores_to_spare else _ONE_CORE
        arguments = ("track", *threads, *job.arguments, "--out", str(self._folder))
        self._process = start(arguments, job.folder, self._folder / LOG)

    def poll(self) -> Outcome | None:
        """Return how it ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return publish(self.job, self._folder, code, self._error(code), round(time.monotonic() - self._begun_s, 3))

    def ask_to_stop(self) -> None:
        """Ask the process to finish its frame and to end."""
        self._process.terminate()

    def abandon(self) -> None:
        """Wait for a process that was asked to stop, end it if it does not, and remove what it has written."""
        self.ask_to_stop()
        if not self._ends_within(_PATIENCE_S):
            self._process.kill()
            self._ends_within(_PATIENCE_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ends_within(self, patience_s: float) -> bool:
        until_s = time.monotonic() + patience_s
        while self._process.poll() is None:
            if time.monotonic() > until_s:
                return False
            time.sleep(_POLL_S)
        return True

    def _error(self, code: int) -> str:
        """Return in one line why it failed: what `reloc track` says last about an error."""
        if code == 0:
            return ""
        lines = [line.strip() for line in self._end_of_log().splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("error: ", "lost: ", "Error: "))]
        last = (said or lines or [f"it ended with {code}"])[-1]
        return last.removeprefix("error: ")[:_LONGEST_ERROR]

    def _end_of_log(self) -> str:
        try:
            with (self._folder / LOG).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LONGEST_LOG_TAIL))
                return log.read().decode(errors="replace")
        except OSError:  # its process died before there was one
            return ""
