from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import MeshError
from reloc.places.cells import Cells
from reloc.places.index import PlaceIndex
from reloc.places.index_file import FORMAT_VERSION, fingerprint, load_index, save_index
from tests.unit.places.known_room import index, mesh


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("index") / "places.npz"
    save_index(path, index(), mesh())
    return path.read_bytes()


def _arrays(known: PlaceIndex) -> dict[str, np.ndarray]:
    plain = {field.name: getattr(known, field.name) for field in fields(PlaceIndex) if field.name != "cells"}
    return plain | {field.name: getattr(known.cells, field.name) for field in fields(Cells)}


def test_what_was_written_is_read(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(written)
    found, expected = _arrays(load_index(tmp_path / "a.npz", mesh())), _arrays(index())
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_it_is_a_plain_file_of_numpy(written: bytes) -> None:
    with np.load(io.BytesIO(written), allow_pickle=False) as arrays:
        assert arrays["pictures"].shape == (len(index()), 120, 160)
        assert arrays["version"] == [FORMAT_VERSION]


def test_an_index_belongs_to_one_map(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(written)
    moved = mesh().vertices.copy()
    moved[17] += 0.01
    repainted = tuple(texture // 2 for texture in mesh().textures)
    for other in (replace(mesh(), vertices=moved), replace(mesh(), textures=repainted)):
        assert fingerprint(other) != fingerprint(mesh())
        with pytest.raises(MeshError, match=r"another map, or the map has changed.*reloc map index.*a\.npz"):
            load_index(tmp_path / "a.npz", other)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match=r"no such index.*reloc map index"):
        load_index(tmp_path / "none.npz", mesh())
    with pytest.raises(MeshError, match="cannot be read"):
        load_index(tmp_path, mesh())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99, 0.99999])
def test_a_file_that_breaks_off_is_refused(tmp_path: Path, written: bytes, share: float) -> None:
    (tmp_path / "a.npz").write_bytes(written[: int(share * len(written))])
    with pytest.raises(MeshError, match="damaged or something else"):
        load_index(tmp_path / "a.npz", mesh())


def test_flipped_bits_are_refused_or_change_nothing(tmp_path: Path, written: bytes) -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(written), 60).tolist():
        spoilt = bytearray(written)
        spoilt[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.npz").write_bytes(spoilt)
        refused += _is_refused(tmp_path / "a.npz")
    # Every byte of every array is under a checksum; a few bytes of the container say nothing.
    assert refused >= 58


def _is_refused(path: Path) -> bool:
    try:
        load_index(path, mesh())
    except MeshError:
        return True
    return False


def _with(written: bytes, **changed: np.ndarray) -> bytes:
    with np.load(io.BytesIO(written)) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    buffer = io.BytesIO()
    np.savez(buffer, **(kept | changed))
    return buffer.getvalue()


def _compressed(written: bytes) -> bytes:
    with np.load(io.BytesIO(written)) as arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: arrays[name] for name in arrays.files})
    return buffer.getvalue()


def _without(written: bytes, name: str) -> bytes:
    with np.load(io.BytesIO(written)) as arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **{other: arrays[other] for other in arrays.files if other != name})
    return buffer.getvalue()


def _huge(written: bytes) -> bytes:
    """A header that announces a terabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(written)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        member = io.BytesIO()
        np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": (10**11, 3)})
        new.writestr("points.npy", member.getvalue())
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: _with(data, version=np.array([1], np.int64)), "another version"),
        (lambda data: _with(data, view=np.full_like(index().view, 99)), "of no view"),
        (lambda data: _with(data, by_view=np.full_like(index().by_view, 1 << 30)), "out of range"),
        (lambda data: _with(data, first_of_view=index().first_of_view[::-1].copy()), "out of order"),
        (lambda data: _with(data, points=np.full_like(index().points, np.nan)), "not finite"),
        (lambda data: _with(data, points=index().points[:-1]), "side of"),
        (lambda data: _with(data, points=index().points.astype(np.float64)), "another type"),
        (lambda data: _with(data, points=np.array([{"a": 1}], dtype=object)), "another type"),
        (_compressed, "compressed"),
        (lambda data: _without(data, "glances"), "glances"),
        (_huge, "damaged"),
        (lambda data: b"PK\x03\x04" + data[:100], "damaged"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, written: bytes, damage: Callable[[bytes], bytes], message: str
) -> None:
    (tmp_path / "a.npz").write_bytes(damage(written))
    with pytest.raises(MeshError, match=message):
        load_index(tmp_path / "a.npz", mesh())
