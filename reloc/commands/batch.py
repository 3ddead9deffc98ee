"""`reloc batch`: many recordings, several at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from reloc.batch.folder import locked, running
from reloc.batch.jobs import Job, make_tasks
from reloc.batch.load import load_plan
from reloc.batch.local import run_here
from reloc.batch.plan import Chunks, Configuration, Defaults, Plan
from reloc.batch.plan import Sequence as PlannedSequence
from reloc.batch.results import RESULTS_CSV, RESULTS_JSON, Row, collect
from reloc.batch.run import Runner, Tally, run_tasks
from reloc.commands.options import CameraOption, ConfigOption, MapOption, SetOption
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.files import write_atomically
from reloc.node import stop_on_signals

EXAMPLES = """
reloc batch "recordings/*" --init groundtruth --out out/all
reloc batch "recordings/*" --map hall.glb --camera phone.yaml --out out/hall --workers 8
reloc batch plan.yaml --out out/plan
reloc batch plan.yaml --out out/plan --ray 10.0.0.1:6379
reloc batch long_walk --init earlier/trajectory.txt --chunk 600 --out out/walk

A plan, in which paths are relative to its file:
  sequences:
    - source: recordings/desk     # what `reloc track` takes, or a pattern
      init: start.txt             # also: name, map, camera, index, groundtruth, mask, every, fps
    - source: walks/*
      init: groundtruth           # what each recording brings along
  configurations:                 # optional
    - name: default
    - name: coarse
      set: [align.iterations=6]   # also: config: FILE
  defaults: {map: desk.obj}       # optional, for all sequences
  chunks: {frames: 600}           # optional: cut long sequences; also: overlap
"""

_REPORT = "report.html"
# Pictures of the worst frames of each run: of many runs, few.
_WORST_SHOWN = 2
_PLAN_SUFFIXES = (".yaml", ".yml")
# Where nobody looks at a terminal, lines may be as long as the table needs.
_WIDTH_OF_A_PIPE = 200

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Jobs at a time, with a core each. [default: one a core, here or on the cluster]",
        show_default=False,
    ),
]
RayOption = Annotated[
    str | None, typer.Option("--ray", metavar="ADDRESS", help="Run on this Ray cluster, which must see the same files.")
]
BatchInitOption = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="POSE|FILE|groundtruth",
        help="As of `reloc track`; `groundtruth` is what each recording brings along.",
    ),
]
EveryOption = Annotated[int | None, typer.Option("--every", min=1, metavar="N", help="Use each N-th frame only.")]
ChunkOption = Annotated[
    int | None,
    typer.Option("--chunk", min=2, metavar="FRAMES", help="Cut longer recordings into pieces that run side by side."),
]
OverlapOption = Annotated[
    int, typer.Option("--overlap", min=1, metavar="FRAMES", help="Frames that a piece has in common with the one before.")
]


def batch(
    what: Annotated[
        str, typer.Argument(metavar="PLAN.yaml|GLOB", help="A plan, or a pattern in quotes that matches recordings and datasets.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the results; what is done there is not done again.")
    ],
    workers: WorkersOption = None,
    ray: RayOption = None,
    map_: MapOption = None,
    camera: CameraOption = None,
    init: BatchInitOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    every: EveryOption = None,
    chunk: ChunkOption = None,
    overlap: OverlapOption = Chunks.overlap,
    report: Annotated[
        bool, typer.Option("--report", help="Write one page about all runs, DIR/report.html, as `reloc report` does.")
    ] = False,
) -> None:
    """Track many recordings: each in a process of its own, as many at a time as there are cores.

    A plan lists sequences and configurations, of which every pair is a job; see below. A pattern stands for a plan of all
    recordings and datasets that it matches.

    Where a recording is cut, every piece needs a first pose: --init FILE gives it from an earlier trajectory or a ground truth;
    without --init, each piece looks in the whole map, as `reloc track` does. Pieces are joined by their covariances.

    DIR gets a folder a job, as `reloc track` writes it, with log.txt, and results.json and results.csv for all of them. Started
    again, it does what is not done, or whose request has changed.

    Ends with 0 if all is done, 1 if a job failed, 2 for wrong usage, 3 if all is done but a camera was lost, 130 after Ctrl-C.
    """
    plan, folder = _plan(what, map_, camera, init, config, settings, every)
    if chunk is not None:
        plan = Plan(plan.sequences, plan.configurations, plan.defaults, Chunks(chunk, overlap))
    with locked(out), stop_on_signals() as stop:
        tasks = make_tasks(plan, folder, out)
        jobs = [job for task in tasks for job in task.jobs]
        tally = Tally()
        with _progress_bar(jobs, tally) as tell:
            endings = run_tasks(tasks, _runner(workers, ray, stop, tell), tally)
        rows = collect(endings, out)
    _print(rows, sum(ending.skipped for ending in endings))
    written = [RESULTS_JSON, RESULTS_CSV, *([_REPORT] if report and _write_report(rows, out) else [])]
    print(f"{out}: {', '.join(written)}")
    raise typer.Exit(stop.exit_code or _exit_code(rows))


def _plan(
    what: str,
    map_: Path | None,
    camera: Path | None,
    init: str | None,
    config: Path | None,
    settings: list[str] | None,
    every: int | None,
) -> tuple[Plan, Path]:
    """Return the plan and the folder that its paths are relative to."""
    if Path(what).suffix.lower() in _PLAN_SUFFIXES:
        if any(value is not None for value in (map_, camera, init, config, settings, every)):
            raise typer.BadParameter(
                "--map, --camera, --init, --config, --set and --every are said in the plan", param_hint="PLAN"
            )
        return load_plan(Path(what)), Path(what).parent
    configurations = () if config is None and not settings else (Configuration("", _text(config), tuple(settings or ())),)
    defaults = Defaults(map=_text(map_), camera=_text(camera), init=init, every=every)
    return Plan((PlannedSequence(what),), configurations, defaults), Path.cwd()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _runner(workers: int | None, ray: str | None, stop: Callable[[], bool], tell: Callable[[Sequence[Job]], None]) -> Runner:
    if ray is None:
        return partial(run_here, workers=workers or _cores(), stop=stop, tell=tell)
    # Late: only a batch on a cluster needs it.
    from reloc.batch.ray_cluster import run_on_ray

    return partial(run_on_ray, address=ray, most=workers, stop=stop, tell=tell)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _exit_code(rows: Sequence[Row]) -> int:
    statuses = {row.status for row in rows}
    return 1 if "failed" in statuses else LOST_EXIT_CODE if "lost" in statuses else 0


def _write_report(rows: Sequence[Row], out: Path) -> bool:
    """Write the page about all runs that have results; return whether there were any."""
    # Late: it draws, which a batch without it need not load.
    from reloc.commands.report_material import Material, gather
    from reloc.evaluate.judge import Rules, load_runs
    from reloc.report.page import page

    folders = [Path(row.folder) for row in rows if row.status in ("done", "lost")]
    if folders:
        subjects, views = gather(load_runs(folders), Material(worst=_WORST_SHOWN), Rules())
        write_atomically(out / _REPORT, page(subjects, views, Rules()))
    return bool(folders)


@contextmanager
def _progress_bar(jobs: Sequence[Job], tally: Tally) -> Iterator[Callable[[Sequence[Job]], None]]:
    """Show frames and jobs on stderr while the block runs; where that is no terminal, show nothing."""
    if not sys.stderr.isatty():
        yield lambda at_work: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(None),
        MofNCompleteColumn(),
        TextColumn("frames"),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    total = sum(job.frames or 0 for job in jobs)
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        shown = bar.add_task("", total=total or None)

        def tell(at_work: Sequence[Job]) -> None:
            failed = f", [red]{tally.failed} failed[/]" if tally.failed else ""
            text = f"{tally.jobs} of {len(jobs)} jobs done{failed}, {len(at_work)} at work"
            bar.update(shown, completed=tally.frames + sum(running(job) for job in at_work), description=text)

        yield tell


def _print(rows: Sequence[Row], skipped: int) -> None:
    """Print the table, and below it what failed."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
    table = Table("job", "", box=None, header_style="bold", pad_edge=False)
    # Short, for terminals of 80 columns; the line below says what is meant.
    for heading in ("frames", "pose %", "ms", "cm", "p95", "°", "2/2 %", "5/5 %", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row.name), Text(row.status, style=_COLOURS[row.status]), *_cells(row))
    console.print(table)
    if any(row.position_m is not None for row in rows):
        console.print("cm, p95, °: errors against the ground truth (median, 95 of 100, median); 2/2 %: within 2 cm and 2°.")
    if skipped:
        console.print(f"{skipped} of {len(rows)} had been done before.")
    for row in rows:
        if row.error:
            said = "failed" if row.status == "failed" else "note"
            print(f"{said}: {row.name}: {row.error}", file=sys.stderr)


_COLOURS = {"done": "green", "lost": "yellow", "failed": "red", "stopped": "dim"}


def _cells(row: Row) -> list[str]:
    believed = None
    if row.verdicts and row.frames:
        believed = 100 * sum(row.verdicts.get(name, 0) for name in ("TRACKED", "LIMITED")) / row.frames
    shares = [None if share is None else 100 * share for share in (row.recall_2cm_2deg, row.recall_5cm_5deg)]
    lengths = [None if value is None else 100 * value for value in (row.position_m, row.position_p95_m)]
    return [
        "–" if row.frames is None else str(row.frames),
        _number(believed, 1),
        _number(row.ms_median, 1),
        *(_number(length, 2) for length in lengths),
        _number(row.rotation_deg, 3),
        *(_number(share, 1) for share in shares),
        _number(row.wall_s, 1),
    ]


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None or value != value else f"{value:.{decimals}f}"
