"""What the motion filter is worth: `--motion kalman` against `--motion none`, the more frames are left out the more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.build import make_undistorter
from reloc.config import RelocConfig
from reloc.estimate import Estimate
from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.undistort import Undistorter
from tests.benchmarks.common import Accuracy, Recording, Step, recording, renderer_of, say, warm_up
from tests.benchmarks.report import Cell, Check, Report, Table

EVERY = (1, 2, 4, 8, 12, 16, 24)
MOST_PHASES = 6
"""Of every Nth frame there are N recordings; so many of them are tracked, spread evenly."""
Model = Literal["kalman", "none"]
MODELS: tuple[Model, ...] = ("kalman", "none")
COLUMNS = {
    "every": "d",
    "motion": "",
    "frames": "d",
    "median cm": ".2f",
    "p95 cm": ".2f",
    "median °": ".3f",
    "believed": ".3f",
    "within 2 cm/2°": ".3f",
    "beyond 5 cm/5°": "d",
    "processor: mean ms": ".2f",
    "p95 ms": ".1f",
    "keyframes": ".2f",
    "searched": ".3f",
    "believed without search": ".3f",
    "NIS": ".2f",
}
STEADY_COLUMNS = {
    "every": "d",
    "pose": "",
    "median cm": ".3f",
    "step error: median mm": ".2f",
    "rms mm": ".2f",
    "median °": ".4f",
    "bend error: rms mm": ".2f",
}


class Watched(Aligner):
    """Counts searches: alignments from more than one guess."""

    searches = 0

    def align(self, keyframe: Keyframe, frame: Layers, guesses: Sequence[SE3], **how: Any) -> Alignment:
        self.searches += len(guesses) > 1
        return super().align(keyframe, frame, guesses, **how)


class OneStart(Aligner):
    """Does without a search: of many guesses it takes the first, the prediction."""

    def align(self, keyframe: Keyframe, frame: Layers, guesses: Sequence[SE3], **how: Any) -> Alignment:
        return super().align(keyframe, frame, guesses[:1], **how)


@dataclass(frozen=True, eq=False)
class Frames:
    """What is kept of the frames of all phases, but for the first of each, which is a search by nature."""

    steps: list[Step]
    estimates: list[tuple[SE3, SE3 | None]]
    """World_from_camera as reported and as measured, before the filter; without images, of which thousands fill the memory."""
    searched: list[bool]
    nis: list[float]
    ends: list[int]
    """Where each phase ends."""

    def in_time(self) -> list[Step]:
        """Return the frames of all phases in order of time."""
        return sorted(self.steps, key=lambda step: step.timestamp_ns)


@dataclass(frozen=True, eq=False)
class Place:
    """What the trackers of all runs share."""

    recorded: Recording
    renderer: Renderer
    undistorter: Undistorter

    def tracker(self, model: Model, aligner: Aligner, first: RawFrame) -> Relocalizer:
        start = self.recorded.truth.pose(self.recorded.truth.nearest(first.timestamp_ns)).inverse()
        motion = replace(RelocConfig().motion, model=model)
        return Relocalizer(self.undistorter, self.renderer, start, aligner=aligner, motion=motion)


def main(*, quick: bool = False) -> Report:
    recorded = recording()
    renderer = renderer_of(recorded.map)
    warm_up(renderer, recorded.lens, recorded.truth, recorded.frames)
    place = Place(recorded, renderer, make_undistorter(RelocConfig(), recorded.lens))
    rows: list[list[Cell]] = []
    steady: list[list[Cell]] = []
    checks: list[Check] = []
    for every in (1, 8, 16) if quick else EVERY:
        measured = side_by_side(place, every, 1 if quick else MOST_PHASES)
        alone = {model: believed_without_search(place, model, every, 1 if quick else MOST_PHASES) for model in MODELS}
        found = {model: Accuracy.of(frames.in_time(), recorded.truth) for model, frames in measured.items()}
        rows += [_row(every, model, measured[model], found[model], alone[model]) for model in MODELS]
        steady += [_steady_row(every, pose, measured["kalman"], recorded) for pose in ("as aligned", "as filtered")]
        checks += _checks(every, measured, found, alone)
        for row in rows[-2:]:
            say("  ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    tables = [
        Table("Kalman against none, frame by frame in turns", COLUMNS, rows),
        Table("What filtering the aligned pose does to it", STEADY_COLUMNS, steady),
    ]
    return Report(f"Motion filter ({recorded.name})", tables, checks, [*_notes(), _verdict(checks)])


def side_by_side(place: Place, every: int, most_phases: int) -> dict[Model, Frames]:
    """Track with both, a frame each in turn, so that both meet the same other load."""
    found = {model: Frames([], [], [], [], []) for model in MODELS}
    for first in _phases(every, most_phases):
        raws = place.recorded.frames[first::every]
        aligners = {model: Watched(AlignConfig()) for model in MODELS}
        trackers = {model: place.tracker(model, aligners[model], raws[0]) for model in MODELS}
        for number, raw in enumerate(raws):
            for model, follow in trackers.items():
                before = aligners[model].searches
                wall, cpu = time.perf_counter(), time.thread_time()
                estimate = follow.step(raw)
                cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
                if number > 0:
                    _keep(found[model], estimate, wall, cpu, searched=aligners[model].searches > before)
        for frames in found.values():
            frames.ends.append(len(frames.steps))
    return found


def _keep(frames: Frames, estimate: Estimate, wall: float, cpu: float, *, searched: bool) -> None:
    measurement = estimate.measurement
    as_aligned = None if measurement is None else measurement.camera_from_world.inverse()
    frames.steps.append(Step.of(estimate, wall, cpu))
    frames.estimates.append((estimate.world_from_camera, as_aligned))
    frames.searched.append(searched)
    frames.nis.append(estimate.quality.nis)


def believed_without_search(place: Place, model: Model, every: int, most_phases: int) -> float:
    """Return the share of the frames that are believed where nothing is tried but the guess."""
    believed: list[bool] = []
    for first in _phases(every, most_phases):
        raws = place.recorded.frames[first::every]
        follow = place.tracker(model, OneStart(AlignConfig()), raws[0])
        believed += [follow.step(raw).verdict.is_believed for raw in raws]
    return float(np.mean(believed))


def _phases(every: int, most: int) -> range:
    return range(0, every, -(-every // most))


def _row(every: int, model: Model, frames: Frames, a: Accuracy, alone: float) -> list[Cell]:
    cpu = np.array([step.cpu_ms for step in frames.steps])
    keyframes = float(np.mean([step.renewed for step in frames.steps]))
    errors = [a.median_cm, a.p95_cm, a.median_deg, a.tracked, a.within_2cm_2deg, a.beyond_5cm_5deg]
    nis = float(np.nanmedian(frames.nis))
    times = [float(cpu.mean()), float(np.percentile(cpu, 95))]
    return [every, model, len(frames.steps), *errors, *times, keyframes, float(np.mean(frames.searched)), alone, nis]


def _steady_row(every: int, pose: str, frames: Frames, recorded: Recording) -> list[Cell]:
    """Compare steps from frame to frame, and their changes (bends), with the true ones."""
    place_cm, step_m, step_deg, bend_m = [], [], [], []
    for begin, end in zip([0, *frames.ends], frames.ends, strict=False):
        times = [step.timestamp_ns for step in frames.steps[begin:end]]
        pairs = frames.estimates[begin:end]
        found = [reported if pose == "as filtered" or aligned is None else aligned for reported, aligned in pairs]
        true = [recorded.truth.pose(recorded.truth.nearest(t)) for t in times]
        off = np.array([a.translation - b.translation for a, b in zip(found, true, strict=True)])
        steps = [
            (f[0].inverse() @ f[1]).inverse() @ (t[0].inverse() @ t[1])
            for f, t in zip(pairwise(found), pairwise(true), strict=True)
        ]
        place_cm += (100 * np.linalg.norm(off, axis=1)).tolist()
        step_m += [float(np.linalg.norm(step.translation)) for step in steps]
        step_deg += [float(np.degrees(np.linalg.norm(step.log()[3:]))) for step in steps]
        bend_m += np.linalg.norm(np.diff(off, 2, axis=0), axis=1).tolist()
    median, rms = 1e3 * float(np.median(step_m)), 1e3 * float(np.sqrt(np.mean(np.square(step_m))))
    bend = 1e3 * float(np.sqrt(np.mean(np.square(bend_m))))
    return [every, pose, float(np.median(place_cm)), median, rms, float(np.median(step_deg)), bend]


def _checks(
    every: int, measured: Mapping[Model, Frames], found: Mapping[Model, Accuracy], alone: Mapping[Model, float]
) -> list[Check]:
    """Compare with what was measured without the filter."""
    costs = {model: float(np.mean([step.cpu_ms for step in measured[model].steps])) for model in MODELS}
    within = {model: found[model].within_2cm_2deg for model in MODELS}
    searched = {model: float(np.mean(measured[model].searched)) for model in MODELS}
    return [
        Check(f"every {every}: mean processor ms with the filter", costs["kalman"], costs["none"]),
        Check(f"every {every}: within 2 cm/2° with the filter", within["kalman"], within["none"], "at least"),
        Check(f"every {every}: share searched with the filter", searched["kalman"], searched["none"]),
        Check(f"every {every}: believed without search with the filter", alone["kalman"], alone["none"], "at least"),
    ]


def _verdict(checks: Sequence[Check]) -> str:
    failed = [check.what for check in checks if not check.passed]
    if not failed:
        return "the filter pays in each of these, at every rate, or is level with none"
    return f"the filter does not pay in: {'; '.join(failed)}; in all else it does, or is level with none"


def _notes() -> list[str]:
    return [
        "the limits of these checks are what was measured without the filter",
        "searched: share of the frames that tried 49 starts around a guess that was in doubt",
        "believed without search: share of the frames that are believed where nothing is tried but the guess",
        "NIS: median of the normalised innovation squared; 5.35 where the motion is as the model says, less for a slower camera",
        "none's NIS is against the last pose with the uncertainty of a camera of unknown speed",
        "a step is the motion from one frame to the next, a bend its change; a seventh of kitchen's images repeat the one before",
    ]
