"""Reads Wavefront OBJ meshes with their materials, as OpenMVS, mvs-texturing, COLMAP, MeshLab and RealityCapture write them.

Faces without texture coordinates, or whose material has no texture, are kept: they hide what lies behind them. `clean.py`
gives them a plain grey. A face whose corners have coordinates only in part counts as one without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.mtl import Material, read_mtl
from reloc.mesh.obj_faces import Indices, read_polygons, triangulate
from reloc.mesh.obj_text import Block, Lines, read_blocks
from reloc.mesh.raw import MISSING, FileStamp, RawMesh
from reloc.mesh.texture_files import TextureReader, find_beside

_GREY = 0.5


@dataclass
class _Contents:
    """What has been read so far."""

    vertices: list[NDArray[np.float32]] = field(default_factory=list)
    colors: list[NDArray[np.float32] | None] = field(default_factory=list)
    uv: list[NDArray[np.float32]] = field(default_factory=list)
    faces: list[NDArray[np.int32]] = field(default_factory=list)
    face_uv: list[NDArray[np.int32]] = field(default_factory=list)
    face_name: list[NDArray[np.int32]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    """Materials by name, in the order of first use."""
    name: int = MISSING
    """The material in use."""
    libraries: list[str] = field(default_factory=list)
    vertex_count: int = 0
    uv_count: int = 0
    short_faces: int = 0


def read_obj(path: Path) -> RawMesh:
    """Read an OBJ file, its MTL files and the textures that its faces use. Raises `MeshError` for what is no OBJ."""
    stamp = FileStamp.of(path)
    contents = _Contents()
    for block in read_blocks(path):
        _read_block(contents, block)
    colors = _vertex_colors(contents)
    vertices = _joined(contents.vertices, np.float32, 3)
    faces, face_uv = _joined(contents.faces, np.int32, 3), _joined(contents.face_uv, np.int32, 3)
    _check_range(faces, len(vertices), "vertices", path)
    _check_range(face_uv, contents.uv_count, "texture coordinates", path)
    reader, files = TextureReader(), [stamp]
    material = np.full(len(faces), MISSING, np.int32)
    uv = None
    if (has_uv := face_uv[:, 0] != MISSING).any():
        nowhere = np.full((1, 2), np.nan, np.float32)  # where the index MISSING leads
        uv = np.concatenate([_joined(contents.uv, np.float32, 2), nowhere])[face_uv]
        library = _read_libraries(contents, path, reader, files)
        material = _assign_textures(contents, uv, has_uv, library, reader)
        np.subtract(1.0, uv[:, :, 1], out=uv[:, :, 1])  # from bottom-left and v up to top-left and v down
    notes = (f"{contents.short_faces:,} faces with fewer than three corners were dropped.",) if contents.short_faces else ()
    return RawMesh(
        vertices,
        faces,
        uv,
        material,
        tuple(reader.textures),
        colors,
        (*files, *reader.files),
        tuple(reader.problems),
        notes,
    )


def _joined(parts: list[Any], dtype: type, columns: int) -> NDArray[Any]:
    """Concatenate, and let go of the pieces."""
    result = np.concatenate(parts) if parts else np.zeros((0, columns), dtype)
    parts.clear()
    return result


def _read_block(contents: _Contents, block: Block) -> None:
    is_vertex, is_uv, is_face = block.find(b"v"), block.find(b"vt"), block.find(b"f")
    contents.libraries += _names(block, b"mtllib", block.find(b"mtllib"))
    is_change = block.find(b"usemtl")
    changes = [contents.names.setdefault(name, len(contents.names)) for name in _names(block, b"usemtl", is_change)]
    name_after_change = np.array([contents.name, *changes], np.int32)
    if is_face.any():
        lines = block.lines(b"f", is_face)
        # How much the file has said before each face, for indices that count back and for the material.
        vertices_seen = contents.vertex_count + np.cumsum(is_vertex)[lines.number]
        uv_seen = contents.uv_count + np.cumsum(is_uv)[lines.number]
        _read_faces(contents, lines, vertices_seen, uv_seen, name_after_change[np.cumsum(is_change)[lines.number]])
    contents.name = int(name_after_change[-1])
    if is_vertex.any():
        _read_vertices(contents, block.lines(b"v", is_vertex))
    if is_uv.any():
        _read_uv(contents, block.lines(b"vt", is_uv))


def _names(block: Block, keyword: bytes, found: NDArray[np.bool_]) -> list[str]:
    return block.lines(keyword, found, comments=False).names() if found.any() else []


def _read_vertices(contents: _Contents, lines: Lines) -> None:
    values, start, count = lines.table()
    if (short := np.flatnonzero(count < 3)).size:
        raise lines.error(int(short[0]), "expected three coordinates")
    contents.vertices.append(values[start[:, None] + np.arange(3)].astype(np.float32))
    contents.vertex_count += len(lines)
    colors = None
    if (colored := count >= 6).any():  # x y z r g b, as MeshLab writes it; a fourth number alone is a weight
        colors = np.full((len(lines), 3), _GREY, np.float32)
        colors[colored] = values[start[colored, None] + np.arange(3, 6)]
    contents.colors.append(colors)


def _read_uv(contents: _Contents, lines: Lines) -> None:
    values, start, count = lines.table()
    if (short := np.flatnonzero(count < 2)).size:
        raise lines.error(int(short[0]), "expected two texture coordinates")
    contents.uv.append(values[start[:, None] + np.arange(2)].astype(np.float32))
    contents.uv_count += len(lines)


def _read_faces(contents: _Contents, lines: Lines, vertices_seen: Indices, uv_seen: Indices, name: NDArray[np.int32]) -> None:
    polygons = read_polygons(lines)
    contents.short_faces += len(lines) - sum(len(group.row) for group in polygons)
    row, vertex, uv = triangulate(polygons)
    zero = (vertex == 0).any(axis=1)
    # Counted from 1, or back from the line where the face stands: −1 is the last vertex before it. A uv of 0 is none.
    vertex = np.where(vertex > 0, vertex - 1, vertex + vertices_seen[row, None])
    none = (uv == 0).any(axis=1)
    uv = np.where(uv > 0, uv - 1, uv + uv_seen[row, None])
    if (bad := np.flatnonzero(zero | (vertex < 0).any(axis=1) | ((uv < 0).any(axis=1) & ~none))).size:
        raise lines.error(int(row[bad[0]]), "the face refers to a vertex before the first (vertices count from 1)")
    uv[none] = MISSING
    if (bad := np.flatnonzero((np.maximum(vertex, uv) >= np.iinfo(np.int32).max).any(axis=1))).size:
        raise lines.error(int(row[bad[0]]), "the number of a vertex is too large")
    contents.faces.append(vertex.astype(np.int32))
    contents.face_uv.append(uv.astype(np.int32))
    contents.face_name.append(name[row])


def _check_range(index: NDArray[np.int32], count: int, what: str, path: Path) -> None:
    if index.size and int(index.max()) >= count:
        raise MeshError(
            f"a face refers to number {int(index.max()) + 1:,} of the {what}, but there are only {count:,}; "
            "the file is cut short or was edited: export it again",
            path,
        )


def _vertex_colors(contents: _Contents) -> NDArray[np.uint8] | None:
    """Return the colours (V, 3), if any vertex has one. They are written in 0..1, by some programs in 0..255."""
    if all(colors is None for colors in contents.colors):
        return None
    sizes = [len(vertices) for vertices in contents.vertices]
    parts = [
        np.full((size, 3), _GREY, np.float32) if colors is None else colors
        for size, colors in zip(sizes, contents.colors, strict=True)
    ]
    colors = np.nan_to_num(np.concatenate(parts), nan=_GREY)
    scale = 255.0 if colors.max() <= 1.0 else 1.0
    result: NDArray[np.uint8] = np.clip(np.rint(colors * scale), 0, 255).astype(np.uint8)
    return result


def _read_libraries(contents: _Contents, path: Path, reader: TextureReader, files: list[FileStamp]) -> dict[str, Material | None]:
    materials: dict[str, Material | None] = {}
    for text in contents.libraries:
        # One name that may hold spaces, or several names.
        names = [text] if find_beside(text, path.parent) else text.split()
        for name in names:
            found = find_beside(name, path.parent)
            files.append(FileStamp.of(found or path.parent / name))
            if found is None:
                reader.problems.append(
                    f"the material file {name!r} is missing; put it beside the mesh, in {path.parent} [{path}]"
                )
                continue
            for key, material in read_mtl(found).items():
                materials.setdefault(key, material)
    return materials


def _assign_textures(
    contents: _Contents,
    uv: NDArray[np.float32],
    has_uv: NDArray[np.bool_],
    library: dict[str, Material | None],
    reader: TextureReader,
) -> NDArray[np.int32]:
    """Return the texture of each face (F,), and apply the scale and shift of its map to `uv` (F, 3, 2)."""
    face_name: NDArray[np.int32] = _joined(contents.face_name, np.int32, 1)
    # Faces before the first usemtl have the name MISSING, which is the last place in this table.
    texture_of_name = np.full(len(contents.names) + 1, MISSING, np.int32)
    names = contents.names
    if not names and len(library) == 1:  # nothing says which material to use, but there is no choice
        names = {next(iter(library)): MISSING}
    used = set(np.unique(face_name[has_uv]).tolist())
    for name, index in names.items():
        if index not in used:
            continue
        if name not in library:
            reader.problems.append(
                f"the material {name!r} is in none of the mesh's material files (mtllib); export the mesh again"
            )
        if (entry := library.get(name)) is None:
            continue
        texture = reader.read(entry.texture, entry.folder)
        texture_of_name[index] = MISSING if texture is None else texture
        if entry.scale != (1.0, 1.0) or entry.offset != (0.0, 0.0):
            faces = face_name == index
            uv[faces] = uv[faces] * np.array(entry.scale, np.float32) + np.array(entry.offset, np.float32)
    return texture_of_name[face_name]
