"""Reads glTF 2.0 meshes, binary (.glb) or in parts (.gltf): baseColorTexture, COLOR_0, and the transforms of the nodes.

The axes stay those of the file: glTF says y up, but photogrammetry writes the frame of its cameras, and so must we.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.gltf_buffers import Gltf, read_container
from reloc.mesh.raw import MISSING, RawMesh
from reloc.mesh.texture_files import TextureReader

MAX_FACES = 100_000_000
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_READ_EXTENSIONS = frozenset(
    {"KHR_mesh_quantization", "KHR_texture_transform", "KHR_materials_unlit", "EXT_texture_webp", "KHR_materials_specular"}
)

Array = NDArray[np.float64]


@dataclass
class _Parts:
    """The primitives read so far."""

    vertices: list[NDArray[np.float32]] = field(default_factory=list)
    faces: list[NDArray[np.int64]] = field(default_factory=list)
    uv: list[NDArray[np.float32]] = field(default_factory=list)
    material: list[NDArray[np.int32]] = field(default_factory=list)
    colors: list[NDArray[np.uint8] | None] = field(default_factory=list)
    vertex_count: int = 0
    face_count: int = 0
    others: int = 0
    """Primitives of points or lines, which are left out."""


def read_glb(path: Path) -> RawMesh:
    """Read a .glb or .gltf file with its textures. Raises `MeshError` for what is no glTF 2.0 or is compressed."""
    reader, parts = TextureReader(), _Parts()
    try:
        gltf = read_container(path)
        if unknown := set(gltf.tree.get("extensionsRequired", [])) - _READ_EXTENSIONS:
            names = ", ".join(sorted(map(str, unknown)))
            raise MeshError(f"the file needs {names}, which is not read; export it without compression", path)
        for mesh, world_from_mesh in _placed_meshes(gltf.tree):
            for primitive in mesh["primitives"]:
                _read_primitive(gltf, primitive, world_from_mesh, parts, reader)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MeshError(f"the glTF file contradicts itself ({type(error).__name__}: {error}); export it again", path) from error
    notes = (f"{parts.others:,} primitives of points or lines were left out.",) if parts.others else ()
    uv = _joined(parts.uv, (0, 3, 2), np.float32)
    return RawMesh(
        _joined(parts.vertices, (0, 3), np.float32),
        _joined(parts.faces, (0, 3), np.int64).astype(np.int32),
        None if np.isnan(uv).all() else uv,
        _joined(parts.material, (0,), np.int32),
        tuple(reader.textures),
        _joined_colors(parts),
        (*gltf.files, *reader.files),
        tuple(reader.problems),
        notes,
    )


def _placed_meshes(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Array]]:
    """Yield the meshes of the default scene, each with its matrix world_from_mesh (4, 4)."""
    nodes = tree.get("nodes", [])
    scenes = tree.get("scenes", [])
    roots = scenes[tree.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    pending = [(int(root), np.eye(4)) for root in reversed(roots)]
    seen: set[int] = set()
    while pending:
        index, world_from_parent = pending.pop()
        if index in seen:  # the standard allows one parent a node; this also ends cycles
            continue
        seen.add(index)
        node = nodes[index]
        world_from_node = world_from_parent @ _node_matrix(node)
        if "mesh" in node:
            yield tree["meshes"][node["mesh"]], world_from_node
        pending += [(int(child), world_from_node) for child in reversed(node.get("children", []))]


def _node_matrix(node: dict[str, Any]) -> Array:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0.0, 0.0, 0.0, 1.0)), np.float64)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    result = np.eye(4)
    result[:3, :3] = rotation * np.array(node.get("scale", (1.0, 1.0, 1.0)), np.float64)
    result[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return result


def _read_primitive(gltf: Gltf, primitive: dict[str, Any], world_from_mesh: Array, parts: _Parts, reader: TextureReader) -> None:
    mode, attributes = primitive.get("mode", _TRIANGLES), primitive["attributes"]
    if mode not in (_TRIANGLES, _STRIP, _FAN):
        parts.others += 1
        return
    points = gltf.accessor(attributes["POSITION"]).astype(np.float64)
    index = gltf.accessor(primitive["indices"])[:, 0].astype(np.int64) if "indices" in primitive else np.arange(len(points))
    faces = _triangles(index, mode)
    if len(faces) and faces.max() >= len(points):
        raise MeshError(f"a face refers to vertex {int(faces.max())} of {len(points)}; export it again", gltf.path)
    if np.linalg.det(world_from_mesh[:3, :3]) < 0:
        faces = faces[:, ::-1]  # a mirrored node turns its faces over
    parts.face_count += len(faces)
    if parts.face_count > MAX_FACES:
        raise MeshError(f"the scene has more than {MAX_FACES:,} faces; decimate it", gltf.path)
    texture, uv = _texture(gltf, primitive, reader)
    corner_uv = np.full((len(faces), 3, 2), np.nan, np.float32) if uv is None else uv[faces]
    parts.vertices.append((points @ world_from_mesh[:3, :3].T + world_from_mesh[:3, 3]).astype(np.float32))
    parts.faces.append(faces + parts.vertex_count)
    parts.uv.append(corner_uv)
    parts.material.append(np.full(len(faces), texture, np.int32))
    parts.colors.append(_colors(gltf.accessor(attributes["COLOR_0"])) if "COLOR_0" in attributes else None)
    parts.vertex_count += len(points)


def _triangles(index: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    if mode == _TRIANGLES:
        return index[: len(index) // 3 * 3].reshape(-1, 3)
    if mode == _FAN:
        return np.stack([np.full(max(len(index) - 2, 0), index[0] if len(index) else 0), index[1:-1], index[2:]], axis=1)
    strip = np.stack([index[:-2], index[1:-1], index[2:]], axis=1)
    strip[1::2] = strip[1::2, [1, 0, 2]]  # every other triangle of a strip runs the other way round
    return strip


def _texture(gltf: Gltf, primitive: dict[str, Any], reader: TextureReader) -> tuple[int, NDArray[np.float32] | None]:
    """Return the texture of a primitive, or `MISSING`, and its uv (V, 2), whose origin is top-left as ours."""
    if "material" not in primitive:
        return MISSING, None
    material = gltf.tree["materials"][primitive["material"]]
    info = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
    if info is None:
        return MISSING, None
    transform = info.get("extensions", {}).get("KHR_texture_transform", {})
    if transform.get("rotation", 0.0) != 0.0:
        raise MeshError(
            "a texture is rotated by KHR_texture_transform, which is not read; bake it into the coordinates", gltf.path
        )
    name = f"TEXCOORD_{transform.get('texCoord', info.get('texCoord', 0))}"
    if name not in primitive["attributes"]:
        return MISSING, None
    scale, offset = transform.get("scale", (1.0, 1.0)), transform.get("offset", (0.0, 0.0))
    uv = gltf.accessor(primitive["attributes"][name]).astype(np.float32)
    uv = uv * np.array(scale, np.float32) + np.array(offset, np.float32)
    source = gltf.tree["textures"][info["index"]]
    index = source.get("extensions", {}).get("EXT_texture_webp", source).get("source", source.get("source"))
    texture = _read_image(gltf, index, reader)
    return (MISSING, None) if texture is None else (texture, uv)


def _read_image(gltf: Gltf, index: int, reader: TextureReader) -> int | None:
    image = gltf.tree["images"][index]
    uri = image.get("uri")
    if uri is not None and not uri.startswith("data:"):
        return reader.read(unquote(uri), gltf.path.parent)
    return reader.decode(f"image {index}", bytes(gltf.view(image["bufferView"])) if uri is None else gltf.resource(uri, "image"))


def _colors(table: NDArray[Any]) -> NDArray[np.uint8]:
    rgb = table[:, :3]
    if rgb.dtype == np.uint8:
        return np.ascontiguousarray(rgb)
    scale = 1 / 257 if rgb.dtype == np.uint16 else 255.0
    return np.clip(np.rint(np.nan_to_num(rgb * scale)), 0, 255).astype(np.uint8)


def _joined_colors(parts: _Parts) -> NDArray[np.uint8] | None:
    """Return the colours (V, 3) if any primitive has them; mid-grey where one has not."""
    if all(colors is None for colors in parts.colors):
        return None
    pairs = zip(parts.vertices, parts.colors, strict=True)
    return np.concatenate([np.full((len(v), 3), 128, np.uint8) if colors is None else colors for v, colors in pairs])


def _joined(pieces: list[Any], empty: tuple[int, ...], dtype: type) -> NDArray[Any]:
    return np.concatenate(pieces) if pieces else np.zeros(empty, dtype)
