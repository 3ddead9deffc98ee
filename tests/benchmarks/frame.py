"""Milliseconds a frame and a stage, in ratio to one SIFT on the same frames in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.common import Recording, Step, recording, renderer_of, sift_ms, timed, tracker, warm_up
from tests.benchmarks.report import Cell, Check, Report, Table

SIFT_EVERY = 10
MEDIAN_LIMIT, P95_LIMIT = 0.08, 0.25
# SIFT with two threads on two idle cores against the processor time of one thread: 55 and 80 ms (OpenCV 5.0, a quiet minute).
IDLE_SHARE = 0.69
STAGES = ("undistort", "pyramid", "predict", "render", "align", "assess", "filter")
COLUMNS = {
    "": "",
    "median ms": ".2f",
    "mean ms": ".2f",
    "p95 ms": ".2f",
    "keyframe ms": ".1f",
    "median / SIFT": ".4f",
    "p95 / SIFT": ".4f",
}

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Passes:
    """The same frames several times over. Every pass does the same work, so what differs is what else the machine did."""

    stages: dict[str, Array]
    """(P, N) milliseconds of P passes over N frames, by stage; `total` and `processor` (time of it) are among them."""
    renewed: NDArray[np.bool_]
    """(N,) which frames rendered the map anew."""
    sift: Array
    """(P, M) milliseconds of SIFT."""
    sift_processor: Array
    """(P, M) milliseconds of processor time of SIFT with one thread."""


def main(*, quick: bool = False) -> Report:
    recorded = recording(100 if quick else None)
    passes = measure(recorded, 2 if quick else 3)
    sift, idle_sift = float(np.median(passes.sift)), IDLE_SHARE * float(np.median(passes.sift_processor.min(axis=0)))
    count = len(passes.stages["total"])
    fastest = {name: ms.min(axis=0, keepdims=True) for name, ms in passes.stages.items()}
    tables = [
        Table(f"As met: all {count} passes; SIFT {sift:.1f} ms", COLUMNS, _rows(passes.stages, passes.renewed, sift)),
        Table(
            f"Of each frame the fastest of {count} passes; SIFT as on idle cores, {idle_sift:.1f} ms",
            COLUMNS,
            _rows(fastest, passes.renewed, idle_sift),
        ),
    ]
    checks = [*_checks("as met", passes.stages["total"], sift), *_checks("as on idle cores", fastest["processor"], idle_sift)]
    notes = [
        f"{len(recorded.frames)} frames, {int(passes.renewed.sum())} keyframes; SIFT on every {SIFT_EVERY}th of them",
        "decoding and viewer are left out",
        "other programs slow SIFT, which wants all cores, more than us, who want one. “As on idle cores” therefore sets our "
        f"processor time against {IDLE_SHARE:g} of SIFT's with one thread: what two idle cores were seen to make of that",
    ]
    return Report(f"Frame ({recorded.name})", tables, checks, notes)


def measure(recorded: Recording, passes: int) -> Passes:
    """Track all frames several times, with SIFT in between, so that both meet the same machine."""
    renderer = renderer_of(recorded.map)
    warm_up(renderer, recorded.lens, recorded.truth, recorded.frames)
    sift_ms(recorded.frames[0])
    runs, sift, processor = [], [], []
    for _ in range(passes):
        follow = tracker(renderer, recorded.lens, recorded.truth, recorded.frames[0])
        steps: list[Step] = []
        for index, frame in enumerate(recorded.frames):
            if index % SIFT_EVERY == 0:
                sift.append(sift_ms(frame)[0])
                processor.append(sift_ms(frame, threads=1)[1])
            steps.append(timed(follow, frame))
        runs.append(steps[1:])  # the first frame is a search, which happens once a recording
    renewed = np.array([step.renewed for step in runs[0]])
    return Passes(_by_stage(runs), renewed, *(np.array(times).reshape(passes, -1) for times in (sift, processor)))


def _by_stage(runs: Sequence[Sequence[Step]]) -> dict[str, Array]:
    stages = {name: np.array([[s.stages_ms.get(name, 0.0) for s in run] for run in runs]) for name in STAGES}
    wall, processor = (np.array([[getattr(s, clock) for s in run] for run in runs]) for clock in ("wall_ms", "cpu_ms"))
    return {**stages, "total": wall, "processor": processor}


def _rows(stages: dict[str, Array], renewed: NDArray[np.bool_], sift: float) -> list[list[Cell]]:
    return [_row(name, milliseconds, renewed, sift) for name, milliseconds in stages.items()]


def _row(name: str, milliseconds: Array, renewed: NDArray[np.bool_], sift: float) -> list[Cell]:
    median, p95 = np.percentile(milliseconds, [50, 95]).tolist()
    keyframe = float(np.median(milliseconds[:, renewed])) if renewed.any() else float("nan")
    return [name, median, float(milliseconds.mean()), p95, keyframe, median / sift, p95 / sift]


def _checks(where: str, milliseconds: Array, sift: float) -> list[Check]:
    median, p95 = (np.percentile(milliseconds, [50, 95]) / sift).tolist()
    return [
        Check(f"{where}: median frame / SIFT", median, MEDIAN_LIMIT),
        Check(f"{where}: p95 frame / SIFT, keyframes included", p95, P95_LIMIT),
    ]
