"""`reloc align`: one image, or the mask of an object, against a map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from reloc.align.trace import Trace
from reloc.build import find_lens, find_map, make_relocalizer, make_renderer
from reloc.commands.align_mask import MaskRequest, align_masks
from reloc.commands.animation import check_animation_path, write_animation, write_stages
from reloc.commands.clicking import beginning
from reloc.commands.kernels import announce_compilation
from reloc.commands.options import CameraOption, ConfigOption, IgnoreOption, InitOption, MapOption, SetOption, configuration
from reloc.commands.overlay import check_picture_path, write_overlay
from reloc.commands.steps import announce_cost, steps_bar
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.config import RelocConfig
from reloc.errors import ConfigError
from reloc.estimate import Estimate
from reloc.files import json_document
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.mesh.load import load_mesh
from reloc.render.renderer import Renderer
from reloc.sources.open import open_source
from reloc.sources.peek import peeked

EXAMPLES = """
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1"
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1" --json --overlay fit.png
reloc align --mask object.png --map object.obj --camera phone.yaml --init "0 0 -2 0 0 0 1" --json
reloc align photo.jpg --mask object.png --map object.glb --camera phone.yaml --init "0 0 -2 0 0 0 1"
reloc align --rig rig.yaml --mask left=l.png --mask right=r.png --map object.obj --init "0 0 -2 0 0 0 1" --refine-scale
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1" --animate fit.gif --stages fit.png
reloc align photo.jpg --map hall.obj --camera phone.yaml --init "0 0 1.2 0 0 0 1" --set align.solver=adam
"""


def align(
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="The image; may be left out where there is a mask.")
    ] = None,
    map_: MapOption = None,
    camera: CameraOption = None,
    init: InitOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="[CAMERA=]IMAGE",
            help="Where in the image the object is that the map shows: white on black. The pose is that at which the outlines "
            "match. With --rig one for each camera, as NAME=IMAGE.",
        ),
    ] = None,
    rig: Annotated[
        Path | None,
        typer.Option(
            "--rig", metavar="FILE", help="Cameras fixed to one another: rig.yaml, Kalibr's camchain, COLMAP's rigs.txt."
        ),
    ] = None,
    refine_scale: Annotated[
        bool, typer.Option("--refine-scale", help="Find the size of the object as well; needs masks of two cameras or more.")
    ] = False,
    ignore: IgnoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    overlay: Annotated[
        Path | None, typer.Option("--overlay", metavar="PNG", help="Write a picture of image, map and fit side by side.")
    ] = None,
    animate: Annotated[
        Path | None,
        typer.Option("--animate", metavar="GIF|MP4", help="Write a film of the map as it moves onto the image, with the loss."),
    ] = None,
    stages: Annotated[
        Path | None, typer.Option("--stages", metavar="PNG", help="Write a picture of start, end and target side by side.")
    ] = None,
) -> None:
    """Refine the pose of one image, or of the mask of an object, and say how well it fits.

    The texture of the map is compared with IMAGE, its outline with the object in --mask, or both; a mask alone needs no texture.

    The pose is world_from_camera, `tx ty tz qx qy qz qw` in metres; the covariance (6, 6) belongs to exp(δ) @ world_from_camera
    with δ = (translation, rotation) along the axes of the map; with --rig they are those of the rig. Ends with 3 if the camera
    is lost.
    """
    announce_compilation()
    wanted = _Pictures(overlay, animate, stages)
    wanted.check()
    chosen = _for_a_still(configuration(config, settings))
    if init is None:
        raise ConfigError(
            'tell where the camera is with --init "tx ty tz qx qy qz qw" or --init FILE; where nobody knows, use `reloc localize`'
        )
    if mask:
        if animate is not None or stages is not None:
            raise ConfigError("--animate and --stages show how an image is aligned by its texture: leave out --mask")
        request = MaskRequest(tuple(mask), image, map_, camera, rig, init, refine_scale, ignore, as_json, overlay)
        raise typer.Exit(align_masks(request, chosen))
    if image is None:
        raise ConfigError("there is nothing to align: name an image, or the mask of an object with --mask IMAGE")
    if rig is not None or refine_scale:
        raise ConfigError("--rig and --refine-scale work on outlines: give the masks of the object with --mask NAME=IMAGE")
    with open_source(image, mask=ignore) as source:
        lens, mesh_file = find_lens(camera, source.info), find_map(map_, image)
        raw, _ = peeked(source)
    mesh = load_mesh(mesh_file)
    renderer = make_renderer(chosen, mesh)
    start = beginning(init, raw, lens, mesh, renderer)
    announce_cost(chosen, renderer, lens, start)
    with steps_bar(chosen) as on_step:
        trace = Trace(on_step)
        heard = trace if on_step is not None or wanted.of_the_way else None
        estimate = make_relocalizer(chosen, mesh, lens, start, renderer=renderer, trace=heard).step(raw)
    print(json_document(_record(image, estimate)) if as_json else _text(estimate), end="")
    wanted.write(estimate, trace, renderer)
    raise typer.Exit(LOST_EXIT_CODE if estimate.verdict.is_lost else 0)


@dataclass(frozen=True)
class _Pictures:
    """Which pictures are wanted."""

    overlay: Path | None
    animate: Path | None
    stages: Path | None

    @property
    def of_the_way(self) -> bool:
        """Whether the solver's way is to be seen, not only where it ended."""
        return self.animate is not None or self.stages is not None

    def check(self) -> None:
        """Raise `OutputError` where a name asks for a format that is not written."""
        for picture in (self.overlay, self.stages):
            if picture is not None:
                check_picture_path(picture)
        if self.animate is not None:
            check_animation_path(self.animate)

    def write(self, estimate: Estimate, trace: Trace, renderer: Renderer) -> None:
        """Write what is wanted."""
        if self.overlay is not None:
            write_overlay(self.overlay, estimate, renderer)
        if self.animate is not None:
            write_animation(self.animate, trace.way_to(estimate.camera_from_world), estimate, renderer)
        if self.stages is not None:
            write_stages(self.stages, trace.way_to(estimate.camera_from_world), estimate, renderer)


