"""All that can be said of a run against a ground truth, for whoever shows it: a terminal, a table, a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reloc.evaluate.align import AlignmentKind
from reloc.evaluate.run import Run, load_run
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S, Evaluation, evaluate
from reloc.evaluate.trust import Trust, assess_trust
from reloc.geometry.trajectory import Trajectory


@dataclass(frozen=True)
class Rules:
    """How errors are measured."""

    align: AlignmentKind = AlignmentKind.NONE
    """What may be fitted before."""
    tolerance_s: float = DEFAULT_TOLERANCE_S
    """How far in time a pose may lie from the frame that it is compared with."""
    relative_m: float = 1.0
    """Length of the pieces of path that relative errors are measured over."""
    relative_s: float = 1.0
    """Length of the pieces of time that relative errors are measured over."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A run with all that was found out about it."""

    run: Run
    evaluation: Evaluation
    trust: Trust | None
    """None where the frames are not known, or were moved by an alignment."""

    def as_mapping(self) -> dict[str, Any]:
        """Return what `reloc evaluate --json` prints for one run."""
        figures = {"name": self.run.name, **self.evaluation.as_mapping()}
        return figures if self.trust is None else {**figures, "trust": self.trust.as_mapping()}


def judge(run: Run, groundtruth: Trajectory, rules: Rules) -> Judged:
    """Return the errors of a run over every frame of `groundtruth`, and whether what it says of itself is true."""
    evaluation = evaluate(
        run.trajectory,
        groundtruth,
        alignment=rules.align,
        max_difference_s=rules.tolerance_s,
        relative_distance_m=rules.relative_m,
        relative_time_s=rules.relative_s,
    )
    # Verdicts, scores and covariances speak of poses as they are.
    if run.frames is None or rules.align is not AlignmentKind.NONE:
        return Judged(run, evaluation, None)
    return Judged(run, evaluation, assess_trust(run.frames, groundtruth, rules.tolerance_s))


def load_runs(paths: Sequence[Path]) -> list[Run]:
    """Read the runs; where two have one name, their paths tell them apart."""
    runs = [load_run(path) for path in paths]
    names = [run.name for run in runs]
    return [
        replace(run, name=str(path) if names.count(run.name) > 1 else run.name) for run, path in zip(runs, paths, strict=True)
    ]
