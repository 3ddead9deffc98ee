"""The container of glTF 2.0: the JSON of a .gltf or .glb file and the binary buffers that it refers to."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.raw import FileStamp
from reloc.mesh.texture_files import find_beside

_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass
class Gltf:
    """A parsed file: its JSON, and its buffers in memory."""

    tree: dict[str, Any]
    buffers: list[bytes]
    files: list[FileStamp]
    path: Path

    def view(self, index: int) -> memoryview:
        """Return the bytes of a buffer view."""
        view = self.tree["bufferViews"][index]
        buffer = self.buffers[view["buffer"]]
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        if start < 0 or length < 0 or start + length > len(buffer):
            raise MeshError(f"buffer view {index} reaches beyond its buffer: the file is cut short or damaged", self.path)
        return memoryview(buffer)[start : start + length]

    def accessor(self, index: int) -> NDArray[Any]:
        """Return the table (N, width) of an accessor; numbers marked as normalised come as float32 in 0..1 or −1..1."""
        accessor = self.tree["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise MeshError("sparse or compressed accessors are not read; export without them", self.path)
        dtype, width = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        stride = int(self.tree["bufferViews"][accessor["bufferView"]].get("byteStride", dtype.itemsize * width))
        count, offset, data = int(accessor["count"]), int(accessor.get("byteOffset", 0)), self.view(accessor["bufferView"])
        row = dtype.itemsize * width
        if count < 0 or offset < 0 or stride < row or (count and offset + (count - 1) * stride + row > len(data)):
            raise MeshError(f"accessor {index} reaches beyond its buffer: the file is cut short or damaged", self.path)
        if not count:
            return np.zeros((0, width), dtype)
        table: NDArray[Any] = np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize)).copy()
        if accessor.get("normalized"):
            table = np.maximum(table.astype(np.float32) / np.iinfo(dtype).max, -1)
        return table

    def resource(self, uri: str, what: str) -> bytes:
        """Return what a `uri` stands for: data in base64, or a file beside this one."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        name = unquote(uri)
        found = find_beside(name, self.path.parent)
        self.files.append(FileStamp.of(found or self.path.parent / name))
        if found is None:
            raise MeshError(f"the {what} {name!r} is missing; put it beside the mesh, in {self.path.parent}", self.path)
        return found.read_bytes()


def read_container(path: Path) -> Gltf:
    """Read a .glb or .gltf file and its buffers."""
    stamp = FileStamp.of(path)
    data = path.read_bytes()
    text, binary = _split_chunks(data, path) if data.startswith(b"glTF") else (data, None)
    try:
        tree = json.loads(text)
        version = str(tree["asset"]["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MeshError("expected a glTF 2.0 file (.glb or .gltf), found something else", path) from error
    if not version.startswith("2"):
        raise MeshError(f"expected glTF 2.0, found version {version[:10]}; export it again", path)
    gltf = Gltf(tree, [], [stamp], path)
    for buffer in tree.get("buffers", []):
        if "uri" in buffer:
            gltf.buffers.append(gltf.resource(buffer["uri"], "buffer"))
        elif binary is not None:
            gltf.buffers.append(binary)
        else:
            raise MeshError("a buffer has neither a file nor a binary chunk: the file is cut short or damaged", path)
    return gltf


def _split_chunks(data: bytes, path: Path) -> tuple[bytes, bytes | None]:
    chunks: dict[int, bytes] = {}
    position = 12
    while position + 8 <= len(data):
        length, kind = (int(value) for value in np.frombuffer(data, "<u4", 2, position))
        if position + 8 + length > len(data):
            raise MeshError(f"a chunk of {length:,} bytes is cut short: copy or export the file again", path)
        chunks.setdefault(kind, data[position + 8 : position + 8 + length])
        position += 8 + length
    if len(data) < 12 or int(np.frombuffer(data, "<u4", 1, 4)[0]) != 2 or _JSON_CHUNK not in chunks:
        raise MeshError("expected a GLB file of version 2 with a JSON chunk; export it again", path)
    return chunks[_JSON_CHUNK], chunks.get(_BINARY_CHUNK)