def _for_a_still(config: RelocConfig) -> RelocConfig:
    """Return the configuration with the image size of stills in place of that of sequences."""
    return replace(config, undistort=replace(config.undistort, working_width=config.undistort.still_width))


def _record(image: str, estimate: Estimate) -> dict[str, Any]:
    return {
        "image": image,
        "verdict": estimate.verdict.value,
        "reason": estimate.reason,
        "score": estimate.score,
        "outcome": estimate.outcome.value,
        "world_from_camera": _pose(estimate),
        "covariance": estimate.world_covariance,
        "iterations": estimate.iterations,
        "exposure": {"gain": estimate.exposure.gain, "bias": estimate.exposure.bias},
        "residual": estimate.quality.residual,
        "inlier_share": estimate.quality.inlier_share,
        "milliseconds": estimate.milliseconds,
    }


def _pose(estimate: Estimate) -> list[float]:
    pose = estimate.world_from_camera
    return [*pose.translation.tolist(), *xyzw_from_wxyz(pose.wxyz).tolist()]


def _text(estimate: Estimate) -> str:
    # Seen from the camera: a rotation about the origin of the map would move a camera far from it, and so count twice.
    sigma = np.sqrt(np.diag(estimate.covariance))
    quality, exposure = estimate.quality, estimate.exposure
    lines = [
        f"{estimate.verdict}, score {estimate.score:.2f}{f': {estimate.reason}' if estimate.reason else ''}",
        f"world_from_camera {' '.join(f'{value:.6f}' for value in _pose(estimate))}",
        f"standard deviation {1000 * np.linalg.norm(sigma[:3]):.1f} mm, {np.rad2deg(np.linalg.norm(sigma[3:])):.3f}°",
        f"{estimate.outcome} after {estimate.iterations} iterations, {estimate.milliseconds.get('total', float('nan')):.1f} ms",
        f"{100 * quality.inlier_share:.0f} % inliers, residual {quality.residual:.4f}, correlation {quality.correlation:.3f}, "
        f"{100 * quality.coverage:.0f} % of the image covered by the map",
        f"exposure: gain {_numbers(exposure.gain)}, bias {_numbers(exposure.bias)}",
    ]
    return "\n".join(lines) + "\n"


def _numbers(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
