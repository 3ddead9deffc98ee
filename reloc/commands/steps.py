"""What a slow solver or renderer will cost, said before it starts, and a bar while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reloc.align.mask_views import MaskView
from reloc.aligners import make_soft_renderer
from reloc.build import make_undistorter
from reloc.config import RelocConfig
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.render.software import SoftwareRenderer


def announce_cost(config: RelocConfig, renderer: Renderer, lens: LensCamera, world_from_camera: SE3 | None) -> None:
    """Say on stderr how long PyTorch3D will take, from small pictures at a first pose; other renderers need no warning."""
    if config.render.backend != "pytorch3d" or world_from_camera is None:
        return
    from reloc.render.pytorch3d.cost import seconds_a_picture

    camera, pose = _drawn_camera(config, lens), world_from_camera.inverse()
    _say(config, camera, seconds_a_picture(lambda small: renderer.render(small, pose), camera), "pytorch3d.faces")


def announce_mask_cost(config: RelocConfig, mesh: TexturedMesh, mask: MaskView, camera_from_world: SE3) -> None:
    """Say the same of soft silhouettes, which are all that first-order descent on a mask asks PyTorch3D for."""
    if config.render.backend != "pytorch3d" or config.align.solver != "adam":
        return
    import torch

    from reloc.render.pytorch3d.cost import seconds_a_picture

    camera, pose = mask.at_most(config.adam.width_px).camera, torch.from_numpy(camera_from_world.matrix)
    soft = make_soft_renderer(config, mesh, SoftwareRenderer(mesh))
    _say(config, camera, seconds_a_picture(lambda small: soft.alpha(small, pose), camera), "pytorch3d.faces_per_pixel")


def _say(config: RelocConfig, camera: PinholeCamera, seconds: float, setting: str) -> None:
    from reloc.render.torch_surface import chosen_device

    print(f"{_cost(config, camera, seconds, setting)} ({chosen_device(config.pytorch3d.device)})", file=sys.stderr, flush=True)


def _cost(config: RelocConfig, camera: PinholeCamera, seconds: float, setting: str) -> str:
    """Return what pictures and steps will take; `setting` makes them cheaper."""
    picture = f"PyTorch3D takes about {seconds:.2g} s for a picture of {camera.width} × {camera.height} pixels"
    if config.align.solver != "adam":
        return picture
    # A step also goes the way back, which takes about as long again.
    most = _duration(2 * seconds * config.adam.steps)
    return f"{picture}: up to {most} for {config.adam.steps} steps; adam.width_px, adam.steps and {setting} make it less"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _drawn_camera(config: RelocConfig, lens: LensCamera) -> PinholeCamera:
    """Return the camera of the pictures that the solver asks for."""
    camera = make_undistorter(config, lens).working_camera
    while config.align.solver == "adam" and camera.width > config.adam.width_px:
        camera = camera.decimated()
    return camera


@contextmanager
def steps_bar(config: RelocConfig) -> Iterator[Callable[[], None] | None]:
    """Show on stderr the steps of first-order descent while the block runs; None where nobody looks, or it is fast."""
    if config.align.solver != "adam" or not sys.stderr.isatty():
        yield None
        return
    # Late: a run in a script needs none of it.
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("step {task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        task = bar.add_task("steps", total=None)
        yield lambda: bar.advance(task)
