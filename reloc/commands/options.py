"""Options that several commands share, each said in one way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reloc.config import RelocConfig, load_config

ViewerMode = Literal["none", "save", "spawn", "serve"]
MotionModel = Literal["kalman", "none"]

MapOption = Annotated[
    Path | None,
    typer.Option("--map", metavar="MESH", help="The map: OBJ, PLY or glTF, or a folder with one. Default: the recording's own."),
]
CameraOption = Annotated[
    Path | None,
    typer.Option(
        "--camera",
        metavar="FILE",
        help="The calibration: reloc's YAML, or a file of COLMAP, ROS, Kalibr or OpenCV. Default: the recording's own.",
    ),
]
InitOption = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="POSE|FILE|click",
        help="Where the camera is at first: “tx ty tz qx qy qz qw” (world_from_camera, metres), or a trajectory, of which the "
        "pose nearest in time to the first frame is taken: a TUM file, or a recording, dataset or run that has poses; or a "
        "COLMAP model that knows the first image by its name; or `click`, to say it on a page with the mouse. Default: looked "
        "for among the known views of the map.",
    ),
]
IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="FILE",
        help="The known views, as `reloc map index --out` wrote them. Default: those kept in the cache, made when first needed.",
    ),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings; see `reloc config`.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as align.iterations=12. May be given several times."),
]
_IGNORE_HELP = "What to ignore, such as the robot's own arm: an image that is not black there, or a folder with one a frame."
IgnoreOption = Annotated[Path | None, typer.Option("--ignore", metavar="IMAGE|FOLDER", help=_IGNORE_HELP)]
IgnoreOrMaskOption = Annotated[Path | None, typer.Option("--ignore", "--mask", metavar="IMAGE|FOLDER", help=_IGNORE_HELP)]
"""For commands in which no other mask is meant, which called it so first."""
ViewerOption = Annotated[
    ViewerMode | None,
    typer.Option("--viewer", help="Rerun: save session.rrd, open a window, or serve a page to the browsers of this machine."),
]
MotionOption = Annotated[
    MotionModel | None,
    typer.Option("--motion", help="What foretells the next pose: a filter of pose and velocity, or nothing but the last pose."),
]


def frame_range(text: str) -> tuple[int, int | None]:
    """Return the positions of `FIRST:END`; END is None where it is left out."""
    first, colon, end = text.partition(":")
    if not colon or not all(part.strip().isdecimal() for part in (first, end) if part.strip()):
        raise typer.BadParameter(f"expected FIRST:END such as 300:600, 300: or :600, found “{text[:40]}”", param_hint="--frames")
    return int(first or 0), int(end) if end.strip() else None


def configuration(
    file: Path | None, settings: list[str] | None, *, viewer: ViewerMode | None = None, motion: MotionModel | None = None
) -> RelocConfig:
    """Return the configuration: defaults < `file` < `settings` < what an option of its own says."""
    overrides = list(settings or ())
    overrides += [] if viewer is None else [f"viewer.mode={viewer}"]
    overrides += [] if motion is None else [f"motion.model={motion}"]
    return load_config(file, overrides)
