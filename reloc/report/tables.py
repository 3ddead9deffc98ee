"""The tables of the page: figures that other rooms have worked out, in rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.evaluate.summary import RECALL_LIMITS, Evaluation, Statistics
from reloc.evaluate.trust import GOOD_DEG, GOOD_M, Group, Trust
from reloc.report.html import number, percent, table, text
from reloc.report.subject import Subject

Array = NDArray[np.float64]

_DASH = "–"
_LIMITS = [f"{100 * metres:g} cm/{degrees:g}°" for metres, degrees in RECALL_LIMITS.values()]
_MOST_REASONS = 12


def swatch(index: int) -> str:
    """Return a patch in the colour of a run."""
    return f'<span class="swatch" style="background: var(--run-{index})"></span>'


def overview(subjects: Sequence[Subject]) -> str:
    """Return one row a run: how much was tracked, and how fast."""
    counts = verdict_counts(subjects)
    names = list(dict.fromkeys(name for one in counts for name in one))
    rows = []
    for index, (subject, count) in enumerate(zip(subjects, counts, strict=True)):
        total = _finite(subject, "total")
        speeds = np.percentile(total, [50, 95]).tolist() if total.size else [np.nan, np.nan]
        frames, poses = subject.run.frames, str(len(subject.run.trajectory))
        said = [str(len(frames)), *(str(count[name]) for name in names)] if frames is not None else [_DASH] * (1 + len(names))
        rows.append([_run(index, subject), poses, *said, *(number(value, 1) for value in speeds)])
    return table(["run", "poses", "frames", *map(text, names), "ms median", "ms p95"], rows)


def verdict_counts(subjects: Sequence[Subject]) -> list[Mapping[str, int]]:
    """Return for each run how many frames got which verdict; those that this version does not know come last."""
    found = [Counter([] if s.run.frames is None else s.run.frames.verdicts.tolist()) for s in subjects]
    unknown = sorted({name for counts in found for name in counts} - {verdict.value for verdict in Verdict})
    return [{name: counts[name] for name in (*(verdict.value for verdict in Verdict), *unknown)} for counts in found]


def errors(subjects: Sequence[Subject]) -> str:
    """Return one row a run that could be compared with a ground truth."""
    head = ["run", "matched", "cm median", "p95", "max", "° median", "p95", "max", *_LIMITS, "wrongly TRACKED", "NEES"]
    return table(head, [_errors_row(i, s.judged.evaluation, s) for i, s in enumerate(subjects) if s.judged is not None])


def _errors_row(index: int, evaluation: Evaluation, subject: Subject) -> list[str]:
    trust = None if subject.judged is None else subject.judged.trust
    position, rotation = evaluation.position_m, evaluation.rotation_deg
    lengths = [number(100 * value, 2) for value in (position.median, position.p95, position.max)]
    angles = [number(value, 2) for value in (rotation.median, rotation.p95, rotation.max)]
    said = [_DASH] * 2 if trust is None else [_warned(trust.wrongly_tracked), number(trust.nees.mean, 2)]
    shares = [percent(share) for share in evaluation.recall.values()]
    return [_run(index, subject), f"{evaluation.matched} of {evaluation.frames}", *lengths, *angles, *shares, *said]


def _run(index: int, subject: Subject) -> str:
    return swatch(index) + text(subject.run.name)


def _finite(subject: Subject, stage: str) -> Array:
    """Return the milliseconds (N,) of the frames that had a stage."""
    values = np.zeros(0) if subject.run.frames is None else subject.run.frames.milliseconds.get(stage, np.zeros(0))
    return np.asarray(values[np.isfinite(values)])


def _warned(count: int) -> str:
    return f'<span class="bad">{count}</span>' if count else "0"


def relative_errors(evaluation: Evaluation) -> str:
    """Return the errors of the poses and of the motion over pieces of the way."""
    head = [
        "",
        *(f"cm {name}" for name in ("median", "rmse", "p95", "max")),
        *(f"° {n}" for n in ("median", "rmse", "p95", "max")),
    ]
    rows = [["pose", *_statistics(evaluation.position_m, 100), *_statistics(evaluation.rotation_deg)]]
    for one in evaluation.relative.values():
        piece = "step to the next" if one.unit == "frames" else f"over {one.length:g} {one.unit}"
        rows.append([f"{piece} ({one.pairs})", *_statistics(one.position_m, 100), *_statistics(one.rotation_deg)])
    return table(head, rows)


def axes(evaluation: Evaluation) -> str:
    """Return the medians of the errors along each axis."""
    rows = []
    for frame, meaning in (("world", "of the map: x, y, z"), ("camera", "of the camera: right, down, forward")):
        for kind, unit, factor in (("position_m", "cm", 100.0), ("rotation_deg", "°", 1.0)):
            values = evaluation.axes[frame][kind]
            rows.append([f"{meaning} ({unit})", *(number(factor * values[axis]) for axis in "xyz")])
    return table(["median along the axes", "x", "y", "z"], rows)


def _statistics(statistics: Statistics, factor: float = 1.0) -> list[str]:
    return [number(factor * value) for value in (statistics.median, statistics.rmse, statistics.p95, statistics.max)]


def claims(trust: Trust) -> str:
    """Return how well the frames of each verdict and of each range of scores were localised."""
    groups = {**trust.verdicts, **{f"score {name}": group for name, group in trust.scores.items()}}
    head = ["said", "frames", f"within {100 * GOOD_M:g} cm/{GOOD_DEG:g}°", "cm median", "cm max", "° median", "° max"]
    return table(head, [[text(name), *_group_cells(group)] for name, group in groups.items() if group.frames])


def _group_cells(group: Group) -> list[str]:
    position, rotation = group.position_m, group.rotation_deg
    figures = (100 * position.median, 100 * position.max, rotation.median, rotation.max)
    return [str(group.frames), str(group.good), *map(number, figures)]


def reasons(subject: Subject) -> str:
    """Return why frames were not TRACKED, as the run says."""
    frames = subject.run.frames
    if frames is None:
        return ""
    found = Counter((str(v), reason) for v, reason in zip(frames.verdicts, frames.reasons, strict=True) if reason)
    rows = [[text(verdict), text(reason), str(count)] for (verdict, reason), count in found.most_common(_MOST_REASONS)]
    return table(["verdict", "reason", "frames"], rows, words=1) if rows else ""


def stages_of(subjects: Sequence[Subject]) -> tuple[list[str], Array]:
    """Return the names of the stages, the slowest first, and their mean milliseconds (runs, stages) over all frames."""
    names = sorted({name for subject in subjects if subject.run.frames for name in subject.run.frames.milliseconds})
    names = [name for name in names if name != "total"]
    means = np.array([[_mean_over_all(subject, name) for name in names] for subject in subjects]).reshape(
        len(subjects), len(names)
    )
    order = np.argsort(-means.max(axis=0, initial=0.0), kind="stable")
    return [names[i] for i in order], means[:, order]


def _mean_over_all(subject: Subject, stage: str) -> float:
    """Return the mean of a stage over all frames; one that a frame did without took no time."""
    frames = subject.run.frames
    if frames is None or stage not in frames.milliseconds or len(frames) == 0:
        return 0.0
    return float(np.nan_to_num(frames.milliseconds[stage]).mean())


def timing(subject: Subject, stages: Sequence[str]) -> str:
    """Return the milliseconds of each stage, over those frames that had it."""
    rows = []
    for name in (*stages, "total"):
        values = _finite(subject, name)
        if values.size:
            median, p95, most = (float(v) for v in np.percentile(values, [50, 95, 100]))
            rows.append([text(name), str(values.size), *(number(v, 2) for v in (median, p95, most))])
    return table(["stage", "frames", "ms median", "ms p95", "ms max"], rows) if rows else ""


def facts(subjects: Sequence[Subject], of: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of facts, one column a run, whose names are those of all the mappings."""
    names = list(dict.fromkeys(name for one in of for name in one))
    rows = [[text(name), *(text(_short(one.get(name))) for one in of)] for name in names]
    head = ["", *(_run(index, subject) for index, subject in enumerate(subjects))]
    return table(head, rows) if rows else ""


def _short(value: Any) -> str:
    if value is None:
        return _DASH
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_short(one) for one in value) or "none"
    return str(value)[:500]
