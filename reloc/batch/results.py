"""What came out of a batch: one row a task, as a table for people and programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reloc.batch.folder import LOST_EXIT_CODE
from reloc.batch.run import Ending
from reloc.errors import RelocError
from reloc.evaluate.groundtruth import at_times, load_groundtruth
from reloc.evaluate.run import Run, load_run
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S, Evaluation, evaluate
from reloc.files import json_document, write_atomically

RESULTS_JSON, RESULTS_CSV = "results.json", "results.csv"


@dataclass(frozen=True)
class Row:
    """One task."""

    name: str
    status: str
    """`done`, `lost` (done, but the camera was lost), `failed` or `stopped`."""
    folder: str
    frames: int | None = None
    verdicts: Mapping[str, int] | None = None
    ms_median: float | None = None
    """Milliseconds a frame."""
    wall_s: float | None = None
    error: str = ""
    """Why it failed, or why it was not compared with the ground truth."""
    truth_frames: int | None = None
    """Frames of the ground truth that were tracked."""
    position_m: float | None = None
    """Median error, as all that follows against the ground truth."""
    position_p95_m: float | None = None
    rotation_deg: float | None = None
    recall_2cm_2deg: float | None = None
    recall_5cm_5deg: float | None = None


def collect(endings: Sequence[Ending], out: Path) -> list[Row]:
    """Return the rows of a batch, and write them to results.json and results.csv in its folder."""
    rows = [_row(ending) for ending in endings]
    write_atomically(out / RESULTS_JSON, json_document([asdict(row) for row in rows]))
    write_atomically(out / RESULTS_CSV, _as_csv(rows))
    return rows


def _row(ending: Ending) -> Row:
    task, outcome = ending.task, ending.outcome
    if outcome is None:
        return Row(task.name, "stopped", str(task.out))
    if not outcome.is_done:
        return Row(task.name, "failed", str(task.out), wall_s=outcome.wall_s, error=outcome.error)
    status = "lost" if outcome.exit_code == LOST_EXIT_CODE else "done"
    figures, error = _figures(task.groundtruth, task.out)
    return Row(task.name, status, str(task.out), wall_s=outcome.wall_s, error=error, **figures)


def _figures(groundtruth: str | None, folder: Path) -> tuple[dict[str, Any], str]:
    """Return what is known of a run, and why it could not be compared with its ground truth."""
    try:
        run = load_run(folder)
        figures = _of_summary(run)
        return (figures, "") if groundtruth is None else ({**figures, **_of_evaluation(_judge(run, groundtruth))}, "")
    except RelocError as error:
        return {}, str(error)


def _of_summary(run: Run) -> dict[str, Any]:
    summary = run.summary or {}
    milliseconds = (summary.get("milliseconds") or {}).get("total") or {}
    return {"frames": summary.get("frames"), "verdicts": summary.get("verdicts"), "ms_median": milliseconds.get("median")}


def _judge(run: Run, groundtruth: str) -> Evaluation:
    """Compare a run with the ground truth of the frames that were given to it."""
    truth = load_groundtruth(groundtruth)
    if run.frames is not None:
        truth = at_times(truth, run.frames.timestamps_ns, DEFAULT_TOLERANCE_S)
    return evaluate(run.trajectory, truth)


def _of_evaluation(found: Evaluation) -> dict[str, Any]:
    return {
        "truth_frames": found.frames,
        "position_m": found.position_m.median,
        "position_p95_m": found.position_m.p95,
        "rotation_deg": found.rotation_deg.median,
        "recall_2cm_2deg": found.recall["2cm_2deg"],
        "recall_5cm_5deg": found.recall["5cm_5deg"],
    }


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(asdict(rows[0])), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**asdict(row), "verdicts": json.dumps(row.verdicts) if row.verdicts else ""})
    return text.getvalue()
