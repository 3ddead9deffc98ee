"""The line that moves while a run goes on."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reloc.estimate import Estimate, Verdict

COLORS = {
    Verdict.TRACKED: "green",
    Verdict.LIMITED: "bright_yellow",
    Verdict.COASTING: "yellow",
    Verdict.RELOCALISING: "magenta",
    Verdict.LOST: "red",
}


@contextmanager
def progress_bar(total: int | None) -> Iterator[Callable[[Estimate], None]]:
    """Show frames, verdicts and score on stderr while the block runs; where that is no terminal, show nothing."""
    if not sys.stderr.isatty():
        yield lambda estimate: None
        return
    # Late: a run in a script needs none of it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    counts: Counter[Verdict] = Counter()
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        task = bar.add_task("starting", total=total)

        def advance(estimate: Estimate) -> None:
            counts[estimate.verdict] += 1
            bar.update(task, advance=1, description=f"{_counted(counts)}  score {estimate.score:.2f}")

        yield advance


@contextmanager
def counting_bar(total: int | None, what: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr how many of `total` are done while the block runs; where that is no terminal, show nothing."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _counted(counts: Counter[Verdict]) -> str:
    """Return the verdicts that occurred, in their colours."""
    return " ".join(f"[{COLORS[verdict]}]{counts[verdict]} {verdict}[/]" for verdict in Verdict if counts[verdict])
