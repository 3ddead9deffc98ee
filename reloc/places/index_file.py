"""Reads and writes the index of a map's known views: one file of plain arrays, in NumPy's npz format, nothing pickled."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.files import NPY_FAULTS, write_atomically
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.cells import Cells
from reloc.places.features import DESCRIPTOR_SIZE
from reloc.places.glance import GLANCE_SIZE, PICTURE_PX
from reloc.places.index import DEPTH_PX, PlaceIndex

FORMAT_VERSION = 2
"""To be raised whenever the same map gives another index."""
_DIGEST_BYTES = 16
# Texels and pixels far apart tell two maps from one another as well as all of them do.
_TEXEL_STEP = 97

# Every array with its type and shape; letters are counts that must agree (V views, N features, C cells).
_LAYOUT: dict[str, tuple[type | tuple[type, ...], tuple[int | str, ...]]] = {
    "version": (np.int64, (1,)),
    "map": (np.uint8, (_DIGEST_BYTES,)),
    "rotations": (np.float64, ("V", 3, 3)),
    "translations": (np.float64, ("V", 3)),
    "intrinsics": (np.float64, ("V", 4)),
    "pictures": (np.uint8, ("V", PICTURE_PX[1], PICTURE_PX[0])),
    "depths": (np.float32, ("V", DEPTH_PX[1], DEPTH_PX[0])),
    "glances": (np.float32, ("V", GLANCE_SIZE)),
    "centroids": (np.float32, ("C", DESCRIPTOR_SIZE)),
    "first_of_cell": (np.int64, ("C+1",)),
    "descriptors": ((np.uint8, np.int8), ("N", DESCRIPTOR_SIZE)),
    "points": (np.float32, ("N", 3)),
    "view": (np.int32, ("N",)),
    "by_view": (np.int32, ("N",)),
    "first_of_view": (np.int64, ("V+1",)),
}
_PLAIN = (
    "rotations", "translations", "intrinsics", "pictures", "depths", "glances", "points", "view", "by_view", "first_of_view"
)  # fmt: skip
_FINITE = ("rotations", "translations", "points", "centroids", "glances")


def fingerprint(mesh: TexturedMesh) -> bytes:
    """Return 16 bytes that tell a map from others and from later versions of itself."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for array in (mesh.vertices, mesh.faces, mesh.uv, mesh.material):
        digest.update(array.tobytes())
    colors = mesh.textures if mesh.vertex_colors is None else (mesh.vertex_colors,)
    for color in colors:
        digest.update(color.reshape(-1)[::_TEXEL_STEP].tobytes())
    return digest.digest()


def save_index(path: Path, index: PlaceIndex, mesh: TexturedMesh) -> None:
    """Write an index; raises `OutputError` where the file cannot be written."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        version=np.array([FORMAT_VERSION], dtype=np.int64),
        map=np.frombuffer(fingerprint(mesh), dtype=np.uint8),
        rotations=index.rotations,
        translations=index.translations,
        intrinsics=index.intrinsics,
        pictures=index.pictures,
        depths=index.depths,
        glances=index.glances,
        centroids=index.cells.centroids,
        first_of_cell=index.cells.first,
        descriptors=index.cells.descriptors,
        points=index.points,
        view=index.view,
        by_view=index.by_view,
        first_of_view=index.first_of_view,
    )
    write_atomically(path, buffer.getvalue())


def load_index(path: Path, mesh: TexturedMesh) -> PlaceIndex:
    """Return the index of a map; raises `MeshError` for a file that is damaged, of another version or of another map."""
    advice = "make it again with `reloc map index`"
    try:
        arrays = _read(path)
    except FileNotFoundError as error:
        raise MeshError(f"there is no such index of known views; {advice}", path) from error
    except OSError as error:
        raise MeshError(f"the index of known views cannot be read: {error.strerror or error}", path) from error
    except (*NPY_FAULTS, zipfile.BadZipFile, NotImplementedError) as error:
        raise MeshError(f"the index of known views is damaged or something else ({error}); {advice}", path) from error
    if arrays["version"][0] != FORMAT_VERSION:
        raise MeshError(f"the index of known views was made by another version of reloc; {advice}", path)
    if arrays["map"].tobytes() != fingerprint(mesh):
        raise MeshError(f"the index of known views belongs to another map, or the map has changed since; {advice}", path)
    cells = Cells(arrays["centroids"], arrays["first_of_cell"], arrays["descriptors"])
    return PlaceIndex(cells=cells, **{name: arrays[name] for name in _PLAIN})


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays, checked against the layout: indices stay inside, for compiled code trusts that."""
    counts: dict[str, int] = {}
    with zipfile.ZipFile(path) as archive:
        arrays = {name: _member(archive, name, *expected, counts) for name, expected in _LAYOUT.items()}
    features, views = counts["N"], counts["V"]
    _check_offsets(arrays["first_of_cell"], features)
    _check_offsets(arrays["first_of_view"], features)
    if features and not (arrays["view"].min() >= 0 and arrays["view"].max() < views):
        raise ValueError("a feature of no view")
    if features and not (arrays["by_view"].min() >= 0 and arrays["by_view"].max() < features):
        raise ValueError("an index is out of range")
    if not all(np.isfinite(arrays[name]).all() for name in _FINITE):
        raise ValueError("a number is not finite")
    return arrays


def _member(
    archive: zipfile.ZipFile, name: str, dtype: type | tuple[type, ...], shape: tuple[int | str, ...], counts: dict[str, int]
) -> NDArray[Any]:
    """Return one array, after its header has been found to announce no more than the file holds."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"{name} has a header of version {version}")
        found, fortran, found_dtype = np.lib.format.read_array_header_1_0(member)
        allowed = dtype if isinstance(dtype, tuple) else (dtype,)
        if fortran or found_dtype not in [np.dtype(one) for one in allowed] or len(found) != len(shape):
            raise ValueError(f"{name} is of another type")
        for size, expected in zip(found, shape, strict=True):
            _check_size(name, size, expected, counts)
        data = member.read()
    # Stored, so no more bytes than the file has; `read` has compared their checksum.
    return np.frombuffer(bytearray(data), dtype=found_dtype).reshape(found)


def _check_size(name: str, size: int, expected: int | str, counts: dict[str, int]) -> None:
    if isinstance(expected, str):
        letter, _, more = expected.partition("+")
        expected = counts.setdefault(letter, size - int(more or 0)) + int(more or 0)
    if size != expected or size < 1:
        raise ValueError(f"{name} has a side of {size}, not {expected}")


def _check_offsets(first: NDArray[np.int64], count: int) -> None:
    if first[0] != 0 or first[-1] != count or (np.diff(first) < 0).any():
        raise ValueError("offsets are out of order")
