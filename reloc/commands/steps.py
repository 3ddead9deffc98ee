"""What a slow solver or renderer will cost, said before it starts, and a bar while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reloc.build import make_undistorter
from reloc.config import RelocConfig
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer


def announce_cost(config: RelocConfig, renderer: Renderer, lens: LensCamera, world_from_camera: SE3 | None) -> None:
    """Say on stderr how long PyTorch3D will take, from small pictures at a first pose; other renderers need no warning."""
    if config.render.backend != "pytorch3d" or world_from_camera is None:
        return
    from reloc.render.pytorch3d.renderer import PyTorch3dRenderer

    assert isinstance(renderer, PyTorch3dRenderer)
    camera = _drawn_camera(config, lens)
    seconds = renderer.seconds_a_picture(camera, world_from_camera.inverse())
    print(f"{_cost(config, camera, seconds)} ({renderer.device})", file=sys.stderr, flush=True)


def _cost(config: RelocConfig, camera: PinholeCamera, seconds: float) -> str:
    picture = f"PyTorch3D takes about {seconds:.2g} s for a picture of {camera.width} × {camera.height} pixels"
    if config.align.solver != "adam":
        return picture
    # A step also goes the way back, which takes about as long again.
    most = _duration(2 * seconds * config.adam.steps)
    return f"{picture}: up to {most} for {config.adam.steps} steps; adam.width_px, adam.steps and pytorch3d.faces make it less"


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
