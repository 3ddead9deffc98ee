"""A job's process, of whatever kind: one of its own, or forked from a `ForkServer`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

_PROJECT = Path(__file__).resolve().parents[2]
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


class JobProcess(Protocol):
    """A process that somebody has started."""

    def poll(self) -> int | None:
        """Return how it ended, as `subprocess.Popen.poll` does, or None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to finish its frame, close its files and end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


Start = Callable[[Sequence[str], Path, Path], JobProcess]
"""Starts `reloc` with these arguments, in a folder, with all that it says in a log."""


class OwnProcess:
    """`reloc` in a process that is started for it, and ends when we do: its standard input is a pipe that we hold."""

    def __init__(self, arguments: Sequence[str], folder: Path, log: Path) -> None:
        with log.open("wb") as stream:
            # A session of its own, so that Ctrl-C at the terminal is told by us, once, and not to half of the processes.
            self._process = subprocess.Popen(
                command(arguments),
                cwd=folder,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs."""
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of a job."""
    return [sys.executable, "-m", "reloc.batch.child", *arguments]


def environment() -> dict[str, str]:
    """Return the environment of a job: this very program, and one thread."""
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(paths)}
