"""Prepare a map for what is to be done with it. `reloc map index` lets cameras be found anywhere in it, with no first pose."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reloc.build import find_mesh, make_renderer
from reloc.commands.kernels import announce_compilation
from reloc.commands.known_views import Indexed, make_index, photographs_beside
from reloc.commands.options import ConfigOption, SetOption, configuration
from reloc.errors import ConfigError
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.geometry.se3 import SE3
from reloc.mesh.load import load_mesh
from reloc.places.cache import cached_path
from reloc.places.colmap import Photograph, find_model, find_photographs
from reloc.places.index_file import save_index
from reloc.places.plan import PlaceRequest
from reloc.places.sampling import Plausible

EXAMPLES = """
reloc map index hall.obj
reloc map index hall.obj --views 1000 --up 0 0 1 --heights 1.2 1.9 --distances 0.5 6
reloc map index hall.obj --poses recordings/walk/groundtruth.txt --out hall.npz
reloc map index castle/map --colmap castle/sparse
"""


def index(
    map_: Annotated[Path, typer.Argument(metavar="MAP", help="The map: OBJ, PLY or glTF, or a folder with one.")],
    views: Annotated[
        int | None, typer.Option("--views", min=1, metavar="N", help="How many views to render, at most. [default: 400]")
    ] = None,
    heights: Annotated[
        tuple[float, float] | None,
        typer.Option("--heights", metavar="LOW HIGH", help="How high cameras are held above the lowest part of the map."),
    ] = None,
    distances: Annotated[
        tuple[float, float] | None,
        typer.Option("--distances", metavar="NEAR FAR", help="How far the surface in the middle of a view may be."),
    ] = None,
    clearance: Annotated[
        float | None, typer.Option("--clearance", min=0.0, metavar="D", help="How near to a surface a camera may come.")
    ] = None,
    up: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--up", metavar="X Y Z", help="What is up in the map, for --heights and for views that stand upright."),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            "--poses", metavar="FILE", help="Stay around the poses of this trajectory: a TUM file, a recording, dataset or run."
        ),
    ] = None,
    colmap: Annotated[
        Path | None,
        typer.Option(
            "--colmap",
            metavar="DIR",
            help="COLMAP model whose photographs are indexed besides. Default: one that lies beside the map.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write the index, for --index. Default: the cache.")
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Render views of a map from where cameras may plausibly be, and keep them so that images can be looked up among them.

    With an index, `reloc track` and `reloc live` need no --init and come back after they were lost, and `reloc localize` places
    single images. Without options the views lie anywhere in free space from which the map is well seen; lengths are in the unit
    of the map. All of a view is kept in one file: a picture, depth, pose, local features with their points, and a descriptor of
    the whole. The index in the cache is used wherever the map is.
    """
    announce_compilation()
    chosen = configuration(config, settings)
    if heights is not None and up is None:
        raise ConfigError("--heights needs to know what is up in the map: give --up X Y Z, such as --up 0 0 1")
    mesh_file = find_mesh(map_)
    known, photographs = _known_poses(poses), _photographs(colmap, mesh_file)
    mesh = load_mesh(mesh_file)
    target = out or cached_path(mesh, chosen.places.features)
    if target is None:
        raise ConfigError("the index can be kept nowhere: the cache cannot be written; name a file with --out FILE")
    plausible = Plausible(distances, clearance, up, heights)
    request = PlaceRequest(views or chosen.places.views, plausible, known, photographs)
    made = make_index(chosen, make_renderer(chosen, mesh), mesh, request)
    save_index(target, made.index, mesh)
    _report(made, mesh_file, target)


def _known_poses(trajectory: Path | None) -> list[SE3]:
    """Return camera_from_world of all poses of a trajectory."""
    if trajectory is None:
        return []
    known = load_groundtruth(trajectory)
    return [known.pose(number).inverse() for number in range(len(known))]


def _photographs(asked: Path | None, mesh_file: Path) -> list[Photograph]:
    if asked is None:
        return photographs_beside(mesh_file)
    model = find_model(asked)
    if model is None:
        raise ConfigError("no COLMAP model: expected images and cameras, .txt or .bin, there or in `sparse`", asked)
    photographs = find_photographs(model, mesh_file.parent)
    if not photographs:
        raise ConfigError(
            "none of the photographs of the COLMAP model was found; put them into a folder `images` beside it", model
        )
    return photographs


def _report(made: Indexed, mesh_file: Path, target: Path) -> None:
    index = made.index
    rendered = len(index) - made.photographs
    print(f"{mesh_file}: {rendered} rendered views, {made.photographs} photographs, {len(index.points):,} features")
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB, made in {made.seconds:.1f} s")
    if len(index.points) < 50 * len(index):
        print("few features: the map is plain or its texture blurred, so that images may not be found again", file=sys.stderr)
