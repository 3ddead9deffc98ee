"""Jobs that are forked from a process which has loaded everything: what `fork_server.py` looks like from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reloc.batch.processes import environment

_PATIENCE_S = 30.0


class ForkServer:
    """Starts jobs. Its process starts with the first of them; at the end of the block it ends, with all jobs that are left."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self._is_ready = False
        self._jobs = 0
        self._ended: dict[int, int] = {}
        """Exit codes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close its input, which it takes as its end, and wait for it."""
        if self._process is not None:
            self._close(self._process)

    def start(self, arguments: Sequence[str], folder: Path, log: Path) -> ForkedProcess:
        """Start a job: `reloc` with these arguments, in a folder, with all that it says in a log."""
        self._listen()
        self._jobs += 1
        self._process = self._process or self._launched()
        self.ask({"job": self._jobs, "arguments": list(arguments), "folder": str(folder), "log": str(log)})
        return ForkedProcess(self, self._jobs)

    def exit_code(self, job: int) -> int | None:
        """Return how a job ended, or None while it runs."""
        if job not in self._ended:
            self._listen()
        return self._ended.get(job)

    def signal(self, job: int, number: signal.Signals) -> None:
        """Send a signal to a job; before the first has begun, end all of them with the server, which need not load the rest."""
        self._listen()
        if self._process is not None and not self._is_ready:
            self._process.kill()
        self.ask({"job": job, "signal": int(number)})

    def ask(self, request: dict[str, Any]) -> None:
        """Hand over a request. One that has died does not take it, which `exit_code` tells."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(request).encode() + b"\n")

    def _launched(self) -> subprocess.Popen[bytes]:
        # A session of its own, so that Ctrl-C at the terminal is told by us, once, and not to half of the processes.
        process = subprocess.Popen(
            command(),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        return process

    def _listen(self) -> None:
        """Take in how jobs ended. Where the server itself has, so have all of its jobs, and the next one gets another."""
        while self._process is not None and self._process.stdout is not None:
            data: bytes | None = self._process.stdout.read(1 << 16)
            if data is None:  # nothing new
                return
            if not data:
                code = self._close(self._process)
                self._ended = {**dict.fromkeys(range(1, self._jobs + 1), code or 1), **self._ended}
                self._process, self._heard, self._is_ready = None, b"", False
                return
            *lines, self._heard = (self._heard + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, answer: dict[str, Any]) -> None:
        if "ready" in answer:
            self._is_ready = True
        else:
            self._ended[answer["job"]] = answer["exit_code"]

    def _close(self, process: subprocess.Popen[bytes]) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            code = process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        return code


class ForkedProcess:
    """A job that a `ForkServer` has started."""

    def __init__(self, server: ForkServer, job: int) -> None:
        self._server, self._job = server, job

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs."""
        return self._server.exit_code(self._job)

    def terminate(self) -> None:
        """Ask it to end."""
        self._server.signal(self._job, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._server.signal(self._job, signal.SIGKILL)


def command() -> list[str]:
    """Return the command line of the server."""
    return [sys.executable, "-m", "reloc.batch.fork_server"]
