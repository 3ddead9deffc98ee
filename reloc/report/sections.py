"""The sections of the page. Each returns HTML, or nothing where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reloc.estimate import Verdict
from reloc.evaluate.inputs import inputs_of
from reloc.evaluate.judge import Rules
from reloc.evaluate.summary import Evaluation
from reloc.evaluate.trust import GOOD_DEG, GOOD_M, Trust
from reloc.report import plots, tables
from reloc.report.html import details, figure, note, number, percent, picture, text
from reloc.report.pictures import CAPTIONS
from reloc.report.settings import differing
from reloc.report.subject import MapView, ShownFrame, Subject
from reloc.report.topview_svg import map_svg
from reloc.report.worst import frame_errors

_GOOD = f"{100 * GOOD_M:g} cm/{GOOD_DEG:g}°"


def summary(subjects: Sequence[Subject], rules: Rules) -> str:
    """Return the figures that most people came for, and a table of all runs."""
    cards = _cards(subjects[0]) if len(subjects) == 1 else ""
    judged = [subject.judged for subject in subjects if subject.judged is not None]
    if not judged:
        return cards + tables.overview(subjects) + note("No ground truth was given, so nothing is known of the errors.")
    aligned = "Nothing was aligned" if rules.align.value == "none" else f"Positions were aligned before ({rules.align.value})"
    said = (
        f"{aligned}; poses belong to the frames of the ground truth within {rules.tolerance_s:g} s. Recall is over all of these "
        f"frames: one without a pose is a miss. Wrongly TRACKED are frames called so that are beyond {_GOOD}; "
        "NEES is 6 for an honest covariance, more for one that is too small."
    )
    return f'{cards}{tables.overview(subjects)}{tables.errors(subjects)}<p class="quiet">{said}</p>'


def _cards(subject: Subject) -> str:
    """Return the figures that most people came for."""
    cards: list[tuple[str, str]] = []
    frames = subject.run.frames
    if frames is not None and len(frames):
        cards.append((percent(float(frames.is_believed.mean())), f"of {len(frames)} frames have a pose that is believed"))
    if subject.judged is not None:
        evaluation = subject.judged.evaluation
        cards.append((f"{number(100 * evaluation.position_m.median, 2)} cm", "median error of the position"))
        cards.append((f"{number(evaluation.rotation_deg.median, 2)}°", "median error of the rotation"))
        cards.append((percent(evaluation.recall["5cm_5deg"]), "of all frames within 5 cm and 5°"))
    total = np.zeros(0) if frames is None else frames.milliseconds.get("total", np.zeros(0))
    if np.isfinite(total).any():
        cards.append((f"{number(float(np.nanmedian(total)), 1)} ms", "a frame in the median"))
    inside = "".join(f'<div class="card"><b>{value}</b><span>{said}</span></div>' for value, said in cards)
    return f'<div class="cards">{inside}</div>'


def _legend(subjects: Sequence[Subject], *, verdicts: bool = False) -> str:
    items = [_run_item(i, subject) for i, subject in enumerate(subjects)] if len(subjects) > 1 else []
    return _listed(items + (_verdict_items(subjects, set()) if verdicts else []))


def _run_item(index: int, subject: Subject) -> str:
    return f"<li>{tables.swatch(index)}{text(subject.run.name)}</li>"


def _verdict_items(subjects: Sequence[Subject], without: set[str]) -> list[str]:
    counts = tables.verdict_counts(subjects)
    seen = [(i, v.value) for i, v in enumerate(Verdict) if v.value not in without and any(one[v.value] for one in counts)]
    return [f'<li><span class="swatch" style="background: var(--verdict-{i})"></span>{name}</li>' for i, name in seen]


def _listed(items: Sequence[str]) -> str:
    return f'<ul class="legend">{"".join(items)}</ul>' if items else ""


def from_above(subjects: Sequence[Subject], shown: MapView) -> str:
    """Return a map with the paths on it, or why there is none."""
    here = [subjects[i] for i in shown.runs]
    if shown.view is None:
        names = "" if len(shown.runs) == len(subjects) else f"{text(', '.join(one.run.name for one in here))}: "
        return note(f"{names}the map cannot be shown: {text(shown.missing)}")
    up = ", ".join(f"{value:.2f}" for value in shown.view.up)
    said = [
        "A circle is where the path begins, a square where it ends; short lines show where the camera looked.",
        "The dashed line is the ground truth." if shown.groundtruth is not None else "",
        "Dots are frames that were not TRACKED." if len(here) == 1 and here[0].run.frames is not None else "",
        f"Up is ({up}) in the map, as the cameras were held; surfaces that face down are left out.",
    ]
    items = [_run_item(i, subjects[i]) for i in shown.runs]
    items += _verdict_items(here, {Verdict.TRACKED.value}) if len(here) == 1 else []
    drawing = map_svg(shown.view, here, shown.runs[0], shown.groundtruth)
    return figure(_listed(items) + drawing, " ".join(filter(None, said)))


def over_time(subjects: Sequence[Subject]) -> str:
    """Return errors, scores and verdicts over time."""
    legend = _legend(subjects, verdicts=True)
    content = legend if any(subject.judged for subject in subjects) or any(subject.run.frames for subject in subjects) else ""
    rows = ", a row for each run in their order" if len(subjects) > 1 else ""
    if any(subject.judged for subject in subjects):
        content += _plot(
            plots.errors_over_time(subjects), f"Gaps are frames without a pose; the strip below shows the verdicts{rows}."
        )
    if any(subject.run.frames for subject in subjects):
        content += _plot(plots.scores_over_time(subjects), f"What the run says of itself{rows}.")
    return content


def _plot(svg: str, caption: str) -> str:
    return figure(f'<div class="wide">{svg}</div>', caption)


def errors(subjects: Sequence[Subject]) -> str:
    """Return the distribution of the errors, and tables of each run."""
    judged = [(index, subject) for index, subject in enumerate(subjects) if subject.judged is not None]
    if not judged:
        return ""
    parts = [_legend(subjects), _plot(plots.histograms(subjects), "The last bar holds all that is beyond the 99th percentile.")]
    for index, subject in judged:
        assert subject.judged is not None
        parts += [_name(index, subject, subjects), _error_tables(subject.judged.evaluation)]
    return "".join(parts)


def _error_tables(evaluation: Evaluation) -> str:
    return tables.relative_errors(evaluation) + tables.axes(evaluation)


def trust(subjects: Sequence[Subject], rules: Rules) -> str:
    """Return whether verdicts, scores and covariances are right."""
    known = [(i, s, s.judged.trust) for i, s in enumerate(subjects) if s.judged is not None and s.judged.trust is not None]
    if not known:
        return ""
    errors = [
        np.zeros(0)
        if subject.run.frames is None
        else frame_errors(
            subject.run.frames, None if subject.judged is None else subject.judged.evaluation.groundtruth, rules.tolerance_s
        )[0]
        for subject in subjects
    ]
    said = f"One mark a frame, a cross where it was not believed; the dashed line is {100 * GOOD_M:g} cm."
    parts = [_legend(subjects), _plot(plots.trust(subjects, errors), said)]
    for index, subject, trust in known:
        parts += [_name(index, subject, subjects), tables.claims(trust), f'<p class="quiet">{_trust_words(trust)}</p>']
    return "".join(parts)


def _trust_words(trust: Trust) -> str:
    nees = trust.nees
    ranks = f"The score ranks a good frame above a bad one in {percent(trust.score_auc)} of the pairs. "
    return (
        f"{_beyond(trust)}"
        f"{ranks if np.isfinite(trust.score_auc) else ''}NEES of those TRACKED is {number(nees.mean, 2)} in the mean, "
        f"{number(nees.median, 2)} in the median, {percent(nees.share_within_95)} within the 95 % bound "
        f"(honest: 6, 5.35, 95 %); the covariance claims {number(100 * nees.sigma_position_m, 2)} cm "
        f"and {number(nees.sigma_rotation_deg)}°."
    )


def _beyond(trust: Trust) -> str:
    """Return how many of the frames that were believed are not good; nothing where none was."""
    wrong = {"TRACKED": trust.wrongly_tracked, "LIMITED": trust.wrongly_limited}
    said = {verdict: group.frames for verdict, group in trust.verdicts.items() if verdict in wrong}
    parts = [f"{wrong[verdict] or 'none'} of {frames} called {verdict}" for verdict, frames in reversed(said.items())]
    return f"Beyond {_GOOD}: {', '.join(parts)}. " if parts else ""


def _name(index: int, subject: Subject, subjects: Sequence[Subject]) -> str:
    return f"<h3>{tables.swatch(index)}{text(subject.run.name)}</h3>" if len(subjects) > 1 else ""


def reasons(index: int, subject: Subject, subjects: Sequence[Subject]) -> str:
    """Return what a run says of the frames that were not TRACKED."""
    content = tables.reasons(subject)
    return _name(index, subject, subjects) + content if content else ""


def frames_words(subjects: Sequence[Subject]) -> str:
    """Return what is to be seen on the pictures, where there are any."""
    said = f"Left {CAPTIONS[0]}; right {CAPTIONS[1]}. Frames of one mishap are shown once."
    return f'<p class="quiet">{said}</p>' if any(subject.shown for subject in subjects) else ""


def worst(index: int, subject: Subject, subjects: Sequence[Subject]) -> str:
    """Return the frames of a run that are worth a look."""
    if not subject.worst:
        return ""
    heading = _name(index, subject, subjects)
    if subject.missing_pictures:
        heading += note(f"The images cannot be shown: {text(subject.missing_pictures)}")
    shown = {one.frame.row: one for one in subject.shown}
    return heading + "".join(_frame(subject, shown.get(frame.row) or ShownFrame(frame, ())) for frame in subject.worst)


def _frame(subject: Subject, shown: ShownFrame) -> str:
    frames, frame = subject.run.frames, shown.frame
    assert frames is not None
    row, name = frame.row, frames.names[frame.row] or f"frame {frames.indices[frame.row]}"
    seconds = subject.seconds(frames.timestamps_ns[row : row + 1])[0]
    off = f"off by {number(100 * frame.position_m, 2)} cm and {number(frame.rotation_deg, 2)}°"
    said = [
        f"<b>{text(name)}</b> at {number(seconds, 2)} s",
        text(frames.verdicts[row]) + (f" ({text(frames.reasons[row])})" if frames.reasons[row] else ""),
        f"score {number(float(frames.measures['score'][row]), 2)}",
        off if np.isfinite(frame.position_m) else "",
        text(frame.why),
    ]
    images = "".join(picture(one, f"{name}: {caption}") for one, caption in zip(shown.pictures, CAPTIONS, strict=False))
    return figure(f'<div class="shots">{images}</div>' if images else "", "; ".join(filter(None, said)) + ".")


def timing(subjects: Sequence[Subject]) -> str:
    """Return how long each stage of a frame takes."""
    stages, means = tables.stages_of(subjects)
    if not stages:
        return ""
    parts = [
        _legend(subjects),
        _plot(plots.timing(subjects, stages, means), "A stage that a frame did without counts as no time."),
    ]
    for index, subject in enumerate(subjects):
        parts += [_name(index, subject, subjects), tables.timing(subject, stages)]
    return "".join(parts)


def exposure(subjects: Sequence[Subject]) -> str:
    """Return gain and bias over time."""
    if not any(s.run.frames is not None and np.isfinite(s.run.frames.exposure["gain"]).any() for s in subjects):
        return ""
    said = "Image ≈ gain · map + bias, in the mean over the channels; frames that could not be aligned have none."
    return _legend(subjects) + _plot(plots.exposure(subjects), said)


def settings(subjects: Sequence[Subject]) -> str:
    """Return what the runs were made from, with which settings and versions."""
    summaries = [dict(subject.run.summary or {}) for subject in subjects]
    parts = [tables.facts(subjects, [_made_from(one) for one in summaries])]
    if len(subjects) > 1:
        changed = tables.facts(subjects, differing([subject.settings for subject in subjects]))
        parts += ["<h3>Settings that differ</h3>", changed or '<p class="quiet">None.</p>']
    for subject in subjects:
        if subject.settings:
            parts.append(details(f"all settings of {text(subject.run.name)}", f"<pre>{text(subject.settings)}</pre>"))
    return "".join(parts)


def _made_from(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a summary says of where a run comes from, by names for people."""
    inputs = inputs_of(summary)
    found: dict[str, Any] = {"source": summary.get("source")}
    if inputs is not None:
        found |= {"source": inputs.source, "map": inputs.map, "every": inputs.every, "mask": inputs.mask}
    for name in ("started", "wall_s", "complete", "keyframes"):
        found[name] = summary.get(name)
    for name in ("camera", "lens", "versions"):
        one = summary.get(name)
        if isinstance(one, Mapping):
            found |= {f"{name} {key}": value for key, value in one.items()} if name != "versions" else dict(one)
    return {name: value for name, value in found.items() if value is not None}
