"""`reloc align`: one image, or the mask of an object, against a map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.align_image import align_image
from reloc.commands.align_mask import align_masks
from reloc.commands.align_request import AlignRequest, Pictures
from reloc.commands.kernels import announce_compilation
from reloc.commands.options import CameraOption, ConfigOption, IgnoreOption, InitOption, MapOption, SetOption, configuration
from reloc.config import RelocConfig
from reloc.errors import ConfigError

EXAMPLES = """
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1"
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1" --json --overlay fit.png
reloc align --mask object.png --map object.obj --camera phone.yaml --init "0 0 -2 0 0 0 1" --json
reloc align photo.jpg --mask object.png --map object.glb --camera phone.yaml --init "0 0 -2 0 0 0 1"
reloc align --rig rig.yaml --mask left=l.png --mask right=r.png --map object.obj --init "0 0 -2 0 0 0 1" --refine-scale
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1" --animate fit.gif --stages fit.png
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1" --set align.solver=adam
reloc align --mask dog.png --map dog.obj --camera phone.yaml --init "0 0 -2 0 0 0 1" --set align.solver=adam --animate fit.gif
"""

ImageArgument = Annotated[str | None, typer.Argument(metavar="IMAGE", help="The image; may be left out where there is a mask.")]
MaskOption = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="[CAMERA=]IMAGE",
        help="Where in the image the object is that the map shows: white on black. The pose is that at which the outlines "
        "match. With --rig one for each camera, as NAME=IMAGE.",
    ),
]
RigOption = Annotated[
    Path | None,
    typer.Option("--rig", metavar="FILE", help="Cameras fixed to one another: rig.yaml, Kalibr's camchain, COLMAP's rigs.txt."),
]
ScaleOption = Annotated[
    bool, typer.Option("--refine-scale", help="Find the size of the object as well; needs masks of two cameras or more.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OverlayOption = Annotated[
    Path | None, typer.Option("--overlay", metavar="PNG", help="Write a picture of image, map and fit side by side.")
]
AnimateOption = Annotated[
    Path | None,
    typer.Option(
        "--animate", metavar="GIF|MP4", help="Write a film of the map as it moves onto the image or mask, with the loss."
    ),
]
StagesOption = Annotated[
    Path | None, typer.Option("--stages", metavar="PNG", help="Write a picture of start, end and target side by side.")
]


def align(
    image: ImageArgument = None,
    map_: MapOption = None,
    camera: CameraOption = None,
    init: InitOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    mask: MaskOption = None,
    rig: RigOption = None,
    refine_scale: ScaleOption = False,
    ignore: IgnoreOption = None,
    as_json: JsonOption = False,
    overlay: OverlayOption = None,
    animate: AnimateOption = None,
    stages: StagesOption = None,
) -> None:
    """Refine the pose of one image, or of the mask of an object, and say how well it fits.

    The texture of the map is compared with IMAGE, its outline with the object in --mask, or both; a mask alone needs no texture.

    The pose is world_from_camera, `tx ty tz qx qy qz qw` in metres; the covariance (6, 6) belongs to exp(δ) @ world_from_camera
    with δ = (translation, rotation) along the axes of the map; with --rig they are those of the rig. Ends with 3 if the camera
    is lost.
    """
    if init is None:
        raise ConfigError(
            'tell where the camera is with --init "tx ty tz qx qy qz qw" or --init FILE; where nobody knows, use `reloc localize`'
        )
    pictures = Pictures(overlay, animate, stages)
    request = AlignRequest(image, tuple(mask or ()), map_, camera, rig, init, refine_scale, ignore, as_json, pictures)
    request.check()
    announce_compilation()
    chosen = _for_a_still(configuration(config, settings))
    raise typer.Exit(align_masks(request, chosen) if request.masks else align_image(request, chosen))


def _for_a_still(config: RelocConfig) -> RelocConfig:
    """Return the configuration with the image size of stills in place of that of sequences."""
    return replace(config, undistort=replace(config.undistort, working_width=config.undistort.still_width))
