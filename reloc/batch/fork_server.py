"""A process that has loaded all that a job needs, and becomes a job by forking: such a job costs no start of Python.

It reads one request a line from its standard input, and says on its standard output that it is ready and how jobs ended:

    {"job": 7, "arguments": ["track", ...], "folder": "/where/it/runs", "log": "/where/what/it/says/goes"}
    {"job": 7, "signal": 15}
    {"ready": true}
    {"job": 7, "exit_code": 0}

When its input ends, since whoever asked wants no more or has died, the jobs are asked to terminate, and it ends with the last of
them. It has one thread only: what is forked from several may hang.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from reloc.batch.child import run
from reloc.batch.warm import load_everything

_POLL_S = 0.02
# A run that was asked to stop finishes its frame and closes its files, and needs no more than a moment for it.
PATIENCE_S = 20.0
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def main(load: Callable[[], None] = load_everything, become: Callable[[Sequence[str]], None] = run) -> None:
    """Serve until there is nobody any more who asks; in a job, become it."""
    server = _ForkServer()
    load()
    server.tell({"ready": True})
    arguments = server.serve()
    if arguments is not None:
        become(arguments)


class _ForkServer:
    def __init__(self) -> None:
        # What modules print as they load must not come between the answers.
        self._answers = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
        # The jobs' standard input, which ends when we do, in whatever way.
        self._alive, self._while_we_live = os.pipe()
        self._job_of: dict[int, int] = {}
        """By process."""

    def serve(self) -> list[str] | None:
        """Fork jobs until the input ends, and return None; in the process of a job, its arguments."""
        rest = b""
        while True:
            self._tell_of_the_ended()
            if not select.select([_STDIN], [], [], _POLL_S)[0]:
                continue
            data = os.read(_STDIN, 1 << 16)
            if not data:
                self._end()
                return None
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                arguments = self._do(json.loads(line))
                if arguments is not None:
                    return arguments

    def tell(self, answer: dict[str, Any]) -> None:
        """Write an answer."""
        with suppress(BrokenPipeError):  # whoever asked has died, which our input tells next
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _do(self, request: dict[str, Any]) -> list[str] | None:
        """Do what is asked; return arguments in the process that is to become a job."""
        if "signal" in request:
            for process in [process for process, job in self._job_of.items() if job == request["job"]]:
                os.kill(process, request["signal"])
            return None
        process = os.fork()
        if process:
            self._job_of[process] = request["job"]
            return None
        self._put_on(request["folder"], request["log"])
        return list(request["arguments"])

    def _put_on(self, folder: str, log: str) -> None:
        """Give a process that was just forked what a job has: a folder, a log, and a pipe that ends with us."""
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(self._alive, _STDIN)
        os.dup2(stream, _STDOUT)
        os.dup2(stream, _STDERR)
        for one in (stream, self._alive, self._while_we_live, self._answers):
            os.close(one)
        os.chdir(folder)

    def _tell_of_the_ended(self) -> None:
        while self._job_of:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            self.tell({"job": self._job_of.pop(process), "exit_code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        """Wait for the jobs to end, which by now they are told to; those that do not are ended."""
        os.close(self._while_we_live)
        until_s = time.monotonic() + PATIENCE_S
        while self._job_of and time.monotonic() < until_s:
            self._tell_of_the_ended()
            time.sleep(_POLL_S)
        for process in self._job_of:
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    # By its name: what a job finds of it in `sys.modules` is then the same that it would import.
    from reloc.batch import fork_server

    fork_server.main()
    sys.exit()
