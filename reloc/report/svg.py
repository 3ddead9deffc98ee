"""Figures of Matplotlib as SVG that lives in a page: its colours and its font are the page's, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reloc.report.html import attribute

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins that no picture holds by chance; each becomes a variable of the page's style sheet.
INK, MUTED, GRID = "#010203", "#010204", "#010205"
_RUN, _VERDICT = 0x010300, 0x010400
RUN_COLORS = 8
# Inches.
_WIDTH, _TOP, _RIGHT, _BOTTOM, _GAP = 9.0, 0.28, 0.12, 0.45, 0.5

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reloc",
    "font.size": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "path.simplify_threshold": 0.4,
}
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_FONT = re.compile(r"\s*font-family:[^;\"]*;")
_GROUP_ID = re.compile(r'<g id="[^"]*">')
_SIZE = re.compile(r'<svg ([^>]*?)width="[\d.]+pt" height="[\d.]+pt"')
_STAND_IN = re.compile(r"#0102(03|04|05)|#0103([0-9a-f]{2})|#0104([0-9a-f]{2})")


def run_color(index: int) -> str:
    """Return the stand-in for the colour of the run at a place in the page's list."""
    return f"#{_RUN + index % RUN_COLORS:06x}"


def verdict_color(index: int) -> str:
    """Return the stand-in for the colour of the verdict at a place in the enumeration; beyond it, of an unknown one."""
    return f"#{_VERDICT + index:06x}"


@contextmanager
def drawing() -> Iterator[None]:
    """Let figures that are made inside look like those of the page."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        yield


def new_figure(
    rows: int, columns: int, height: float, *, share_x: bool = False, ratios: list[float] | None = None, left: float = 0.5
) -> tuple[Figure, list[Axes]]:
    """Return a figure as wide as the page and its axes, row by row; `left` is the margin for labels. All in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height))
    figure.patch.set_visible(False)
    # Matplotlib's own layout engines draw everything several times over.
    places: dict[str, Any] = {**_spacing(rows, columns, height, left), "height_ratios": ratios}
    axes = figure.subplots(rows, columns, sharex=share_x, squeeze=False, gridspec_kw=places)
    for one in axes.flat:
        one.patch.set_visible(False)
    return figure, list(axes.flat)


def _spacing(rows: int, columns: int, height: float, left: float) -> dict[str, float]:
    """Return margins and gaps in the shares that Matplotlib wants: the gaps are shares of the mean size of the axes."""
    across, down = _WIDTH - left - _RIGHT, height - _TOP - _BOTTOM
    return {
        "left": left / _WIDTH,
        "right": 1.0 - _RIGHT / _WIDTH,
        "top": 1.0 - _TOP / height,
        "bottom": _BOTTOM / height,
        "wspace": _GAP / ((across - (columns - 1) * _GAP) / columns),
        "hspace": _GAP / ((down - (rows - 1) * _GAP) / rows),
    }


def as_svg(figure: Figure, label: str) -> str:
    """Return the element <svg> of a figure; `label` says what it shows to those who cannot see it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = _PROLOGUE.sub("", text.getvalue(), count=1)
    for pattern in (_METADATA, _STYLE, _FONT):
        svg = pattern.sub("", svg)
    svg = _SIZE.sub(rf'<svg class="plot" role="img" aria-label="{attribute(label)}" \1', _GROUP_ID.sub("<g>", svg), count=1)
    return _STAND_IN.sub(_variable, svg).strip()


def _variable(match: re.Match[str]) -> str:
    fixed, run, verdict = match.groups()
    if fixed:
        return {"03": "var(--ink)", "04": "var(--muted)", "05": "var(--grid)"}[fixed]
    return f"var(--run-{int(run, 16)})" if run else f"var(--verdict-{int(verdict, 16)})"
