"""Reads PLY meshes: colours at the vertices, or a texture as OpenMVS, COLMAP and MeshLab write it.

The texture's file stands in a comment (`comment TextureFile x.png`, several with `texnumber` in the faces), the coordinates at
the corners of the faces (`texcoord`) or at the vertices (s t, u v, texture_u texture_v), with v up as in OBJ.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.ply_records import Column, ListColumn, read_records
from reloc.mesh.raw import MISSING, FileStamp, RawMesh
from reloc.mesh.texture_files import TextureReader

Columns = dict[str, Column]

_UV_NAMES = (("texture_u", "texture_v"), ("s", "t"), ("u", "v"))
_COLOR_NAMES = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


def read_ply(path: Path) -> RawMesh:
    """Read a PLY file and the textures that its faces use. Raises `MeshError` for what is no PLY."""
    stamp = FileStamp.of(path)
    header, elements = read_records(path.read_bytes(), path)
    vertex, face = elements.get("vertex", {}), elements.get("face", {})
    if "tristrips" in elements:
        raise MeshError("triangle strips are not read; save the mesh as triangles, for instance with MeshLab", path)
    vertices = np.stack([_plain_column(vertex, name, path) for name in "xyz"], axis=1).astype(np.float32)
    row, corner = _triangles(face, path)
    index = _list_column(face)
    faces = index.values[corner].astype(np.int64) if len(corner) else np.zeros((0, 3), np.int64)
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        wrong = int(faces.min()) if faces.min() < 0 else int(faces.max())
        raise MeshError(f"a face refers to vertex {wrong}, but the vertices are 0 to {len(vertices) - 1}; export it again", path)
    uv = _corner_uv(vertex, face, row, corner, faces)
    colors = _colors(vertex)
    reader = TextureReader()
    material = np.full(len(faces), MISSING, np.int32)
    names = [text.strip()[len("TextureFile") :].strip() for text in header.comments if text.strip().startswith("TextureFile")]
    if uv is not None and names:
        material = _assign_textures(face, row, ~np.asarray(np.isnan(uv).any(axis=(1, 2))), names, path, reader)
    elif uv is not None and colors is None:
        reader.problems.append(f"there are texture coordinates, but no line `comment TextureFile x.png` says of what [{path}]")
    if colors is None and uv is None and any(name in face for name in ("red", "diffuse_red")):
        reader.problems.append(
            f"the colours stand at the faces; transfer them to the vertices, for instance with MeshLab [{path}]"
        )
    files = (stamp, *reader.files)
    return RawMesh(vertices, faces.astype(np.int32), uv, material, tuple(reader.textures), colors, files, tuple(reader.problems))


def _plain_column(columns: Columns, name: str, path: Path) -> NDArray[np.float64]:
    column = columns.get(name)
    if column is None or isinstance(column, ListColumn):
        raise MeshError(f"the vertices have no coordinate {name!r}; expected x, y and z", path)
    return column.astype(np.float64)


def _list_column(face: Columns) -> ListColumn:
    column = next((face[name] for name in ("vertex_indices", "vertex_index") if name in face), None)
    return column if isinstance(column, ListColumn) else ListColumn(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _triangles(face: Columns, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return face (T,) and corners (T, 3) of a fan for each polygon; corners count through the lists of all faces."""
    if face and not _list_column(face).lengths.size:
        raise MeshError("the faces have no list `vertex_indices`; export it again", path)
    lengths = _list_column(face).lengths
    start = np.cumsum(lengths) - lengths
    count = np.maximum(lengths - 2, 0)
    row = np.repeat(np.arange(len(lengths)), count)
    step = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return row, np.stack([start[row], start[row] + step + 1, start[row] + step + 2], axis=1)


def _corner_uv(
    vertex: Columns, face: Columns, row: NDArray[np.int64], corner: NDArray[np.int64], faces: NDArray[np.int64]
) -> NDArray[np.float32] | None:
    """Return uv (T, 3, 2) from the top-left corner, NaN where a face has none, or None if no face has any."""
    texcoord = face.get("texcoord")
    if isinstance(texcoord, ListColumn):
        sizes = _list_column(face).lengths
        complete = texcoord.lengths == 2 * sizes
        offset = np.cumsum(texcoord.lengths) - texcoord.lengths - 2 * (np.cumsum(sizes) - sizes)
        table = np.append(texcoord.values, [np.nan, np.nan]).astype(np.float32)
        first = np.where(complete[row, None], 2 * corner + offset[row, None], len(texcoord.values))
        uv = table[first[:, :, None] + np.arange(2)]
    else:
        names = next((pair for pair in _UV_NAMES if pair[0] in vertex and pair[1] in vertex), None)
        if names is None:
            return None
        uv = np.stack([np.asarray(vertex[name], np.float32) for name in names], axis=1)[faces]
    uv[:, :, 1] = 1 - uv[:, :, 1]
    return None if np.isnan(uv).all() else uv


def _assign_textures(
    face: Columns, row: NDArray[np.int64], has_uv: NDArray[np.bool_], names: list[str], path: Path, reader: TextureReader
) -> NDArray[np.int32]:
    number = face.get("texnumber", face.get("texture_number"))
    wanted = np.zeros(len(row), np.int64) if number is None or isinstance(number, ListColumn) else number.astype(np.int64)[row]
    material = np.full(len(row), MISSING, np.int32)
    for value in np.unique(wanted[has_uv]).tolist():
        if 0 <= value < len(names):
            texture = reader.read(names[value], path.parent)
            material[wanted == value] = MISSING if texture is None else texture
        elif value >= 0:
            reader.problems.append(f"faces want texture number {value}, but only {len(names)} are named in the header [{path}]")
    return material


def _colors(vertex: Columns) -> NDArray[np.uint8] | None:
    names = next((names for names in _COLOR_NAMES if all(name in vertex for name in names)), None)
    if names is None:
        return None
    columns = [np.asarray(vertex[name]) for name in names]
    values = np.nan_to_num(np.stack(columns, axis=1).astype(np.float64))
    match columns[0].dtype.str[1:]:
        case "u2":
            values /= 257.0
        case "f4" | "f8":
            values *= 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
