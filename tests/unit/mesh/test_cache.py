from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import MeshError
from reloc.mesh import cache, load
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from tests.unit.mesh.small import RED, plain_image, write_image, write_obj

FACES = "usemtl a\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
COLORED = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n"


@pytest.fixture
def square(tmp_path: Path) -> Path:
    return write_obj(tmp_path / "map", FACES)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were parsed rather than taken from the cache."""
    seen: list[Path] = []
    real = load.READERS[".obj"]
    monkeypatch.setitem(load.READERS, ".obj", lambda path: (seen.append(path), real(path))[1])
    return seen


def assert_same(a: TexturedMesh, b: TexturedMesh) -> None:
    for name in ("vertices", "faces", "uv", "material"):
        left, right = getattr(a, name), getattr(b, name)
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype
    assert len(a.textures) == len(b.textures)
    for left, right in zip(a.textures, b.textures, strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(a.vertex_colors, b.vertex_colors)
    assert a.name == b.name


@pytest.mark.parametrize("colored", [False, True])
def test_the_second_load_gives_the_same_without_parsing(colored: bool, square: Path, parsed: list[Path]) -> None:
    square.write_text(COLORED) if colored else None
    plain = load_mesh(square, cache=False)
    first, second = load_mesh(square), load_mesh(square)
    assert len(parsed) == 2
    assert_same(plain, first)
    assert_same(plain, second)


def test_real_maps_come_back_whole(kitchen: Path, parsed: list[Path]) -> None:
    path = kitchen / "map" / "mesh_20k.obj"
    first, second = load_mesh(path), load_mesh(path)
    assert len(parsed) == 1
    assert_same(first, second)


def test_arrays_from_the_cache_are_plain_and_writable_but_never_written_back(square: Path) -> None:
    load_mesh(square)
    mesh = load_mesh(square)
    for array in (mesh.vertices, mesh.faces, mesh.uv, mesh.material, *mesh.textures):
        assert type(array) is np.ndarray  # to compiled code the same type as one made in memory
        assert array.flags.writeable
        assert array.flags.c_contiguous
    mesh.vertices[:] = 7
    mesh.textures[0][:] = 7
    assert load_mesh(square).vertices.max() == 1
    assert load_mesh(square).textures[0].max() == 255


@pytest.mark.parametrize("name", ["mesh.obj", "mesh.mtl", "t.png"])
def test_a_change_of_any_file_is_noticed(name: str, square: Path, parsed: list[Path]) -> None:
    load_mesh(square)
    path = square.parent / name
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    load_mesh(square)
    load_mesh(square)
    assert len(parsed) == 2


def test_a_texture_of_another_size_is_noticed_though_its_time_is_the_same(square: Path) -> None:
    load_mesh(square)
    texture = square.parent / "t.png"
    time = texture.stat().st_mtime_ns
    write_image(texture, plain_image(RED, 64))
    os.utime(texture, ns=(time, time))
    assert load_mesh(square).textures[0].shape == (64, 64, 3)


def test_a_texture_that_appears_later_is_noticed(square: Path) -> None:
    image = (square.parent / "t.png").read_bytes()
    (square.parent / "t.png").unlink()
    assert load_mesh(square, require_color=False).textures == ()
    (square.parent / "t.png").write_bytes(image)
    assert len(load_mesh(square, require_color=False).textures) == 1


def test_a_grey_stand_in_from_the_cache_does_not_pass_for_a_coloured_mesh(square: Path) -> None:
    square.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    load_mesh(square, require_color=False)
    with pytest.raises(MeshError, match="has no colour"):
        load_mesh(square)


def test_warnings_are_given_again_from_the_cache(square: Path, caplog: pytest.LogCaptureFixture, parsed: list[Path]) -> None:
    square.write_text(square.read_text() + "f 1/1 1/1 2/2\n")
    for _ in range(2):
        caplog.clear()
        load_mesh(square)
        assert "1 faces without an area were dropped" in caplog.text
    assert len(parsed) == 1


def entry(folder: Path) -> Path:
    (found,) = (folder / "maps").iterdir()
    return found


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def damage_manifest(key: str, value: object) -> object:
    def apply(folder: Path) -> None:
        path = entry(folder) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return apply


def lead_elsewhere(folder: Path) -> None:
    (data,) = entry(folder).glob("data-*")
    shutil.copytree(data, folder / "elsewhere")
    np.save(folder / "elsewhere" / "vertices.npy", np.full((4, 3), 7, np.float32))
    path = entry(folder) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data": "../../elsewhere"}))


def replace_array(name: str, array: np.ndarray) -> object:
    return lambda folder: np.save(next(entry(folder).glob(f"data-*/{name}.npy")), array, allow_pickle=True)


def replace_header(text: bytes) -> object:
    """NumPy reads a header as Python reads a literal, and raises what Python raises."""

    def apply(folder: Path) -> None:
        path = next(entry(folder).glob("data-*/vertices.npy"))
        data = path.read_bytes()
        end = 10 + int.from_bytes(data[8:10], "little")
        path.write_bytes(data[:10] + text.ljust(end - 11) + b"\n" + data[end:])

    return apply


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (entry(folder) / "manifest.json").write_text(""),
        lambda folder: (entry(folder) / "manifest.json").write_text("[1]"),
        lambda folder: (entry(folder) / "manifest.json").write_bytes(b"\xff" * 100),
        lambda folder: (entry(folder) / "manifest.json").write_bytes(b"[" * 100_000),
        lambda folder: truncate(entry(folder) / "manifest.json"),
        lambda folder: (entry(folder) / "manifest.json").unlink(),
        lambda folder: [truncate(path) for path in entry(folder).glob("data-*/faces.npy")],
        lambda folder: [truncate(path) for path in entry(folder).glob("data-*/texture_0.npy")],
        lambda folder: [path.write_bytes(b"") for path in entry(folder).glob("data-*/uv.npy")],
        lambda folder: [path.unlink() for path in entry(folder).glob("data-*/vertices.npy")],
        lambda folder: [shutil.rmtree(path) for path in entry(folder).glob("data-*")],
        damage_manifest("version", 0),
        damage_manifest("files", [{}]),
        damage_manifest("files", None),
        lead_elsewhere,
        damage_manifest("textures", 5),
        damage_manifest("textures", "many"),
        damage_manifest("vertex_colors", True),
        replace_array("faces", np.array([[0, 1, 4]], np.int32)),
        replace_array("faces", np.array([[0, 1, -1], [0, 1, 2]], np.int32)),
        replace_array("faces", np.array([[0, 1, 2]], np.int64)),
        replace_array("material", np.array([0, 1], np.int16)),
        replace_array("material", np.array([0], np.int16)),
        replace_array("texture_0", np.zeros((8, 8), np.uint8)),
        replace_array("vertices", np.array([{"a": "pickle"}], object)),
        replace_array("uv", np.full((1, 3, 2), np.nan, np.float32)),
        replace_array("vertices", np.full((4, 3), np.inf, np.float32)),
        replace_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3"),
        replace_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4\0, 3), }"),
        replace_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3), }"),
        replace_header(b"[" * 110),
    ],
)
def test_a_damaged_entry_is_made_anew(damage: object, square: Path, own_cache: Path, parsed: list[Path]) -> None:
    expected = load_mesh(square, cache=False)
    load_mesh(square)
    damage(own_cache)  # type: ignore[operator]
    parsed.clear()
    assert_same(load_mesh(square), expected)
    assert_same(load_mesh(square), expected)
    assert len(parsed) == 1


def test_an_entry_is_replaced_and_its_old_arrays_are_removed(square: Path, own_cache: Path) -> None:
    for time in (1, 2, 3):
        os.utime(square, (time, time))
        load_mesh(square)
    assert len(list(entry(own_cache).glob("data-*"))) == 1


def test_entries_of_meshes_that_are_gone_are_removed(square: Path, own_cache: Path, tmp_path: Path) -> None:
    load_mesh(square)
    square.unlink()
    other = write_obj(tmp_path / "other", FACES)
    load_mesh(other)
    assert str(other) in (entry(own_cache) / "manifest.json").read_text()


def test_without_a_writable_cache_everything_works(
    square: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "file" / "cache"))
    caplog.set_level(logging.INFO)
    mesh = load_mesh(square)
    load_mesh(square)
    assert len(parsed) == 2
    assert mesh.derived is None
    assert "is not cached" in caplog.text


def test_a_full_disk_is_no_error(square: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "save", full)
    assert load_mesh(square).derived is None


def test_the_folder_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("RELOC_CACHE")
    assert cache.cache_folder() == tmp_path / "xdg" / "reloc"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_folder() == tmp_path / "home" / ".cache" / "reloc"


def test_no_cache_is_touched_where_none_is_wanted(square: Path, own_cache: Path) -> None:
    assert load_mesh(square, cache=False).derived is None
    assert not own_cache.exists()


def test_several_loads_at_once_agree(square: Path) -> None:
    expected = load_mesh(square, cache=False)
    meshes: list[TexturedMesh] = []
    threads = [threading.Thread(target=lambda: meshes.append(load_mesh(square))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(meshes) == 8
    for mesh in meshes:
        assert_same(mesh, expected)


# --- what is no mesh file at all


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mesh.stl", b"solid", r"expected a mesh \(.obj, .ply, .glb, .gltf\), found a file ending in '.stl'"),
        ("mesh.obj", b"", "the mesh file is empty"),
        ("mesh", b"v 0 0 0", "found a file ending in ''"),
    ],
)
def test_other_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MeshError, match=message):
        load_mesh(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="there is no such mesh file"):
        load_mesh(tmp_path / "mesh.obj")


def test_a_folder_names_the_meshes_in_it(square: Path) -> None:
    with pytest.raises(MeshError, match=r"found a folder; in it there is mesh.obj"):
        load_mesh(square.parent)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "mesh.ply").open("wb") as file:
        file.truncate((16 << 30) + 1)
    with pytest.raises(MeshError, match="has 16 GiB, at most 16 are read"):
        load_mesh(tmp_path / "mesh.ply")


def test_a_path_may_be_text(square: Path) -> None:
    square.write_text(square.read_text() + "f 1/1 1/1 2/2\n")
    assert len(load_mesh(str(square)).faces) == 2


def test_upper_case_names(square: Path) -> None:
    upper = square.with_name("MESH.OBJ")
    shutil.copy(square, upper)
    assert len(load_mesh(upper).faces) == 2
