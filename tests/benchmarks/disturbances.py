"""How tracking bears light, noise and occlusion: the table of the design, with the figures of its prototype beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from reloc.config import RelocConfig
from reloc.render.renderer import Renderer
from reloc.sources.disturb import DISTURBANCES, disturbed
from tests.benchmarks.common import Accuracy, Recording, recording, renderer_of, say, timed, tracker, warm_up
from tests.benchmarks.report import Cell, Check, Report, Table


@dataclass(frozen=True)
class Prototype:
    """What the design's rough prototype reached: the better of its two ways of comparing images."""

    median_cm: float
    within_2cm_1deg: float
    intensity: str
    local: str


PROTOTYPE = {
    "none": Prototype(0.57, 1.00, "0.59 cm; 1.00", "0.57 cm; 1.00"),
    "gamma_half": Prototype(0.57, 1.00, "0.63 cm; 1.00", "0.57 cm; 1.00"),
    "gamma_double": Prototype(0.64, 1.00, "0.68 cm; 0.94", "0.64 cm; 1.00"),
    "shadow": Prototype(0.60, 1.00, "lost", "0.60 cm; 1.00"),
    "gain_sine": Prototype(0.59, 1.00, "0.77 cm; 0.82", "0.59 cm; 1.00"),
    "noise": Prototype(0.56, 1.00, "0.61 cm; 1.00", "0.56 cm; 1.00"),
    "motion_blur": Prototype(0.67, 1.00, "0.76 cm; 0.99", "0.67 cm; 1.00"),
    "noisy_patch": Prototype(0.81, 0.93, "0.81 cm; 0.93", "lost"),
}
Residual = Literal["local", "intensity"]
RESIDUALS: tuple[Residual, ...] = ("local", "intensity")
COLUMNS = {
    "disturbance": "",
    "residual": "",
    "median cm": ".2f",
    "median °": ".3f",
    "p95 cm": ".2f",
    "tracked": ".3f",
    "within 2 cm/1°": ".3f",
    "believed beyond 5 cm/5°": "d",
    "prototype, intensity": "",
    "prototype, local": "",
}


def main(*, quick: bool = False) -> Report:
    recorded = recording(100 if quick else None)
    renderer = renderer_of(recorded.map)
    warm_up(renderer, recorded.lens, recorded.truth, recorded.frames)
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    default = RelocConfig().align.residual
    for name, prototype in PROTOTYPE.items():
        for residual in RESIDUALS:
            found = measure(recorded, renderer, name, residual)
            errors = [
                found.median_cm,
                found.median_deg,
                found.p95_cm,
                found.tracked,
                found.within_2cm_1deg,
                found.beyond_5cm_5deg,
            ]
            rows.append([name, residual, *errors, prototype.intensity, prototype.local])
            say(f"{name}, {residual}: {found.median_cm:.2f} cm, {found.median_deg:.3f}°; {found.within_2cm_1deg:.3f}")
            if residual == default:
                checks += _checks(name, found, prototype)
    notes = [f"the default is {default}; a frame without a believed pose counts as missed", *_meanings()]
    table = Table("Every frame, first pose given; median error, and share of all frames", COLUMNS, rows)
    return Report(f"Disturbances ({recorded.name}, {len(recorded.frames)} frames)", [table], checks, notes)


def measure(recorded: Recording, renderer: Renderer, name: str, residual: Residual) -> Accuracy:
    """Track the disturbed recording."""
    default = RelocConfig()
    config = replace(default, align=replace(default.align, residual=residual))
    follow = tracker(renderer, recorded.lens, recorded.truth, recorded.frames[0], config)
    frames = islice(disturbed(recorded.source(), name), len(recorded.frames))
    return Accuracy.of([timed(follow, frame) for frame in frames], recorded.truth)


def _checks(name: str, found: Accuracy, prototype: Prototype) -> Sequence[Check]:
    # The prototype's figures are rounded to these many decimals.
    return [
        Check(f"{name}: median cm", found.median_cm, prototype.median_cm + 0.005),
        Check(f"{name}: within 2 cm/1°", found.within_2cm_1deg, prototype.within_2cm_1deg - 0.005, "at least"),
    ]


def _meanings() -> list[str]:
    return [f"{name}: {DISTURBANCES[name].description}" for name in PROTOTYPE]
