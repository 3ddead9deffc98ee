"""What the motion filter is worth: `--motion kalman` against `--motion none`, the more frames are left out the more."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from reloc.config import RelocConfig
from tests.benchmarks.common import Accuracy, Steps, Times, in_turns, recording, renderer_of, tracker, warm_up
from tests.benchmarks.report import Cell, Check, Report, Table

EVERY = (1, 4, 8, 12)
Model = Literal["kalman", "none"]
MODELS: tuple[Model, ...] = ("kalman", "none")
COLUMNS = {
    "every": "d",
    "motion": "",
    "frames": "d",
    "keyframes": "d",
    "median cm": ".2f",
    "p95 cm": ".2f",
    "worst cm": ".2f",
    "median °": ".3f",
    "p95 °": ".3f",
    "tracked": ".3f",
    "within 2 cm/2°": ".3f",
    "median ms": ".1f",
    "mean ms": ".1f",
    "processor: mean ms": ".1f",
    "steps": ".1f",
}


def main(*, quick: bool = False) -> Report:
    recorded = recording()
    renderer = renderer_of(recorded.map)
    warm_up(renderer, recorded.lens, recorded.truth, recorded.frames)
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for every in EVERY[1::2] if quick else EVERY:
        frames = recorded.frames[::every]
        trackers = {}
        for model in MODELS:
            config = _config(model)
            trackers[model] = (tracker(renderer, recorded.lens, recorded.truth, frames[0], config), iter(frames))
        measured = in_turns(trackers)
        rows += [_row(every, model, steps, Accuracy.of(steps, recorded.truth)) for model, steps in measured.items()]
        filtered, plain = (Accuracy.of(measured[model], recorded.truth) for model in MODELS)
        checks.append(
            Check(f"every {every}: within 2 cm/2° with the filter", filtered.within_2cm_2deg, plain.within_2cm_2deg, "at least")
        )
        costs = [Times.of_cpu(measured[model]).mean for model in MODELS]
        checks.append(Check(f"every {every}: mean processor ms with the filter", costs[0], costs[1]))
    notes = ["the limits of these checks are what was measured without the filter"]
    return Report(f"Motion filter ({recorded.name})", [Table("Kalman against none", COLUMNS, rows)], checks, notes)


def _config(model: Model) -> RelocConfig:
    default = RelocConfig()
    return replace(default, motion=replace(default.motion, model=model))


def _row(every: int, model: str, steps: Steps, accuracy: Accuracy) -> list[Cell]:
    wall, cpu = Times.of(steps), Times.of_cpu(steps)
    a = accuracy
    errors = [a.median_cm, a.p95_cm, a.worst_cm, a.median_deg, a.p95_deg, a.tracked, a.within_2cm_2deg]
    iterations = sum(step.iterations for step in steps[1:]) / max(len(steps) - 1, 1)
    return [every, model, len(steps), sum(step.renewed for step in steps), *errors, wall.median, wall.mean, cpu.mean, iterations]
