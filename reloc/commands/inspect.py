"""`reloc inspect SOURCE`: what a recording or dataset holds, and what may go wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from reloc.build import find_map
from reloc.errors import CalibrationError, ConfigError, RelocError, SourceError
from reloc.evaluate.association import associate
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.files import json_document
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.trajectory import Trajectory, format_seconds
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource, SourceInfo
from reloc.sources.survey import ImageForm, Survey, survey

EXAMPLES = """
reloc inspect recordings/desk
reloc inspect MH_01_easy --json
reloc inspect 7scenes:chess/seq-01 --every 10
"""

# Half an interval at 30 Hz: a pose within that belongs to the frame.
_TOLERANCE_NS = 10_000_000
_SHOWN = 3
# Where nobody looks at a terminal, lines may be as long as the table needs.
_WIDTH_OF_A_PIPE = 200


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found out about a source."""

    info: SourceInfo
    survey: Survey
    truth: Trajectory | None
    map: Path | None
    problems: tuple[str, ...]
    """Sentences that say what is missing or odd, and what to do."""

    @property
    def frames_with_pose(self) -> int:
        """How many frames have a pose of the ground truth."""
        if self.truth is None:
            return 0
        frames, _ = associate(self.survey.timestamps_ns, self.truth.timestamps_ns, _TOLERANCE_NS)
        return len(frames)


def inspect(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="What `reloc track` would be given.")],
    every: Annotated[int, typer.Option("--every", min=1, metavar="N", help="Look at each N-th frame only.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, for programs.")] = False,
) -> None:
    """Say what a recording or dataset holds: frames, times, calibration, ground truth, map, and what looks wrong.

    Every frame is read. Ends with 0 if the source can be opened, problems or not; with 1 and one line if it cannot.
    """
    with open_source(source, every=every) as opened:
        if opened.info.live:
            raise SourceError("A camera has no end to look at; record it first, with `reloc record`", source)
        with _progress_bar(opened.info.length) as advance:
            found = _findings(source, opened, survey(opened, advance))
    if as_json:
        typer.echo(json_document(_as_mapping(found)), nl=False)
    else:
        _print(found)


def _findings(spec: str, source: FrameSource, seen: Survey) -> Findings:
    info, problems = source.info, list(_frame_problems(source.info, seen))
    problems += _camera_problems(info, seen)
    truth = None
    if info.groundtruth is not None:
        try:
            truth = load_groundtruth(info.groundtruth)
        except RelocError as error:
            problems.append(f"The ground truth cannot be used: {error}")
    try:
        brought = find_map(None, spec)
    except ConfigError:
        brought = None
    except RelocError as error:
        brought = None
        problems.append(f"The map cannot be used: {error}")
    found = Findings(info, seen, truth, brought, ())
    if truth is not None and found.frames_with_pose < seen.frames:
        without = seen.frames - found.frames_with_pose
        problems.append(f"{without} of {seen.frames} frames have no pose of the ground truth within {_TOLERANCE_NS // 10**6} ms.")
    return Findings(info, seen, truth, brought, tuple(problems))


def _frame_problems(info: SourceInfo, seen: Survey) -> Iterator[str]:
    if seen.broken_off is not None:
        yield f"It breaks off after {seen.frames} frames: {seen.broken_off}"
    elif info.length is not None and seen.frames < info.length:
        yield f"{info.length - seen.frames} of {info.length} frames cannot be read; a run leaves them out."
    if len(seen.forms) > 1:
        yield f"Images differ: {', '.join(f'{count} of {_form(form)}' for form, count in seen.forms.items())}."
    if seen.gaps:
        missing = ", ".join(f"{gap.seconds:.3g} s after {gap.after}" for gap in seen.gaps[:_SHOWN])
        yield f"{len(seen.gaps)} gaps between frames, the longest {missing}."
    if seen.repeated:
        names = ", ".join(seen.repeated[:_SHOWN])
        yield f"{len(seen.repeated)} images are the one before again: did the camera stop, or was it recorded twice? ({names})"


