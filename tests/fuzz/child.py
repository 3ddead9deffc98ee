"""Reads mutated files in a process of its own, which may be killed.

`python -m tests.fuzz.child MODULE FOLDER SEED FIRST END [NAME]`: MODULE holds SUBJECTS; with NAME only the one of that name. Says
one line of JSON before each file and one after it. What libraries print goes to FOLDER/noise; the files of the latest case stay
in FOLDER/case/now.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reloc.errors import RelocError
from tests.fuzz.mutations import mutated
from tests.fuzz.subject import Subject, UnsoundError

MOST_MEMORY_BYTES = 1 << 30
"""What a file of some kilobytes may make a reader take, in addresses, beside what the process had before."""


def dealt(subjects: Sequence[Subject], case: int) -> Subject:
    """Return the subject of a case: each comes as often as it weighs, in an order that spreads what is slow."""
    cards = [subject for subject in subjects for _ in range(subject.weight)]
    turn, place = divmod(case, len(cards))
    return cards[np.random.default_rng(turn).permutation(len(cards))[place]]


def template(subject: Subject, folder: Path) -> Path:
    """Return the folder with the good files of a subject, made when they are first wanted, and read once to be sure."""
    made = folder / "good" / subject.name.replace(" ", "_")
    if not made.exists():
        made.mkdir(parents=True)
        subject.make(made)
        trial = _copy(made, folder / "case" / "trial")
        subject.read(trial)
    return made


def spoilt(subject: Subject, good: Path, folder: Path, seed: int, case: int) -> Path:
    """Copy the good files to `folder` and mutate one of them; return its path."""
    rng = np.random.default_rng([seed, case])
    _copy(good, folder)
    files = sorted(path for pattern in subject.spoil for path in folder.glob(pattern) if path.is_file())
    chosen = files[rng.integers(len(files))]
    chosen.write_bytes(mutated(chosen.read_bytes(), rng))
    return chosen


def _copy(good: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    return folder


def outcome(subject: Subject, folder: Path) -> dict[str, Any]:
    """Read the files of a case and return what came of it."""
    begun_s = time.process_time()
    _forget_peak()
    before = _memory_kib("VmRSS")
    found: dict[str, Any] = {"said": "valid", "what": ""}
    try:
        subject.read(folder)
    except RelocError as error:
        is_hidden = _holds_memory_error(error)
        found = {"said": "memory" if is_hidden else "refused", "what": str(error)[:300]}
    except UnsoundError as error:
        found = {"said": "unsound", "what": str(error)}
    except BaseException:  # noqa: BLE001 - this is what we are looking for
        found = {"said": "traceback", "what": traceback.format_exc(limit=-6)[-3000:]}
    peak_mib = max(0, _memory_kib("VmHWM") - before) / 1024
    return found | {"cpu_s": round(time.process_time() - begun_s, 3), "peak_mib": round(peak_mib, 1)}


def _holds_memory_error(error: BaseException) -> bool:
    """Tell whether an error stands for one about memory, which it may hide from who reads its text only."""
    found: dict[int, BaseException] = {}
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in found:  # errors that are raised again may lead back to themselves
            found[id(one)] = one
            pending += [one.__cause__, one.__context__]
    return any(
        isinstance(one, MemoryError) or "bad_alloc" in str(one) or "Insufficient memory" in str(one) for one in found.values()
    )


def _memory_kib(key: str) -> int:
    with open("/proc/self/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith(f"{key}:")), 0)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _limit_memory() -> None:
    limit = (_memory_kib("VmSize") << 10) + MOST_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Go through the cases."""
    module, folder, (seed, first, end) = sys.argv[1], Path(sys.argv[2]), map(int, sys.argv[3:6])
    subjects: Sequence[Subject] = import_module(module).SUBJECTS
    subjects = [one for one in subjects if one.name in (sys.argv[6:] or [one.name])]
    say = os.fdopen(os.dup(1), "w")
    noise = os.open(folder / "noise", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(noise, descriptor)
    logging.basicConfig(handlers=[logging.NullHandler()])
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    wanted = {dealt(subjects, case).name for case in range(first, end)}
    goods = {subject.name: template(subject, folder) for subject in subjects if subject.name in wanted}
    _limit_memory()
    for case in range(first, end):
        subject = dealt(subjects, case)
        file = spoilt(subject, goods[subject.name], folder / "case" / "now", seed, case)
        print(json.dumps({"case": case, "subject": subject.name, "file": file.name}), file=say, flush=True)
        print(json.dumps(outcome(subject, folder / "case" / "now")), file=say, flush=True)


if __name__ == "__main__":
    main()
