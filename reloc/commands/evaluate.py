"""`reloc evaluate`: how far trajectories are from the ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from reloc.commands.evaluation_table import print_comparison, print_report
from reloc.evaluate.align import AlignmentKind
from reloc.evaluate.frame_table import frame_table
from reloc.evaluate.groundtruth import at_times, every_nth, load_groundtruth, load_times
from reloc.evaluate.run import Run, load_run
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S, Evaluation
from reloc.evaluate.summary import evaluate as evaluate_trajectory
from reloc.evaluate.trust import Trust, assess_trust
from reloc.files import json_document, write_atomically
from reloc.geometry.trajectory import Trajectory

EXAMPLES = """
reloc evaluate out/desk --groundtruth recordings/desk
reloc evaluate out/desk other/trajectory.txt --groundtruth groundtruth.txt --align se3
reloc evaluate out/desk --groundtruth recordings/desk --every 8 --json
"""


@dataclass(frozen=True, eq=False)
class Judged:
    """A run with all that was found out about it."""

    run: Run
    evaluation: Evaluation
    trust: Trust | None
    """None where the frames are not known, or were moved by an alignment."""

    def as_mapping(self) -> dict[str, Any]:
        """Return what `--json` prints for one run."""
        figures = {"name": self.run.name, **self.evaluation.as_mapping()}
        return figures if self.trust is None else {**figures, "trust": self.trust.as_mapping()}


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter("a finite number was expected")
    return value


def evaluate(
    trajectories: Annotated[
        list[Path], typer.Argument(help="Folders of runs, or TUM files: `timestamp tx ty tz qx qy qz qw` a line.")
    ],
    groundtruth: Annotated[
        Path, typer.Option("--groundtruth", "-g", help="A TUM file, or the folder of a recording that has a groundtruth.txt.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON; a list of them for several runs.")] = False,
    align: Annotated[
        AlignmentKind,
        typer.Option(help="Fit a motion (se3), or one with a scale (sim3), before measuring. A tracker in a map needs none."),
    ] = AlignmentKind.NONE,
    tolerance: Annotated[
        float, typer.Option(min=0.0, callback=_finite, help="Seconds that a pose may lie from the frame it is compared with.")
    ] = DEFAULT_TOLERANCE_S,
    every: Annotated[
        int, typer.Option(min=1, help="Count only each N-th frame of the ground truth, for a run of `track --every N`.")
    ] = 1,
    frames_of: Annotated[
        Path | None,
        typer.Option(
            help="Count only the frames at these times: a run, a recording, or a text file whose lines begin with seconds."
        ),
    ] = None,
    metres: Annotated[
        float,
        typer.Option(min=1e-6, callback=_finite, help="Length of the pieces of path that relative errors are measured over."),
    ] = 1.0,
    seconds: Annotated[
        float,
        typer.Option(min=1e-6, callback=_finite, help="Length of the pieces of time that relative errors are measured over."),
    ] = 1.0,
    per_frame: Annotated[Path | None, typer.Option(help="Write the errors of every frame to this CSV file.")] = None,
) -> None:
    """Say how far trajectories are from the ground truth: one report, or one table for several runs.

    Recall is over ALL frames of the ground truth, and a frame without a pose is a miss; `--every` and `--frames-of` say which
    frames count if the tracker was not given all of them. Nothing is aligned unless you ask.
    """
    truth = load_groundtruth(groundtruth)
    counted = every_nth(truth, every)
    if frames_of is not None:
        counted = at_times(counted, load_times(frames_of), tolerance)
    judged = [_judge(run, counted, align, tolerance, metres, seconds) for run in _load_runs(trajectories)]
    if per_frame is not None:
        write_atomically(per_frame, frame_table([(one.run, one.evaluation) for one in judged]))
    if as_json:
        found = [one.as_mapping() for one in judged]
        print(json_document(found[0] if len(found) == 1 else found), end="")
    elif len(judged) == 1:
        print_report(judged[0].run, judged[0].evaluation, judged[0].trust, len(truth))
    else:
        print_comparison([(one.run, one.evaluation, one.trust) for one in judged], len(truth))


def _load_runs(paths: list[Path]) -> list[Run]:
    """Read the runs; where two have one name, their paths tell them apart."""
    runs = [load_run(path) for path in paths]
    names = [run.name for run in runs]
    return [
        replace(run, name=str(path) if names.count(run.name) > 1 else run.name) for run, path in zip(runs, paths, strict=True)
    ]


def _judge(run: Run, counted: Trajectory, align: AlignmentKind, tolerance_s: float, metres: float, seconds: float) -> Judged:
    evaluation = evaluate_trajectory(
        run.trajectory,
        counted,
        alignment=align,
        max_difference_s=tolerance_s,
        relative_distance_m=metres,
        relative_time_s=seconds,
    )
    # Verdicts, scores and covariances speak of poses as they are.
    comparable = run.frames is not None and align is AlignmentKind.NONE
    return Judged(
        run, evaluation, assess_trust(run.frames, counted, tolerance_s) if run.frames is not None and comparable else None
    )
