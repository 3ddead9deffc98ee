"""Keeps parsed meshes on disk as plain arrays, so that the next start maps them into memory instead of parsing.

Layout: CACHE/maps/KEY/manifest.json, and the arrays in CACHE/maps/KEY/DATA/*.npy. KEY comes from the mesh's absolute path and
the format's version. The manifest names DATA and the stamps (path, size, time) of every file that the mesh was made from;
replacing the manifest is the one step that makes an entry valid. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from reloc.errors import OutputError
from reloc.files import NPY_FAULTS, write_atomically
from reloc.mesh.raw import FileStamp
from reloc.mesh.textured_mesh import TexturedMesh

FORMAT_VERSION = 2
"""To be raised whenever a reader or `clean` makes something else of the same files."""
_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CachedMesh:
    """A mesh as it was parsed, and what was said about it then."""

    mesh: TexturedMesh
    colored: bool
    """Whether the colours are the map's own, rather than the grey that stands for none."""
    notes: tuple[str, ...]


def cache_folder() -> Path | None:
    """Return the folder of the cache: $RELOC_CACHE, else $XDG_CACHE_HOME/reloc, else ~/.cache/reloc; None without a home."""
    if own := os.environ.get("RELOC_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "reloc"
    try:
        return Path.home() / ".cache" / "reloc"
    except RuntimeError:
        return None


def load_cached(path: Path) -> CachedMesh | None:
    """Return the mesh parsed earlier from `path`, or None if there is none, a file has changed since or the entry is damaged."""
    entry = _entry(path)
    if entry is None:
        return None
    try:
        manifest = _read_manifest(entry)
        if any(FileStamp.of(Path(stamp.path)) != stamp for stamp in _stamps(manifest)):
            return None
        return _read_entry(entry / manifest["data"], manifest)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _log.info("The cached copy of %s is damaged (%s) and is made anew.", path, error)
        return None


def store(path: Path, cached: CachedMesh, files: tuple[FileStamp, ...]) -> CachedMesh:
    """Write a parsed mesh into the cache; return it as it is read back, or as it was where the cache cannot be written."""
    entry = _entry(path)
    if entry is None:
        return cached
    try:
        _remove_orphans(entry.parent)
        entry.mkdir(parents=True, exist_ok=True)
        data = Path(tempfile.mkdtemp(prefix="data-", dir=entry))
        for name, array in _arrays(cached.mesh):
            _save(data / f"{name}.npy", array)
        manifest = {
            "version": FORMAT_VERSION,
            "name": cached.mesh.name,
            "data": data.name,
            "files": [asdict(stamp) for stamp in files],
            "textures": len(cached.mesh.textures),
            "vertex_colors": cached.mesh.vertex_colors is not None,
            "colored": cached.colored,
            "notes": list(cached.notes),
        }
        write_atomically(entry / _MANIFEST, json.dumps(manifest))
        _remove_others(entry, data)
        return _read_entry(data, manifest)
    except (OSError, OutputError, ValueError) as error:
        _log.info("The mesh is not cached, so the next start parses it again: %s", error)
        return cached


def load_derived(folder: Path | None, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any] | None:
    """Return an array that `save_derived` kept in a mesh's folder, or None if there is none of that shape and type."""
    if folder is None:
        return None
    try:
        array = _map(folder / f"{name}.npy")
    except (OSError, EOFError, ValueError):
        return None
    return array if array.shape == shape and array.dtype == np.dtype(dtype) else None


def save_derived(folder: Path | None, name: str, array: NDArray[Any]) -> None:
    """Keep an array computed from a mesh in that mesh's folder; does nothing where the folder cannot be written."""
    if folder is None or array.size == 0:
        return
    temporary = folder / f".{name}.{os.getpid()}.npy"
    try:
        try:
            _save(temporary, array)
            os.replace(temporary, folder / f"{name}.npy")
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        _log.info("%s is not cached: %s", name, error)


def _entry(path: Path) -> Path | None:
    folder = cache_folder()
    key = hashlib.sha256(f"{FORMAT_VERSION}\0{path.absolute()}".encode(errors="surrogateescape")).hexdigest()
    return None if folder is None else folder / "maps" / f"{path.stem[:40]}-{key[:24]}"


def _arrays(mesh: TexturedMesh) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "vertices", mesh.vertices
    yield "faces", mesh.faces
    if mesh.vertex_colors is not None:
        yield "vertex_colors", mesh.vertex_colors
        return
    yield "uv", mesh.uv
    yield "material", mesh.material
    for index, texture in enumerate(mesh.textures):
        yield f"texture_{index}", texture


def _read_manifest(entry: Path) -> dict[str, Any]:
    path = entry / _MANIFEST
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise ValueError("the manifest is too large")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest["version"] != FORMAT_VERSION:
        raise ValueError("the manifest is of another version")
    if Path(manifest["data"]).name != manifest["data"]:
        raise ValueError("the manifest names a folder elsewhere")
    return manifest


def _stamps(manifest: dict[str, Any]) -> list[FileStamp]:
    return [FileStamp(**stamp) for stamp in manifest["files"]]


def _read_entry(data: Path, manifest: dict[str, Any]) -> CachedMesh:
    """Map the arrays and check that indices stay inside them and numbers are numbers: compiled code trusts that."""
    vertices = _typed(data / "vertices.npy", np.float32, (-1, 3))
    faces = _typed(data / "faces.npy", np.int32, (-1, 3))
    count = len(faces)
    uv, material = np.zeros((0, 3, 2), np.float32), np.zeros(count, np.int16)
    textures: list[NDArray[np.uint8]] = []
    colors = None
    if manifest["vertex_colors"]:
        colors = _typed(data / "vertex_colors.npy", np.uint8, (len(vertices), 3))
    else:
        uv = _typed(data / "uv.npy", np.float32, (count, 3, 2))
        material = _typed(data / "material.npy", np.int16, (count,))
        textures = [_typed(data / f"texture_{i}.npy", np.uint8, (-1, -1, 3)) for i in range(int(manifest["textures"]))]
        _check_index(material, len(textures))
    _check_index(faces, len(vertices))
    _check_finite(vertices, uv)
    mesh = TexturedMesh(vertices, faces, uv, material, tuple(textures), colors, str(manifest["name"]), derived=data)
    return CachedMesh(mesh, bool(manifest["colored"]), tuple(map(str, manifest["notes"])))


def _check_index(index: NDArray[Any], count: int) -> None:
    if not len(index) or index.min() < 0 or index.max() >= count:
        raise ValueError("an index is out of range")


def _check_finite(*arrays: NDArray[Any]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a number is not finite")


def _typed(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    array = _map(path)
    fits = len(array.shape) == len(shape) and all(want in (-1, got) for want, got in zip(shape, array.shape, strict=True))
    if array.dtype != np.dtype(dtype) or not fits or not array.flags.c_contiguous:
        raise ValueError(f"{path.name} is not what was written")
    return array


def _save(path: Path, array: NDArray[Any]) -> None:
    with path.open("xb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        # Else a power cut may leave a valid manifest beside arrays full of zeros.
        os.fsync(file.fileno())


def _map(path: Path) -> NDArray[Any]:
    """Map an array, copy on write: compiled code then sees the type of an array freshly made, and the file stays as it is.

    Raises `ValueError` for a damaged file.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False).view(np.ndarray)
    except NPY_FAULTS as error:
        raise ValueError(f"{path.name} is damaged") from error
    return array


def _remove_others(entry: Path, keep: Path) -> None:
    for folder in entry.glob("data-*"):
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(maps: Path) -> None:
    """Remove entries whose mesh no longer exists, so that the cache does not grow for ever."""
    for entry in maps.glob("*"):
        try:
            gone = not Path(_stamps(_read_manifest(entry))[0].path).exists()
        except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
            continue
        if gone:
            shutil.rmtree(entry, ignore_errors=True)
