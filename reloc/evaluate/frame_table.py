"""The errors of every frame as a CSV file, for spreadsheets and plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from reloc.evaluate.association import associate
from reloc.evaluate.run import Run
from reloc.evaluate.summary import Evaluation
from reloc.evaluate.trust import nees_of_frames
from reloc.geometry.trajectory import format_seconds

Array = NDArray[np.float64]

_TURNS = ("x_deg", "y_deg", "z_deg", "right_deg", "down_deg", "forward_deg")
_OFFSETS = ("x_m", "y_m", "z_m", "right_m", "down_m", "forward_m")
COLUMNS = ("run", "timestamp", "matched", "verdict", "score", "position_m", "rotation_deg", *_OFFSETS, *_TURNS, "nees")
"""x, y, z along the world's axes; right, down, forward along those of the true camera. Empty where there is no pose."""


def frame_table(judged: Iterable[tuple[Run, Evaluation]]) -> str:
    """Return CSV text with one row for each frame of the ground truth and each run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run, evaluation in judged:
        writer.writerows(_rows(run, evaluation))
    return text.getvalue()


def _rows(run: Run, evaluation: Evaluation) -> Iterable[list[str]]:
    errors, matches = evaluation.errors, evaluation.frame_of_match
    columns = np.column_stack(
        [
            errors.position_m,
            np.degrees(errors.rotation_rad),
            errors.offset_in_world,
            errors.offset_in_camera,
            np.degrees(errors.turn_in_world),
            np.degrees(errors.turn_in_camera),
        ]
    )
    numbers = np.full((evaluation.frames, columns.shape[1]), np.nan)
    numbers[matches] = columns
    matched = np.zeros(evaluation.frames, dtype=np.int64)
    matched[matches] = 1
    verdicts, scores, nees = _said(run, evaluation)
    for i, time in enumerate(evaluation.groundtruth.timestamps_ns.tolist()):
        errors_text = [_text(value) for value in numbers[i].tolist()]
        yield [run.name, format_seconds(time), str(matched[i]), verdicts[i], _text(scores[i]), *errors_text, _text(nees[i])]


def _said(run: Run, evaluation: Evaluation) -> tuple[list[str], list[float], list[float]]:
    """Return verdict, score and NEES of what the run said of each frame; empty and NaN where it said nothing."""
    verdicts = [""] * evaluation.frames
    scores, nees = np.full(evaluation.frames, np.nan), np.full(evaluation.frames, np.nan)
    if run.frames is not None:
        truth = evaluation.groundtruth
        of_truth, of_frame = associate(truth.timestamps_ns, run.frames.timestamps_ns, round(evaluation.tolerance_s * 1e9))
        for frame, row in zip(of_truth.tolist(), of_frame.tolist(), strict=True):
            verdicts[frame] = str(run.frames.verdicts[row])
        scores[of_truth] = run.frames.measures["score"][of_frame]
        posed = run.frames.has_pose[of_frame]
        nees[of_truth[posed]] = nees_of_frames(run.frames, truth, of_frame[posed], of_truth[posed])
    return verdicts, scores.tolist(), nees.tolist()


def _text(value: float) -> str:
    return f"{value:.9g}" if np.isfinite(value) else ""
