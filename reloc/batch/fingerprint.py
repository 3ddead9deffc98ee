"""What results depend on, told cheaply: names, sizes and times of change of files, never what is in them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from reloc.build import find_map
from reloc.errors import RelocError
from reloc.sources.decode import IMAGE_SUFFIXES

# What a mesh is made of beside its own file: materials, buffers and textures.
_OF_MESHES = frozenset({".mtl", ".bin"}) | IMAGE_SUFFIXES


def fingerprint(paths: Iterable[Path]) -> str:
    """Return what changes when one of some files appears, goes, or is replaced or edited. Takes some microseconds a file."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path}\0{_state(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def files_of_map(named: Path | None, source: str) -> list[Path]:
    """Return the files of a mesh, or of the one that a recording brings along; none where no mesh is found."""
    try:
        mesh = find_map(named, source)
        beside = [path for path in mesh.parent.iterdir() if path.suffix.lower() in _OF_MESHES]
    except (RelocError, OSError):
        return []
    return [mesh, *sorted(beside)]


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and time of change, in nanoseconds; None where there is no such file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a pose is no name of a file, and may be too long for one
        return None
    # Folders change with all that is written into them, results too.
    return None if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
