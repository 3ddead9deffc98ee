"""What `reloc stress` shows a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from reloc.evaluate.stress import BLUFF_DEG, BLUFF_M, SOON_FRAMES, StressResult
from reloc.evaluate.trust import GOOD_DEG, GOOD_M

# Where nobody looks at a terminal, lines may be as long as the table needs.
_WIDTH_OF_A_PIPE = 200
_HEADINGS = (
    "frames",
    "% TRACKED",
    "% LIMITED",
    "cm median",
    "cm p95",
    "° median",
    "° p95",
    "% within",
    "bluffs",
    "noticed",
    "back",
)


def print_table(results: Sequence[StressResult], descriptions: Mapping[str, str]) -> None:
    """Print one row a disturbance, and below what the columns mean."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=_WIDTH_OF_A_PIPE)
    table = Table("disturbance", box=None, header_style="bold")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(result.name, *_cells(result))
    console.print(table)
    for line in _legend(results):
        console.print(line)
    for result in results:
        console.print(f"[dim]{result.name}: {descriptions[result.name]}[/]")


def _cells(result: StressResult) -> list[str]:
    bluffs = f"[red bold]{result.bluffs}[/]" if result.bluffs else "0"
    far = f" ({result.frozen_far})" if result.frozen_far else ""
    known = np.isfinite(result.within)
    return [
        str(result.frames),
        _number(100 * result.tracked, 1),
        _number(100 * result.limited, 1),
        _number(100 * result.median_m, 2),
        _number(100 * result.p95_m, 2),
        _number(result.median_deg, 2),
        _number(result.p95_deg, 2),
        _number(100 * result.within, 1),
        f"{bluffs}{far}" if known else "–",
        _counts(result.detected_after),
        _counts(result.recovered_after),
    ]


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else "–"


def _counts(counts: Sequence[int | None]) -> str:
    """Return a few numbers in full, many as their median and largest."""
    if not counts:
        return "–"
    shown = ["never" if count is None else str(count) for count in counts]
    if len(shown) <= 4:
        return ", ".join(shown)
    numbers = [np.inf if count is None else count for count in counts]
    worst = "never" if None in counts else f"{max(numbers):g}"
    return f"{np.median(numbers):g}, at most {worst}"


def _legend(results: Sequence[StressResult]) -> list[str]:
    numbers = [number for result in results for number in result.recovered_after]
    lines = [
        "",
        f"within: believed and within {100 * GOOD_M:g} cm and {GOOD_DEG:g}°, of the frames with sight. "
        f"bluffs: TRACKED or LIMITED beyond {100 * BLUFF_M:g} cm or {BLUFF_DEG:g}° (in brackets: LIMITED for a frozen image).",
        "noticed: frames still called TRACKED after sight was lost or the camera had jumped. "
        "back: number of the first frame with sight that is tracked and right.",
    ]
    if numbers:
        soon = sum(number is not None and number <= SOON_FRAMES for number in numbers)
        lines.append(f"Tracked again within {SOON_FRAMES} frames of sight: {soon} of {len(numbers)} times.")
    return [*lines, ""]
