"""The known views of a map: made with a progress bar, kept in the cache, and found again by whoever needs them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from reloc.build import make_extractor, make_places
from reloc.commands.progress import counting_bar
from reloc.config import RelocConfig
from reloc.errors import ConfigError
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.cache import load_cached_index, store_index
from reloc.places.colmap import Photograph, find_model, find_photographs
from reloc.places.finder import PlaceFinder
from reloc.places.index import PlaceIndex, build_index
from reloc.places.index_file import load_index
from reloc.places.plan import PlaceRequest, plan_views
from reloc.render.renderer import Renderer

# Percent of the progress that are over once it is known which views there will be.
_PLANNED = 20


@dataclass(frozen=True, eq=False)
class Indexed:
    """An index that has just been made."""

    index: PlaceIndex
    photographs: int
    """How many of its views are photographs."""
    seconds: float


def make_index(config: RelocConfig, renderer: Renderer, mesh: TexturedMesh, request: PlaceRequest) -> Indexed:
    """Return the index of what is asked for, with a progress bar; raises `ConfigError` where no view can be had."""
    began_s = time.monotonic()
    extract = make_extractor(config)
    with counting_bar(100, "indexing known views, percent") as show:
        plan = plan_views(renderer, mesh, request, lambda share: show(round(_PLANNED * share)))
        count = len(plan.views)
        index = build_index(plan.views, lambda done: show(_PLANNED + (100 - _PLANNED) * done // count), extract)
    return Indexed(index, plan.photographs, time.monotonic() - began_s)


def find_places(
    config: RelocConfig, mesh: TexturedMesh, mesh_file: Path, renderer: Renderer, index_file: Path | None, *, needed: bool
) -> PlaceFinder | None:
    """Return what finds a camera anywhere in the map: by the index named, else by the one kept for the map.

    Where there is none it is made and kept if it is `needed`, and None is returned if it is not. Raises `ConfigError` where it is
    needed and not wanted, `MeshError` for a file that is no index of this map.
    """
    if config.places.use == "never":
        if needed:
            raise ConfigError("nothing says where to begin: give --init, or let the whole map be searched with places.use=auto")
        return None
    index = load_cached_index(mesh, config.places.features) if index_file is None else load_index(index_file, mesh)
    if index is None and needed:
        index = _made_now(config, mesh, mesh_file, renderer)
    return None if index is None else make_places(config, index)


def _made_now(config: RelocConfig, mesh: TexturedMesh, mesh_file: Path, renderer: Renderer) -> PlaceIndex:
    print(
        f"{mesh_file.name} has no index of known views yet: making one (once, a minute or so; `reloc map index --help` has more)",
        file=sys.stderr,
        flush=True,
    )
    made = make_index(config, renderer, mesh, PlaceRequest(config.places.views, photographs=photographs_beside(mesh_file)))
    kept = store_index(mesh, made.index)
    print(f"{len(made.index)} known views in {made.seconds:.0f} s{'' if kept else ', not kept'}", file=sys.stderr, flush=True)
    return made.index


def photographs_beside(mesh_file: Path) -> list[Photograph]:
    """Return the photographs of the COLMAP model that lies beside a map, if one does."""
    model = find_model(mesh_file.parent)
    return [] if model is None else find_photographs(model, mesh_file.parent)
