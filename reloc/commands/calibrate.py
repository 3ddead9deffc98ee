"""`reloc calibrate`: the lens of a camera, from images of a board."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from reloc.calibrate import Board, BoardKind, Calibration, calibrate_frames
from reloc.calibrate.coverage import advice
from reloc.calibrate.pictures import coverage_text, save_coverage
from reloc.calibrate.printing import save_board
from reloc.calibrate.run import DEFAULT_VIEWS, Progress
from reloc.files import json_document
from reloc.geometry.calibration import save_calibration
from reloc.geometry.lens import LensModel
from reloc.node import stop_on_signals
from reloc.sources.live import CAMERAS, open_camera
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource

EXAMPLES = """
reloc calibrate --print-board board.pdf --squares 11x8 --square-size 0.03
reloc calibrate video.mp4 --squares 11x8 --square-size 0.03 --out camera.yaml
reloc calibrate webcam:0 --board chessboard --squares 9x6 --square-size 0.025 --picture coverage.png
"""

_SQUARES = re.compile(r"(\d{1,3})\s*[xX×]\s*(\d{1,3})")


def _squares(text: str) -> tuple[int, int]:
    found = _SQUARES.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"expected columns and rows such as 11x8, found “{text}”")
    return int(found[1]), int(found[2])


def calibrate(
    source: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="Images of the board: a camera, a video, or a folder.", show_default=False),
    ] = None,
    board: Annotated[BoardKind, typer.Option(help="charuco may reach beyond the image, and so covers its corners better.")] = (
        BoardKind.CHARUCO
    ),
    squares: Annotated[str, typer.Option(metavar="COLUMNSxROWS", help="Squares of the board, not inner corners.")] = "11x8",
    square_size: Annotated[
        float, typer.Option(metavar="METRES", help="The side of a square, as measured on the printed board.")
    ] = 0.03,
    marker_size: Annotated[
        float | None,
        typer.Option(metavar="METRES", help="The side of a marker. [default: three quarters of a square]", show_default=False),
    ] = None,
    dictionary: Annotated[str, typer.Option(metavar="NAME", help="The markers, by OpenCV's name.")] = "DICT_4X4_50",
    legacy: Annotated[bool, typer.Option("--legacy", help="The board was made by OpenCV before 4.6.")] = False,
    model: Annotated[
        LensModel, typer.Option(help="OPENCV suits most lenses, OPENCV_FISHEYE those of 120° or more.")
    ] = LensModel.OPENCV,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the calibration goes.")] = Path("camera.yaml"),
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw where corners were seen, as a PNG.", show_default=False)
    ] = None,
    views: Annotated[
        int, typer.Option(min=6, max=500, help="How many different views to calibrate from at most.")
    ] = DEFAULT_VIEWS,
    every: Annotated[int, typer.Option(min=1, help="Look at each N-th frame only.")] = 1,
    print_board: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the board to print, as .png or .pdf.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")] = False,
) -> None:
    """Calibrate a camera from images of a printed board.

    Move the board through the whole image, near and far, and tilt it left, right, up and down. Views that differ are chosen by
    themselves, and those that do not fit are left out. A live camera is watched until there are enough views, or until Ctrl-C.

    Ends with 0 if the file is written, with warnings or not; with 1 and one line if the board was not found or no lens fits.
    """
    columns, rows = _squares(squares)
    made = Board(board, columns, rows, square_size, marker_size, dictionary, legacy)
    if print_board is not None:
        width_mm, height_mm = save_board(made, print_board)
        typer.echo(f"{print_board}: {width_mm:.1f} × {height_mm:.1f} mm. Print it at 100 % and measure a square.", err=as_json)
    if source is None:
        if print_board is None:
            raise typer.BadParameter("name a source of images, or give --print-board", param_hint="SOURCE")
        return
    found = _collected(_opened(source), made, model, views, every)
    save_calibration(found.solution.camera, out)
    if picture is not None:
        save_coverage(picture, found.solution, found.coverage.cells)
    if as_json:
        typer.echo(json_document(_as_mapping(found)), nl=False)
    else:
        _print(found, out)


def _opened(spec: str) -> FrameSource:
    """Return a camera, or a recording at no pace of its own."""
    if spec.startswith("/dev/") or spec.partition(":")[0].lower() in CAMERAS:
        return open_camera(spec)
    return open_source(spec)


def _collected(source: FrameSource, board: Board, model: LensModel, views: int, every: int) -> Calibration:
    length = None if source.info.length is None else -(-source.info.length // every)
    with source, stop_on_signals() as stop, _progress_bar(length, views if source.info.live else None) as show:

        def go_on(progress: Progress) -> bool:
            show(progress)
            enough = source.info.live and progress.kept >= views
            return not (enough or stop())

        return calibrate_frames(islice(source, 0, None, every), board, model, most_views=views, progress=go_on)


@contextmanager
def _progress_bar(frames: int | None, views: int | None) -> Iterator[Callable[[Progress], None]]:
    """Show on stderr how far it is: in frames of a recording, in views of a live camera. Where nobody looks, show nothing."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        task = bar.add_task("looking for the board", total=frames if views is None else views)

        def show(progress: Progress) -> None:
            text = f"board in {progress.detected} of {progress.frames} frames, {progress.kept} different views"
            bar.update(task, completed=progress.frames if views is None else progress.kept, description=text)

        yield show


def _as_mapping(found: Calibration) -> dict[str, object]:
    solution, coverage = found.solution, found.coverage
    return {
        "camera": asdict(solution.camera),
        "error_px": solution.error_px,
        "focal_sigma": solution.focal_sigma,
        "frames": asdict(found.progress),
        "views": [
            {"name": one.view.name, "error_px": one.error_px, "corners": len(one.view.detection.pixels)} for one in solution.views
        ],
        "dropped": [view.name for view in solution.dropped],
        "coverage": {"share": coverage.share, "border_share": coverage.border_share, "tilted": coverage.tilted},
        "warnings": list(advice(solution, coverage)),
    }


def _print(found: Calibration, out: Path) -> None:
    from rich.console import Console
    from rich.text import Text

    console, solution, camera = Console(highlight=False), found.solution, found.solution.camera
    console.print(Text(coverage_text(found.coverage.cells)))
    console.print(f"Corners in {found.coverage.share:.0%} of the image, in {found.coverage.border_share:.0%} of its rim.")
    errors = sorted(solution.views, key=lambda one: -one.error_px)
    worst = ", ".join(f"{one.view.name or '?'} {one.error_px:.2f}" for one in errors[:3])
    console.print(Text(f"Reprojection error {solution.error_px:.3f} px over {len(errors)} views (worst: {worst})."))
    if solution.dropped:
        names = ", ".join(view.name or "?" for view in solution.dropped[:8])
        console.print(Text(f"{len(solution.dropped)} views did not fit and were left out: {names}"))
    console.print(
        f"{camera.model} {camera.width}x{camera.height}: fx {camera.fx:.2f} (± {solution.focal_sigma:.2%}), fy {camera.fy:.2f}, "
        f"cx {camera.cx:.2f}, cy {camera.cy:.2f}"
    )
    coefficients = [f"{name} {value:.5f}" for name, value in zip(camera.model.parameter_names, camera.distortion, strict=True)]
    if coefficients:
        console.print("  " + ", ".join(coefficients))
    for sentence in advice(solution, found.coverage):
        console.print(Text(f"! {sentence}", style="yellow"))
    console.print(Text(f"Written to {out}", style="bold"))
