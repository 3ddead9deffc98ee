"""Keeps the index of a map's known views in the cache of the mesh, where it goes when the mesh changes."""

from __future__ import annotations

import logging
from pathlib import Path

from reloc.errors import MeshError, OutputError
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.index import PlaceIndex
from reloc.places.index_file import load_index, save_index

_log = logging.getLogger(__name__)


def cached_path(mesh: TexturedMesh, features: str = "sift") -> Path | None:
    """Return where the index of a mesh with such features is kept, or None for a mesh that is not cached."""
    return None if mesh.derived is None else mesh.derived / f"places_{features}.npz"


def load_cached_index(mesh: TexturedMesh, features: str = "sift") -> PlaceIndex | None:
    """Return the index kept for a mesh with such features, or None where there is none that can be used."""
    path = cached_path(mesh, features)
    if path is None or not path.is_file():
        return None
    try:
        return load_index(path, mesh)
    except MeshError as error:
        _log.info("The kept index is made anew: %s", error)
        return None


def store_index(mesh: TexturedMesh, index: PlaceIndex) -> Path | None:
    """Keep an index for a mesh; return where, or None where it cannot be kept."""
    path = cached_path(mesh, index.features)
    if path is None:
        return None
    try:
        save_index(path, index, mesh)
    except OutputError as error:
        _log.warning("The index is not kept, so it is made anew next time: %s", error)
        return None
    return path
