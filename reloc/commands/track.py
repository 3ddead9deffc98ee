"""`reloc track`: a recording against a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.options import (
    CameraOption,
    ConfigOption,
    IgnoreOrMaskOption,
    IndexOption,
    InitOption,
    MapOption,
    MotionOption,
    SetOption,
    ViewerOption,
    configuration,
    frame_range,
)
from reloc.commands.tracking import Request, track_into_folder

EXAMPLES = """
reloc track recordings/desk --map desk.obj --camera desk.yaml --init "0 0 1.2 0 0 0 1" --out out/desk
reloc track walk.mp4 --map hall.glb --camera phone.yaml --init start.txt --out out/walk --viewer spawn
reloc track tum:rgbd_dataset_freiburg1_desk --map desk.ply --init tum:rgbd_dataset_freiburg1_desk --out out/fr1
reloc track "frames/*.png" --fps 15 --map hall.obj --camera cam.yaml --init start.txt --out out/frames --set align.iterations=12
"""


def track(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A recording (of a rig, too), a dataset, a folder of images, a video, or a pattern in quotes."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results; an earlier run there is replaced.")],
    map_: MapOption = None,
    camera: CameraOption = None,
    init: InitOption = None,
    index: IndexOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    viewer: ViewerOption = None,
    motion: MotionOption = None,
    mask: IgnoreOrMaskOption = None,
    every: Annotated[int, typer.Option("--every", min=1, metavar="N", help="Use each N-th frame only.")] = 1,
    frames: Annotated[
        str | None,
        typer.Option("--frames", metavar="FIRST:END", help="Only the frames from the position FIRST up to but without END."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", help="Frames a second of images that bring no timestamps. [default: 30]")
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Then go through it backwards: fills gaps and smooths all poses, into DIR/smooth.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files in DIR that are not an earlier run's.")] = False,
) -> None:
    """Tell where the camera was at every frame of a recording.

    DIR gets trajectory.txt (TUM format, only poses that are believed), frames.jsonl (all that is known of every frame),
    summary.json (verdicts, milliseconds, versions), config.yaml (all settings) and, with --viewer save, session.rrd.

    With --smooth, once the end is reached, the camera is followed backwards from where it was found again into the stretches
    where it was lost, and all poses are smoothed by what came after them. The outcome is a run of its own in DIR/smooth, for
    `reloc evaluate DIR DIR/smooth` and the like. Poses between aligned frames are COASTING there, and part of its
    trajectory.txt where they are known well.

    Ends with 0 if it is done, 1 after an error, 2 for wrong usage, 3 if it is done but lost: the run ended without a pose, or
    fewer than half of the frames were TRACKED or LIMITED. Ctrl-C ends it with all files closed, and 130.
    """
    request = Request(
        source=source,
        map=map_,
        camera=camera,
        init=init,
        index=index,
        out=out,
        config=configuration(config, settings, viewer=viewer, motion=motion),
        mask=mask,
        every=every,
        part=None if frames is None else frame_range(frames),
        fps=fps,
        smooth=smooth,
        overwrite=overwrite,
    )
    raise typer.Exit(track_into_folder(request))
