"""Loads a map: OBJ, PLY or glTF, from the cache where nothing has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reloc.errors import MeshError
from reloc.mesh.cache import CachedMesh, load_cached, store
from reloc.mesh.clean import clean
from reloc.mesh.glb import read_glb
from reloc.mesh.obj import read_obj
from reloc.mesh.ply import read_ply
from reloc.mesh.raw import RawMesh
from reloc.mesh.textured_mesh import TexturedMesh

MAX_FILE_BYTES = 16 << 30
READERS: dict[str, Callable[[Path], RawMesh]] = {".obj": read_obj, ".ply": read_ply, ".glb": read_glb, ".gltf": read_glb}

_log = logging.getLogger(__name__)


def load_mesh(path: str | Path, *, cache: bool = True, require_color: bool = True) -> TexturedMesh:
    """Return the mesh in a file, in the file's own frame and unit. What was left out or repaired is logged as warnings.

    Without `require_color` a mesh that has no colours, or whose textures are missing, is given a mid-grey: enough for
    silhouettes. Raises `MeshError` that says what is wrong with the file and what to do.
    """
    loaded = load_with_notes(path, cache=cache, require_color=require_color)
    for note in loaded.notes:
        _log.warning("%s: %s", Path(path).name, note)
    return loaded.mesh


def load_with_notes(path: str | Path, *, cache: bool = True, require_color: bool = True) -> CachedMesh:
    """Return the mesh as `load_mesh` does, with the sentences about what was left out or repaired instead of logging them."""
    path = Path(path)
    try:
        reader = _reader(path)
        found = load_cached(path) if cache else None
        if found is not None and (found.colored or not require_color):
            return found
        # Numbers that do not fit become infinities or wrong indices, which the checks that follow name.
        with np.errstate(over="ignore", invalid="ignore"):
            raw = reader(path)
    except OSError as error:
        raise MeshError(f"the mesh cannot be read: {error.strerror or error}", path) from error
    except MemoryError as error:
        raise MeshError("the mesh does not fit into memory; decimate it or scale its textures down", path) from error
    loaded = CachedMesh(*clean(raw, path, require_color=require_color))
    return store(path, loaded, raw.files) if cache else loaded


def _reader(path: Path) -> Callable[[Path], RawMesh]:
    names = ", ".join(READERS)
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.suffix.lower() in READERS)
        hint = f"; in it there is {', '.join(inside[:5])}" if inside else ""
        raise MeshError(f"expected a mesh file ({names}), found a folder{hint}", path)
    if not path.is_file():
        raise MeshError("there is no such mesh file", path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise MeshError(
            f"expected a mesh ({names}), found a file ending in {path.suffix!r}; convert it, for instance with MeshLab", path
        )
    size = path.stat().st_size
    if not 0 < size <= MAX_FILE_BYTES:
        found = "is empty" if not size else f"has {size / 2**30:.0f} GiB, at most {MAX_FILE_BYTES >> 30} are read"
        raise MeshError(f"the mesh file {found}; export it again", path)
    return reader
