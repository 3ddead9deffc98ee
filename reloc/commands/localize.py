"""`reloc localize`: where single images were taken, each from nothing but the map."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from reloc.build import find_lens, find_map, make_relocalizer, make_renderer, make_undistorter
from reloc.commands.kernels import announce_compilation
from reloc.commands.known_views import find_places
from reloc.commands.options import CameraOption, ConfigOption, IndexOption, MapOption, SetOption, configuration
from reloc.commands.overlay import write_overlay
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.estimate import Estimate
from reloc.files import json_line
from reloc.frame import RawFrame
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.mesh.load import load_mesh
from reloc.sources.open import open_source

EXAMPLES = """
reloc localize photo.jpg --map hall.obj --camera phone.yaml
reloc localize photos/*.jpg --map hall.obj --camera phone.yaml --json
reloc localize photo.jpg --map hall.obj --camera phone.yaml --overlay out/fits
"""


def localize(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Images, or folders or videos of them.")],
    map_: MapOption = None,
    camera: CameraOption = None,
    index: IndexOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON an image.")] = False,
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", metavar="DIR", help="Write a picture of each image, the map and their fit into this folder."),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Tell where images were taken: no first pose is needed, and no image helps another.

    One line an image: image, verdict, score, world_from_camera (tx ty tz qx qy qz qw), milliseconds. Where the verdict is LOST,
    the pose is only where the search ended and must not be used. The time is that of one image once all is loaded. A map
    without an index of known views is indexed first, once.

    Ends with 3 if not one image could be placed.
    """
    announce_compilation()
    chosen = configuration(config, settings)
    with open_source(images[0]) as source:
        lens, mesh_file = find_lens(camera, source.info), find_map(map_, images[0])
    mesh = load_mesh(mesh_file)
    renderer, undistorter = make_renderer(chosen, mesh), make_undistorter(chosen, lens)
    places = find_places(chosen, mesh, mesh_file, renderer, index, needed=True)

    def place(raw: RawFrame) -> Estimate:
        started = make_relocalizer(chosen, mesh, lens, None, renderer=renderer, undistorter=undistorter, places=places)
        return started.step(raw)

    found = False
    for number, (name, raw) in enumerate(_frames(images)):
        if number == 0:
            place(raw)  # what is slow only once, such as loading kernels, is over before the clock runs
        began_s = time.perf_counter()
        estimate = place(raw)
        record = _record(name, estimate, 1e3 * (time.perf_counter() - began_s))
        print(json_line(record) if as_json else _text(record), flush=True)
        found |= estimate.verdict.is_believed
        if overlay is not None:
            write_overlay(overlay / f"{Path(name).stem}.png", estimate, renderer)
    raise typer.Exit(0 if found else LOST_EXIT_CODE)


def _frames(images: list[str]) -> Iterator[tuple[str, RawFrame]]:
    """Yield every frame with what to call it: the file as it was named, or the frame of a folder or video."""
    for image in images:
        with open_source(image) as source:
            for raw in source:
                yield image if source.info.length == 1 else raw.name, raw


def _record(name: str, estimate: Estimate, milliseconds: float) -> dict[str, Any]:
    pose = estimate.world_from_camera
    return {
        "image": name,
        "verdict": estimate.verdict.value,
        "score": estimate.score,
        "world_from_camera": [*pose.translation.tolist(), *xyzw_from_wxyz(pose.wxyz).tolist()],
        "milliseconds": milliseconds,
    }


def _text(record: dict[str, Any]) -> str:
    pose = " ".join(f"{value:.6f}" for value in record["world_from_camera"])
    return f"{record['image']} {record['verdict']} {record['score']:.3f} {pose} {record['milliseconds']:.1f}"