def _camera_problems(info: SourceInfo, seen: Survey) -> Iterator[str]:
    if info.camera is None:
        yield "No calibration comes with it: give one with --camera."
    for form in seen.forms:
        try:
            if info.camera is not None:
                info.camera.scaled_to(form.width, form.height)
        except CalibrationError as error:
            yield str(error)


def _as_mapping(found: Findings) -> dict[str, Any]:
    info, seen = found.info, found.survey
    times = seen.timestamps_ns
    return {
        "name": info.name,
        "kind": info.kind,
        "clock": info.clock,
        "frames": seen.frames,
        "announced": info.length,
        "images": [{**asdict(form), "count": count} for form, count in seen.forms.items()],
        "first_s": times[0] / NANOSECONDS_PER_SECOND if len(times) else None,
        "last_s": times[-1] / NANOSECONDS_PER_SECOND if len(times) else None,
        "rate_hz": 1.0 / seen.interval_s,
        "gaps": [asdict(gap) for gap in seen.gaps],
        "repeated": seen.repeated,
        "camera": None if info.camera is None else asdict(info.camera),
        "groundtruth": None if found.truth is None else _truth_mapping(found, found.truth),
        "map": None if found.map is None else str(found.map),
        "problems": found.problems,
    }


def _truth_mapping(found: Findings, truth: Trajectory) -> dict[str, Any]:
    return {
        "file": str(found.info.groundtruth),
        "poses": len(truth),
        "first_s": truth.timestamps_ns[0] / NANOSECONDS_PER_SECOND,
        "last_s": truth.timestamps_ns[-1] / NANOSECONDS_PER_SECOND,
        "frames_with_pose": found.frames_with_pose,
        "path_m": _path_m(truth),
    }


def _path_m(truth: Trajectory) -> float:
    return float(np.linalg.norm(np.diff(truth.translations, axis=0), axis=1).sum())


def _print(found: Findings) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)
    table = Table(title=Text(found.info.name), title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _rows(found):
        table.add_row(name, Text(value))
    console.print(table)
    for problem in found.problems:
        console.print(Text("! ", style="bold yellow"), Text(problem), sep="", soft_wrap=True)
    if not found.problems:
        console.print(Text("Nothing looks wrong.", style="green"))


def _rows(found: Findings) -> Iterator[tuple[str, str]]:
    info, seen = found.info, found.survey
    yield "kind", info.kind or info.clock
    yield "frames", f"{seen.frames:,} of {', '.join(_form(form) for form in seen.forms) or 'nothing'}"
    if seen.frames > 1:
        first, last = (format_seconds(int(seen.timestamps_ns[index])) for index in (0, -1))
        yield "times", f"{first} to {last} s ({info.clock}), {1 / seen.interval_s:.4g} Hz, {len(seen.gaps)} gaps"
    yield "repeated", f"{len(seen.repeated)} images"
    yield "calibration", _camera(info)
    yield "ground truth", _truth(found)
    yield "map", "none: give one with --map" if found.map is None else str(found.map)


def _form(form: ImageForm) -> str:
    colour = "grey" if form.channels == 1 else "colour"
    return f"{form.width} × {form.height} {colour}, {form.bits} bits"


def _camera(info: SourceInfo) -> str:
    lens = info.camera
    if lens is None:
        return "none"
    return f"{lens.model} {lens.width} × {lens.height}, fx {lens.fx:.2f}, fy {lens.fy:.2f}, cx {lens.cx:.2f}, cy {lens.cy:.2f}"


def _truth(found: Findings) -> str:
    if found.truth is None:
        return "none"
    first, last = (format_seconds(int(found.truth.timestamps_ns[index])) for index in (0, -1))
    return f"{len(found.truth):,} poses from {first} to {last} s, {_path_m(found.truth):.4g} m of path ({found.info.groundtruth})"


@contextmanager
def _progress_bar(total: int | None) -> Iterator[Callable[[], None]]:
    """Show frames on stderr while the block runs; where that is no terminal, show nothing."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
