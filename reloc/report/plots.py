"""The plots of the page. No text from files is in them: names of runs stand in the page's own legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.evaluate.trust import GOOD_M
from reloc.report.subject import Subject
from reloc.report.svg import MUTED, as_svg, drawing, new_figure, run_color, verdict_color
from reloc.report.thinning import stretches, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

_BINS = 40
# The last bin takes what lies beyond this percentile, or one wild frame would squeeze all others into the first.
_HISTOGRAM_PERCENTILE = 99.0
_STRIP = 0.14
# On a logarithmic axis an error of nothing would be infinitely far down.
_LEAST_CM = 1e-3


def errors_over_time(subjects: Sequence[Subject]) -> str:
    """Return the errors of position and rotation over time, and the verdicts below."""
    with drawing():
        strip = _STRIP * len(subjects)
        figure, axes = new_figure(3, 1, 4.6 + strip, share_x=True, ratios=[2.0, 2.0, strip])
        for index, subject in enumerate(subjects):
            seconds, position, rotation = subject.errors_over_time()
            for one, values in zip(axes, (position, rotation), strict=False):
                _curve(one, seconds, values, index)
        _label(axes[0], "error of the position", "cm")
        _label(axes[1], "error of the rotation", "°")
        for one in axes[:2]:
            one.set_ylim(bottom=0)
        _verdict_strip(axes[2], subjects)
        return as_svg(figure, "Errors of position and rotation over time, and the verdicts")


def scores_over_time(subjects: Sequence[Subject]) -> str:
    """Return score and claimed standard deviation of the position over time, and the verdicts below."""
    from reloc.geometry.uncertainty import position_and_turn_covariance

    with drawing():
        strip = _STRIP * len(subjects)
        figure, axes = new_figure(3, 1, 4.6 + strip, share_x=True, ratios=[2.0, 2.0, strip])
        for index, subject in enumerate(subjects):
            frames = subject.run.frames
            if frames is None:
                continue
            seconds = subject.seconds(frames.timestamps_ns)
            covariances = position_and_turn_covariance(frames.covariances, frames.translations)
            variances = np.trace(covariances[:, :3, :3], axis1=1, axis2=2)
            _curve(axes[0], seconds, frames.measures["score"], index)
            believed = frames.is_believed & (variances >= 0)
            _curve(axes[1], seconds, 100 * np.sqrt(np.where(believed, variances, np.nan)), index)
        _label(axes[0], "score", "")
        axes[0].set_ylim(0, 1.03)
        _label(axes[1], "claimed standard deviation of the position, where it is believed", "cm")
        axes[1].set_ylim(bottom=0)
        _verdict_strip(axes[2], subjects)
        return as_svg(figure, "Score and claimed standard deviation over time, and the verdicts")


def histograms(subjects: Sequence[Subject]) -> str:
    """Return how often errors of which size occur, and which share of all frames is within a limit."""
    with drawing():
        figure, axes = new_figure(2, 2, 5.0)
        found = [subject.errors_over_time()[1:] for subject in subjects]
        for column, unit in enumerate(("cm", "°")):
            values = [one[column] for one in found]
            matched = np.concatenate([one[np.isfinite(one)] for one in values])
            widest = float(np.percentile(matched, _HISTOGRAM_PERCENTILE)) if matched.size else 1.0
            edges = np.linspace(0.0, max(widest, 1e-9), _BINS + 1)
            for index, one in enumerate(values):
                _histogram(axes[column], one, edges, index, filled=len(subjects) == 1)
                _cumulated(axes[2 + column], one, edges[-1], index)
            _label(axes[column], f"frames by the error of the {('position', 'rotation')[column]}", "")
            _label(axes[2 + column], "share of all frames within", "%")
            axes[2 + column].set_ylim(0, 101)
            axes[2 + column].set_xlabel(unit)
            for row in (0, 2):
                axes[row + column].set_xlim(0, edges[-1])
        return as_svg(figure, "Histograms of the errors, and the share of frames within a limit")


def trust(subjects: Sequence[Subject], errors_m: Sequence[Array]) -> str:
    """Return the error of the position (N,) of each frame of each run over its score; those not believed are crosses."""
    with drawing():
        figure, (axes,) = new_figure(1, 1, 2.9)
        for index, (subject, error_m) in enumerate(zip(subjects, errors_m, strict=True)):
            if subject.run.frames is None:
                continue
            score = subject.run.frames.measures["score"]
            believed = subject.run.frames.is_believed
            for which, marker in ((believed, "o"), (~believed, "x")):
                rows = np.flatnonzero(which & np.isfinite(error_m) & np.isfinite(score))
                rows = rows[thinned(error_m[rows])]
                centimetres = np.maximum(100 * error_m[rows], _LEAST_CM)
                axes.scatter(score[rows], centimetres, s=9, marker=marker, color=run_color(index), alpha=0.55, linewidths=0.9)
        axes.axhline(100 * GOOD_M, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlim(0, 1.01)
        axes.set_xlabel("score")
        _label(axes, "error of the position", "cm")
        return as_svg(figure, "Error of the position over the score")


def timing(subjects: Sequence[Subject], stages: Sequence[str], milliseconds: Array) -> str:
    """Return the mean milliseconds (runs, stages) of a frame, stage by stage: one group of bars a stage, one bar a run."""
    with drawing():
        count = len(subjects)
        figure, (axes,) = new_figure(1, 1, 0.8 + len(stages) * (0.13 + 0.13 * count), left=0.9)
        width = 0.8 / count
        for index in range(count):
            places = np.arange(len(stages)) + (index - (count - 1) / 2) * width
            axes.barh(places, milliseconds[index], height=0.86 * width, color=run_color(index))
        axes.set_yticks(np.arange(len(stages)), stages)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("mean ms a frame")
        return as_svg(figure, "Mean milliseconds of each stage of a frame")


def exposure(subjects: Sequence[Subject]) -> str:
    """Return gain and bias over time."""
    with drawing():
        figure, axes = new_figure(2, 1, 3.2, share_x=True)
        for index, subject in enumerate(subjects):
            if subject.run.frames is not None:
                seconds = subject.seconds(subject.run.frames.timestamps_ns)
                for one, name in zip(axes, ("gain", "bias"), strict=True):
                    _curve(one, seconds, subject.run.frames.exposure[name], index)
        _label(axes[0], "gain of the image over the map", "")
        _label(axes[1], "bias, of the full range", "")
        axes[1].margins(x=0)
        axes[1].set_xlabel("s")
        return as_svg(figure, "Gain and bias over time")


def _curve(axes: Axes, seconds: Array, values: Array, index: int) -> None:
    chosen = thinned(values)
    # A lone number between two gaps has no line to be part of.
    known = np.isfinite(np.concatenate([[np.nan], values, [np.nan]]))
    alone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
    axes.plot(seconds[chosen], values[chosen], color=run_color(index), linewidth=1.1)
    axes.plot(seconds[alone], values[alone], ".", color=run_color(index), markersize=2.5)


def _histogram(axes: Axes, values: Array, edges: Array, index: int, *, filled: bool) -> None:
    counts, _ = np.histogram(np.minimum(values[np.isfinite(values)], edges[-1]), edges)
    axes.stairs(counts, edges, color=run_color(index), fill=filled, linewidth=0.0 if filled else 1.3)


def _cumulated(axes: Axes, values: Array, widest: float, index: int) -> None:
    ordered = np.sort(values[np.isfinite(values)])
    shares = 100 * np.arange(1, len(ordered) + 1) / max(len(values), 1)
    chosen = thinned(ordered)
    # Beyond the largest error nothing is added; frames without a pose keep the curve below 100 %.
    x = np.concatenate([[0.0], ordered[chosen], [max(widest, ordered[-1] if len(ordered) else 0.0)]])
    y = np.concatenate([[0.0], shares[chosen], [shares[-1] if len(shares) else 0.0]])
    axes.plot(x, y, color=run_color(index), linewidth=1.3)


def _verdict_strip(axes: Axes, subjects: Sequence[Subject]) -> None:
    """Draw one strip a run in the colours of the verdicts."""
    order = [verdict.value for verdict in Verdict]
    for index, subject in enumerate(subjects):
        frames = subject.run.frames
        if frames is None:
            continue
        parts = stretches(frames.verdicts, subject.seconds(frames.timestamps_ns))
        for name in dict.fromkeys(name for name, _, _ in parts):
            spans = [(begin, end - begin) for label, begin, end in parts if label == name]
            color = verdict_color(order.index(name) if name in order else len(order))
            axes.broken_barh(spans, (index - 0.38, 0.76), color=color, linewidth=0)
    axes.set_yticks([])
    axes.margins(x=0)
    axes.set_ylim(len(subjects) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    axes.set_xlabel("s")


def _label(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(f"{title}, {unit}" if unit else title)
