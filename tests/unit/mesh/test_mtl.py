from __future__ import annotations

from pathlib import Path

import pytest

from reloc.errors import MeshError
from reloc.mesh.mtl import Material, read_mtl


def materials(folder: Path, text: str) -> dict[str, Material | None]:
    path = folder / "m.mtl"
    path.write_bytes(text.encode())
    return read_mtl(path)


@pytest.mark.parametrize(
    ("line", "texture"),
    [
        ("map_Kd t.png", "t.png"),
        ("\tmap_Kd   t.png  ", "t.png"),
        ("MAP_KD t.png", "t.png"),
        ("map_Kd my texture 01.png", "my texture 01.png"),
        ("map_Kd sub\\folder\\t.png", "sub\\folder\\t.png"),
        ("map_Kd -s 1 1 1 t.png", "t.png"),
        ("map_Kd -s 1 1 1 -o 0.0 0.0 0.0 my t.png", "my t.png"),
        ("map_Kd -s 1 t.png", "t.png"),
        ("map_Kd -blendu on -blendv off -clamp on -mm 0 1 -texres 512 t.png", "t.png"),
        ("map_Kd -t 0 0 2024 01.png", "01.png"),
        ("map_Kd -s 1 1 2024", "2024"),
        ("map_Kd -new.png", "-new.png"),
    ],
)
def test_the_texture_behind_its_options(line: str, texture: str, tmp_path: Path) -> None:
    (material,) = materials(tmp_path, f"newmtl a\r\n{line}\r\n").values()
    assert material is not None
    assert material.texture == texture
    assert material.folder == tmp_path


def test_scale_and_offset(tmp_path: Path) -> None:
    found = materials(tmp_path, "newmtl a\nmap_Kd -s 2 3 1 -o 0.5 x.png\nnewmtl b\nmap_Kd -s 2 y.png\n")
    assert found["a"] == Material("x.png", tmp_path, (2.0, 3.0), (0.5, 0.0))
    assert found["b"] == Material("y.png", tmp_path, (2.0, 1.0))


def test_materials_without_texture_and_lines_that_do_not_matter(tmp_path: Path) -> None:
    text = "\ufeff# made by hand\nmap_Kd early.png\nnewmtl plain\nKd 1 0 0\nmap_Ka ambient.png\nmap_Kd\n\n"
    text += "newmtl With Space\nmap_Kd t.png"
    found = materials(tmp_path, text)
    assert found == {"plain": None, "With Space": Material("t.png", tmp_path)}


@pytest.mark.parametrize("line", ["map_Kd -s 1", "map_Kd -clamp", "map_Kd -mm 0 1", "map_Kd -o left t.png"])
def test_options_without_an_image_are_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="expected options, then the name of an image"):
        materials(tmp_path, f"newmtl a\n{line}\n")


def test_a_huge_material_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "m.mtl"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(MeshError, match="larger than 64 MiB"):
        read_mtl(path)
