"""How the time a frame grows when other processes want all the cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

from tests.benchmarks.common import Recording, Steps, Times, recording, renderer_of, timed, tracker, warm_up
from tests.benchmarks.report import Check, Report, Table

GROWTH_LIMIT = 2.5
ROUNDS, FRAMES_A_ROUND = 4, 75
# Ends by itself should we be killed.
_BURN = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"
_LONGEST_S = 120.0


def main(*, quick: bool = False) -> Report:
    recorded = recording()
    calm, busy = measure(recorded, rounds=2 if quick else ROUNDS)
    alone, beside = Times.of(calm), Times.of(busy)
    columns = {"": "", "median ms": ".2f", "mean ms": ".2f", "p95 ms": ".2f", "keyframe ms": ".1f", "processor: median ms": ".2f"}
    rows = [
        ["without the burners", *vars(alone).values(), Times.of_cpu(calm).median],
        ["beside them", *vars(beside).values(), Times.of_cpu(busy).median],
    ]
    checks = [Check("growth of the median", beside.median / alone.median, GROWTH_LIMIT)]
    notes = [
        f"{cores()} processes burn {cores()} cores; {len(calm)} frames with and without them, in turns",
        "on a machine that is busy anyway the first row is no calm one, and the growth comes out too small: see its load",
    ]
    return Report(f"Busy machine ({recorded.name})", [Table("Milliseconds a frame", columns, rows)], checks, notes)


def measure(recorded: Recording, rounds: int) -> tuple[Steps, Steps]:
    """Track the same frames without and with burners, some in turns."""
    renderer = renderer_of(recorded.map)
    warm_up(renderer, recorded.lens, recorded.truth, recorded.frames)
    calm: Steps = []
    busy: Steps = []
    trackers = [tracker(renderer, recorded.lens, recorded.truth, recorded.frames[0]) for _ in range(2)]
    frames = [iter(recorded.frames) for _ in range(2)]
    for _ in range(rounds):
        calm += [timed(trackers[0], frame) for frame in islice(frames[0], FRAMES_A_ROUND)]
        with burning(cores()):
            busy += [timed(trackers[1], frame) for frame in islice(frames[1], FRAMES_A_ROUND)]
    return calm, busy


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def burning(count: int) -> Iterator[None]:
    """Let so many processes burn a core each."""
    with ExitStack() as stack:
        for _ in range(count):
            # In a session of its own, as another program would be: Linux shares the processor out by session first.
            process = subprocess.Popen([sys.executable, "-c", _BURN, str(_LONGEST_S)], start_new_session=True)
            stack.enter_context(process)
            stack.callback(process.kill)
        yield
