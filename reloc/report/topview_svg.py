"""The paths of runs on the map, seen from above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Verdict
from reloc.geometry import batch
from reloc.geometry.trajectory import Trajectory
from reloc.report.html import data_url
from reloc.report.subject import Subject
from reloc.report.topview import TopView

Array = NDArray[np.float64]

# Poses that are farther apart in time than this are not joined.
_GAP_NS = 500_000_000
# Points of a line that are nearer to one another than this cannot be told apart.
_APART_PX = 0.8
_LOOKS = 24
_LOOK_PX = 16.0
_NICE = (1.0, 2.0, 5.0)


def map_svg(view: TopView, subjects: Sequence[Subject], first_color: int, truth: Trajectory | None) -> str:
    """Return the element <svg>: the map, the ground truth dashed, the runs in their colours, or one in those of its verdicts."""
    width, height = view.camera.width, view.camera.height
    parts = [f'<image href="{data_url(view.webp, "image/webp")}" width="{width}" height="{height}"/>']
    if truth is not None:
        for kind in ("casing", "truth"):
            parts += [_line(piece, f'class="{kind}"') for piece in _pieces(view, truth)]
    for index, subject in enumerate(subjects):
        parts += _path(view, subject, first_color + index, by_verdict=len(subjects) == 1)
    parts.append(_scale(view))
    label = "The path of the camera on the map, seen from above"
    return f'<svg class="map" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _path(view: TopView, subject: Subject, color: int, *, by_verdict: bool) -> list[str]:
    trajectory, frames = subject.run.trajectory, subject.run.frames
    if len(trajectory) == 0:
        return []
    stroke = f"var(--run-{color})"
    parts = [_line(piece, 'class="casing"') for piece in _pieces(view, trajectory)]
    parts += [_line(piece, f'class="path" style="stroke: {stroke}"') for piece in _pieces(view, trajectory)]
    parts.append(_looks(view, trajectory, stroke))
    if by_verdict and frames is not None:
        for index, verdict in enumerate(Verdict):
            others = frames.poses((frames.verdicts == verdict.value) & frames.has_pose)
            if verdict is not Verdict.TRACKED and len(others):
                dots = _thin(view.pixels(others.translations))
                radius = f'r="2.6" style="fill: var(--verdict-{index})"'
                parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" {radius}/>' for x, y in dots.tolist() if _inside(view, x, y)]
    (x0, y0), (x1, y1) = view.pixels(trajectory.translations[[0, -1]]).tolist()
    parts.append(f'<circle class="end" cx="{x0:.1f}" cy="{y0:.1f}" r="6" style="fill: {stroke}"><title>begin</title></circle>')
    box = f'x="{x1 - 5:.1f}" y="{y1 - 5:.1f}" width="10" height="10"'
    return [*parts, f'<rect class="end" {box} style="fill: {stroke}"><title>end</title></rect>']


def _looks(view: TopView, trajectory: Trajectory, stroke: str) -> str:
    """Return short lines that show where the camera looks."""
    rows = np.unique(np.linspace(0, len(trajectory) - 1, _LOOKS).astype(np.int64))
    here = trajectory.translations[rows]
    forward = batch.rotate(trajectory.quaternions[rows], np.broadcast_to([0.0, 0.0, 1.0], here.shape))
    begin, end = view.pixels(here), view.pixels(here + forward * _LOOK_PX * view.metres_per_px)
    lines = "".join(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}" for (a, b), (c, d) in zip(begin.tolist(), end.tolist(), strict=True))
    return f'<path class="look" d="{lines}" style="stroke: {stroke}"/>'


def _pieces(view: TopView, trajectory: Trajectory) -> list[Array]:
    """Return the pixels of each part of a trajectory that has no gap."""
    cuts = np.flatnonzero(np.diff(trajectory.timestamps_ns) > _GAP_NS) + 1
    return [_thin(part) for part in np.split(view.pixels(trajectory.translations), cuts) if len(part)]


def _thin(pixels: Array) -> Array:
    """Return the points that are apart from the one kept before them, and the last."""
    kept = [0]
    for i in range(1, len(pixels)):
        if abs(pixels[i] - pixels[kept[-1]]).max() >= _APART_PX:
            kept.append(i)
    return pixels[[*kept, len(pixels) - 1]]


def _line(pixels: Array, attributes: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels.tolist())
    return f'<polyline points="{points}" {attributes}/>'


def _inside(view: TopView, x: float, y: float) -> bool:
    return 0 <= x < view.camera.width and 0 <= y < view.camera.height


def _scale(view: TopView) -> str:
    """Return a bar of a round length, about a sixth of the width."""
    metres = view.metres_per_px * view.camera.width / 6
    power = 10.0 ** np.floor(np.log10(metres))
    length = max(nice * power for nice in _NICE if nice * power <= metres * (1 + 1e-9))
    x, y, end = 18, view.camera.height - 18, 18 + length / view.metres_per_px
    name = f"{length:g} m" if length >= 1 else f"{100 * length:g} cm"
    bar = f"M{x} {y - 6}V{y}H{end:.1f}V{y - 6}"
    return f'<path class="scale back" d="{bar}"/><path class="scale" d="{bar}"/><text x="{x + 8}" y="{y - 10}">{name}</text>'
