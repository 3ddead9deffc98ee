"""What `reloc evaluate` shows a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reloc.estimate import Verdict
from reloc.evaluate.align import AlignmentKind
from reloc.evaluate.run import Run
from reloc.evaluate.summary import RECALL_LIMITS, Evaluation, Statistics
from reloc.evaluate.trust import GOOD_DEG, GOOD_M, Nees, Trust

_STATISTICS = ("median", "rmse", "p95", "max")
# Where nobody looks at a terminal, lines may be as long as the table needs.
_WIDTH_OF_A_PIPE = 160


def print_report(run: Run, evaluation: Evaluation, trust: Trust | None, all_frames: int) -> None:
    """Print all about one run; `all_frames` is the length of the whole ground truth."""
    console = _console()
    console.print(f"[bold]{escape(run.name)}[/]: {_coverage(evaluation, all_frames)}")
    _warn_of_frames_never_given(console, run, evaluation)
    console.print(_error_table(evaluation))
    console.print(_recall_line(evaluation))
    console.print(_axes_table(evaluation))
    if trust is not None:
        console.print()
        console.print(_trust_table(trust))
        for line in _trust_lines(trust):
            console.print(line)


def print_comparison(judged: Sequence[tuple[Run, Evaluation, Trust | None]], all_frames: int) -> None:
    """Print one table with a row a run."""
    console = _console()
    first = judged[0][1]
    console.print(f"{first.frames} of {all_frames} ground-truth frames count; {_alignment_rule(first)}.")
    table = Table("run", box=None, header_style="bold")
    headings = [
        "poses",
        "cm median",
        "p95",
        "max",
        "° median",
        "p95",
        "max",
        "step cm",
        "step °",
        *(_limit(name) for name in RECALL_LIMITS),
    ]
    for heading in [*headings, "wrongly TRACKED", "NEES"]:
        table.add_column(heading, justify="right")
    for run, evaluation, trust in judged:
        table.add_row(escape(run.name), *_comparison_cells(evaluation), *_trust_cells(trust))
    console.print(table)
    for run, evaluation, _ in judged:
        _warn_of_frames_never_given(console, run, evaluation)


def _console() -> Console:
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_WIDTH_OF_A_PIPE)


def _coverage(evaluation: Evaluation, all_frames: int) -> str:
    counted = "" if evaluation.frames == all_frames else f" that count, of {all_frames}"
    return f"{evaluation.matched} of {evaluation.frames} ground-truth frames{counted} have a pose; {_alignment_rule(evaluation)}."


def _alignment_rule(evaluation: Evaluation) -> str:
    within = f"matched within {evaluation.tolerance_s:g} s"
    if evaluation.alignment.kind is AlignmentKind.NONE:
        return f"{within}, no alignment"
    scale = f" (scale {evaluation.alignment.scale:.6g})" if evaluation.alignment.kind is AlignmentKind.SIM3 else ""
    return f"{within}, {evaluation.alignment.kind.value} alignment{scale} of the matched positions"


def _warn_of_frames_never_given(console: Console, run: Run, evaluation: Evaluation) -> None:
    if run.frames is not None and len(run.frames) < 0.9 * evaluation.frames:
        given = f"{len(run.frames)} of these {evaluation.frames} frames"
        advice = "the others count as missed; if that was meant, say --every N or --frames-of RUN"
        console.print(f"[yellow]{escape(run.name)} was given {given}: {advice}.[/]")


def _error_table(evaluation: Evaluation) -> Table:
    table = Table("", box=None, header_style="bold")
    for heading in (*(f"cm {name}" for name in _STATISTICS), *(f"° {name}" for name in _STATISTICS)):
        table.add_column(heading, justify="right")
    table.add_row("error of the pose", *_cells(evaluation.position_m, 100), *_cells(evaluation.rotation_deg))
    for one in evaluation.relative.values():
        piece = "step to the next" if one.unit == "frames" else f"over {one.length:g} {one.unit}"
        table.add_row(f"{piece} ({one.pairs})", *_cells(one.position_m, 100), *_cells(one.rotation_deg))
    return table


def _cells(statistics: Statistics, factor: float = 1.0) -> list[str]:
    return [_number(factor * value) for value in (statistics.median, statistics.rmse, statistics.p95, statistics.max)]


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _limit(name: str) -> str:
    metres, degrees = RECALL_LIMITS[name]
    return f"{100 * metres:g} cm/{degrees:g}°"


def _recall_line(evaluation: Evaluation) -> str:
    shares = ", ".join(f"{_limit(name)} [bold]{100 * share:.1f} %[/]" for name, share in evaluation.recall.items())
    return f"Of all {evaluation.frames} frames within {shares}\n"


def _axes_table(evaluation: Evaluation) -> Table:
    table = Table("median by axis", "", "x", "y", "z", box=None, header_style="bold")
    for frame, meaning in (("world", "of the map"), ("camera", "right, down, forward")):
        for kind, unit, factor in (("position_m", "cm", 100.0), ("rotation_deg", "°", 1.0)):
            table.add_row(f"{frame} ({meaning})", unit, *(_number(factor * evaluation.axes[frame][kind][axis]) for axis in "xyz"))
    return table


def _trust_table(trust: Trust) -> Table:
    table = Table("said", box=None, header_style="bold")
    for heading in ("frames", f"within {100 * GOOD_M:g} cm/{GOOD_DEG:g}°", "cm median", "cm max", "° median", "° max"):
        table.add_column(heading, justify="right")
    groups = {**trust.verdicts, **{f"score {name}": group for name, group in trust.scores.items()}}
    for name, group in groups.items():
        position, rotation = group.position_m, group.rotation_deg
        figures = (100 * position.median, 100 * position.max, rotation.median, rotation.max)
        table.add_row(escape(name), str(group.frames), str(group.good), *map(_number, figures))
    return table


def _trust_lines(trust: Trust) -> list[str]:
    wrong = f"[red bold]{trust.wrongly_tracked}[/]" if trust.wrongly_tracked else "no"
    limited = f" and {trust.wrongly_limited} called LIMITED" if trust.verdicts.get(Verdict.LIMITED) else ""
    caught, right = _percent(trust.bad_recall), _percent(trust.bad_precision)
    return [
        "",
        f"Verdict: {wrong} frames called TRACKED{limited} are beyond {100 * GOOD_M:g} cm/{GOOD_DEG:g}°; "
        f"of the frames called neither TRACKED nor LIMITED {right} are, and they are {caught} of all that are.",
        f"Score: ranks a good frame above a bad one in {_percent(trust.score_auc)} of the pairs; "
        f"rank correlation with the error {_number(trust.score_rank_correlation)}.",
        *(_covariance_line(nees, verdict) for nees, verdict in _covariances(trust)),
    ]


def _covariances(trust: Trust) -> list[tuple[Nees, Verdict]]:
    """Return the covariances to speak of: those of TRACKED frames, and of LIMITED ones where there are any."""
    limited = [(trust.nees_limited, Verdict.LIMITED)] if trust.nees_limited.frames else []
    return [(trust.nees, Verdict.TRACKED), *limited]


def _covariance_line(nees: Nees, verdict: Verdict) -> str:
    within = f"{_percent(nees.share_within_95)} within the 95 % bound"
    claimed = f"{_number(100 * nees.sigma_position_m)} cm and {_number(nees.sigma_rotation_deg)}°"
    return (
        f"Covariance of {verdict}: NEES {_number(nees.mean)} in the mean, {_number(nees.median)} in the median, {within} "
        f"(honest: 6, 5.35, 95 %); it claims {claimed}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "–"


def _comparison_cells(evaluation: Evaluation) -> list[str]:
    position, rotation, step = evaluation.position_m, evaluation.rotation_deg, evaluation.relative["step"]
    lengths = (100 * position.median, 100 * position.p95, 100 * position.max, rotation.median, rotation.p95, rotation.max)
    steps = (100 * step.position_m.median, step.rotation_deg.median)
    return [
        str(evaluation.matched),
        *map(_number, (*lengths, *steps)),
        *(_percent(share) for share in evaluation.recall.values()),
    ]


def _trust_cells(trust: Trust | None) -> list[str]:
    return ["–", "–"] if trust is None else [str(trust.wrongly_tracked), _number(trust.nees.mean)]
