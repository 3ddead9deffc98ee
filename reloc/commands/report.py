"""`reloc report`: a page about runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.report_material import Material, film, gather
from reloc.evaluate.align import AlignmentKind
from reloc.evaluate.judge import Rules, load_runs
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S
from reloc.files import write_atomically
from reloc.report.page import page

EXAMPLES = """
reloc report out/desk --out desk.html
reloc report out/desk out/desk_local --groundtruth recordings/desk --out compare.html
reloc report out/desk --video desk.mp4
reloc report out/walk --source /media/disk/walk.mp4 --map hall.glb --worst 12 --out walk.html
"""


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or TUM files.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The HTML file to write.")] = None,
    video: Annotated[
        Path | None,
        typer.Option(metavar="FILE.mp4", help="Write a video of one run: its images with the map laid over them."),
    ] = None,
    groundtruth: Annotated[
        Path | None,
        typer.Option(
            "--groundtruth",
            "-g",
            help="A TUM file, or the folder of a recording with a groundtruth.txt. Default: what came with a run's recording.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="The images, where they are no longer where the run found them.")
    ] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", metavar="MESH", help="The map, where it is no longer where the run found it.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, max=100, help="How many frames of each run to show with pictures.")] = 6,
    align: Annotated[AlignmentKind, typer.Option(help="As of `reloc evaluate`.")] = AlignmentKind.NONE,
    tolerance: Annotated[float, typer.Option(min=0.0, help="As of `reloc evaluate`.")] = DEFAULT_TOLERANCE_S,
) -> None:
    """Make one HTML page about runs, side by side: paths on the map, errors, timing, exposure, worst frames, settings.

    Everything is in the file: it opens without a network and can be sent. What a run does not say, or what is no longer where
    it was, is left out, and the page says so.

    The video lays the map over each image as it looks from the estimated pose: a part of the rendering, and its strong edges.
    Where there is no pose, it shows the image alone. It plays at the speed of the recording.
    """
    if out is None and video is None:
        raise typer.BadParameter("say what to make: --out FILE.html, --video FILE.mp4 or both")
    if video is not None and (len(runs) > 1 or video.suffix.lower() != ".mp4"):
        raise typer.BadParameter("--video takes one run, and a name that ends in .mp4")
    rules = Rules(align, tolerance)
    material = Material(groundtruth=groundtruth, source=source, map=map_, worst=worst)
    loaded = load_runs(runs)
    if out is not None:
        subjects, views = gather(loaded, material, rules)
        write_atomically(out, page(subjects, views, rules))
        print(f"{out}: {', '.join(run.name for run in loaded)}")
    if video is not None:
        print(f"{video}: {film(loaded[0], material, video)} frames of {loaded[0].name}")
