"""`reloc evaluate`: how far trajectories are from the ground truth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.evaluation_table import print_comparison, print_report
from reloc.evaluate.align import AlignmentKind
from reloc.evaluate.frame_table import frame_table
from reloc.evaluate.groundtruth import at_times, every_nth, load_groundtruth, load_times
from reloc.evaluate.judge import Rules, judge, load_runs
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S
from reloc.files import json_document, write_atomically

EXAMPLES = """
reloc evaluate out/desk --groundtruth recordings/desk
reloc evaluate out/desk other/trajectory.txt --groundtruth groundtruth.txt --align se3
reloc evaluate out/desk --groundtruth recordings/desk --every 8 --json
"""


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
    rules = Rules(align, tolerance, metres, seconds)
    judged = [judge(run, counted, rules) for run in load_runs(trajectories)]
    if per_frame is not None:
        write_atomically(per_frame, frame_table([(one.run, one.evaluation) for one in judged]))
    if as_json:
        found = [one.as_mapping() for one in judged]
        print(json_document(found[0] if len(found) == 1 else found), end="")
    elif len(judged) == 1:
        print_report(judged[0].run, judged[0].evaluation, judged[0].trust, len(truth))
    else:
        print_comparison([(one.run, one.evaluation, one.trust) for one in judged], len(truth))
