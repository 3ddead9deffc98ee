"""Lets children read mutated files, and watches over them: whoever hangs or dies is noted and followed by another."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_CPU_S = 10.0
MOST_PEAK_MIB = 1024.0
# A child makes good files of every kind first.
_START_S = 600.0


@dataclass(frozen=True)
class Request:
    """What is to be read."""

    folder: Path
    """Where the files go."""
    seed: int = 0
    subjects: str = "tests.fuzz.subjects"
    """The module that holds `SUBJECTS`."""
    name: str | None = None
    """Only the subject of this name."""
    patience_s: float = 120.0
    """Without an answer for so long, a reader hangs: on a busy machine good files take a second."""


@dataclass(frozen=True)
class Failure:
    """A file that a reader did not deal with."""

    case: int
    subject: str
    file: str
    said: str
    """`traceback`, `unsound`, `hang`, `crash`, `memory` or `slow`."""
    what: str


@dataclass
class Campaign:
    """What came of some files."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    """By subject: how many were refused, how many were valid all the same, and what else there was."""
    failures: list[Failure] = field(default_factory=list)
    cpu_s: float = 0.0
    most_cpu_s: tuple[float, str] = (0.0, "")
    most_peak_mib: tuple[float, str] = (0.0, "")

    @property
    def files(self) -> int:
        """How many files were read."""
        return sum(one.total() for one in self.outcomes.values())

    def count(self, said: str) -> int:
        """Return how many files came to this."""
        return sum(one[said] for one in self.outcomes.values())

    def note(self, begun: dict[str, Any], ended: dict[str, Any]) -> None:
        """Take what a child said before a file and after it."""
        subject, said = begun["subject"], ended["said"]
        label = f"{subject}, case {begun['case']}"
        cpu_s, peak_mib = ended.get("cpu_s", 0.0), ended.get("peak_mib", 0.0)
        self.cpu_s += cpu_s
        self.most_cpu_s = max(self.most_cpu_s, (cpu_s, label))
        self.most_peak_mib = max(self.most_peak_mib, (peak_mib, label))
        if said in ("valid", "refused") and (cpu_s > MOST_CPU_S or peak_mib > MOST_PEAK_MIB):
            said = "slow" if cpu_s > MOST_CPU_S else "memory"
        self.outcomes.setdefault(subject, Counter())[said] += 1
        if said not in ("valid", "refused"):
            self.failures.append(Failure(begun["case"], subject, begun["file"], said, ended["what"]))


class _Child:
    """A process that reads files, and what it says, line by line."""

    def __init__(self, request: Request, first: int, end: int) -> None:
        self.noise = request.folder / "noise"
        arguments = [request.subjects, str(request.folder), str(request.seed), str(first), str(end)]
        # Fewer arenas: each takes 64 MiB of addresses, which would count as the reader's.
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "RELOC_CACHE": str(request.folder / "cache")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child", *arguments, *([] if request.name is None else [request.name])],
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._buffer = b""

    def line(self, patience_s: float) -> dict[str, Any] | None:
        """Return the next line; None at the end. Raises `TimeoutError` where none comes."""
        assert self._process.stdout is not None
        while b"\n" not in self._buffer:
            if not select.select([self._process.stdout], [], [], patience_s)[0]:
                raise TimeoutError
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> int:
        """Kill it where it is still there; return how it ended."""
        self._process.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait()


def campaign(
    request: Request, *, files: int, first: int = 0, progress: Callable[[Campaign], None] = lambda so_far: None
) -> Campaign:
    """Let `files` mutated files be read, from number `first` on. A number and a seed always give the same file."""
    result, following = Campaign(), first
    request.folder.mkdir(parents=True, exist_ok=True)
    while following < first + files:
        following = _until_one_ends(request, result, following, first + files, progress)
    return result


def _until_one_ends(request: Request, result: Campaign, first: int, end: int, progress: Callable[[Campaign], None]) -> int:
    """Let one child read as far as it comes; return the case to go on with."""
    child = _Child(request, first, end)
    begun: dict[str, Any] = {}
    trouble = {"said": "crash", "what": "the process died"}
    try:
        while (line := child.line(request.patience_s if begun else _START_S)) is not None:
            if "case" in line:
                begun = line
                continue
            result.note(begun, line)
            first, begun = begun["case"] + 1, {}
            progress(result)
    except TimeoutError:
        trouble = {"said": "hang", "what": f"no answer for {request.patience_s:g} s"}
    code = child.end()
    assert begun or first == end, f"a child could not begin, or not read the good files: see {child.noise}"
    if not begun:
        return first
    result.note(begun, {**trouble, "what": f"{trouble['what']} ({code})"})
    progress(result)
    return int(begun["case"]) + 1
