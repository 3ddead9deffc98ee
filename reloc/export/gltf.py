"""glTF 2.0: the camera path as lines, and a camera that flies along it, to lay over the map in a viewer or a film program.

Positions are in the frame of the poses, as they are: laid over a map that was exported without a change of axes they fit. The
camera of glTF looks along its −z with y up, so that it is ours turned half round its x axis.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.export.frusta import EDGES, chosen_frames, colors, frusta, frustum_depth
from reloc.export.selection import DEFAULT_GAP_S, ExportedPoses
from reloc.geometry import batch
from reloc.geometry.se3 import xyzw_from_wxyz

_FLOAT, _UINT = 5126, 5125
_LINES, _LINE_STRIP = 1, 3
_HALF_TURN_ABOUT_X = np.array([0.0, 1.0, 0.0, 0.0])


class _Buffer:
    """Collects arrays one after the other, with the descriptions that glTF wants of them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], kind: str) -> int:
        """Append an array (N,) or (N, k) of floats or indices; return the number of its accessor."""
        values = np.ascontiguousarray(array, dtype="<u4" if np.issubdtype(array.dtype, np.integer) else "<f4")
        flat = values.reshape(len(values), -1)
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes})
        self.data += values.tobytes()
        self.accessors.append(
            {
                "bufferView": len(self.views) - 1,
                "componentType": _UINT if values.dtype.kind == "u" else _FLOAT,
                "count": len(values),
                "type": kind,
                "min": flat.min(axis=0).tolist(),
                "max": flat.max(axis=0).tolist(),
            }
        )
        return len(self.accessors) - 1


def glb_file(poses: ExportedPoses, gap_s: float = DEFAULT_GAP_S) -> bytes:
    """Return the content of a binary .glb."""
    document, data = _document(poses, gap_s)
    document["buffers"] = [{"byteLength": len(data)}]
    text = json.dumps(document, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def gltf_file(poses: ExportedPoses, gap_s: float = DEFAULT_GAP_S) -> str:
    """Return the text of a .gltf that holds its buffer in itself."""
    document, data = _document(poses, gap_s)
    uri = "data:application/octet-stream;base64," + b64encode(data).decode("ascii")
    document["buffers"] = [{"byteLength": len(data), "uri": uri}]
    return json.dumps(document, allow_nan=False) + "\n"


def _document(poses: ExportedPoses, gap_s: float) -> tuple[dict[str, Any], bytes]:
    """Return the description without its buffer, and the buffer."""
    buffer = _Buffer()
    # Floats have seven digits: what is far from the origin is stored near it, and moved there by the root node.
    centre = np.round(poses.trajectory.translations.mean(axis=0), 3)
    meshes = [{"name": "path", "primitives": _path(poses, centre, gap_s, buffer)}]
    meshes.append({"name": "cameras", "primitives": [_pyramids(poses, centre, buffer)]})
    camera, node = _camera(poses), _flying_camera(poses, centre)
    return {
        "asset": {"version": "2.0", "generator": "reloc", "extras": {"name": poses.name}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"name": "trajectory", "translation": centre.tolist(), "children": [1, 2, 3]},
            {"name": "path", "mesh": 0},
            {"name": "cameras", "mesh": 1},
            {"name": "camera", "camera": 0, **node},
        ],
        "cameras": [camera],
        "meshes": meshes,
        "materials": [
            {"name": "lines", "pbrMetallicRoughness": {"metallicFactor": 0.0}, "extensions": {"KHR_materials_unlit": {}}}
        ],
        "extensionsUsed": ["KHR_materials_unlit"],
        "animations": [_flight(poses, centre, buffer)],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }, bytes(buffer.data)


def _path(poses: ExportedPoses, centre: NDArray[np.float64], gap_s: float, buffer: _Buffer) -> list[dict[str, Any]]:
    """Return a strip of lines for each part between gaps."""
    shades, positions = _linear(colors(poses)), poses.trajectory.translations - centre
    return [
        {
            "mode": _LINE_STRIP,
            "material": 0,
            "attributes": {"POSITION": buffer.add(positions[part], "VEC3"), "COLOR_0": buffer.add(shades[part], "VEC3")},
        }
        for part in poses.parts(gap_s)
        if part.stop - part.start > 1
    ] or [
        {
            "mode": 0,
            "material": 0,
            "attributes": {"POSITION": buffer.add(positions, "VEC3"), "COLOR_0": buffer.add(shades, "VEC3")},
        }
    ]


def _pyramids(poses: ExportedPoses, centre: NDArray[np.float64], buffer: _Buffer) -> dict[str, Any]:
    frames = chosen_frames(poses)
    corners = frusta(poses, frames, frustum_depth(poses)).reshape(-1, 3) - centre
    edges = (5 * np.arange(len(frames))[:, None, None] + EDGES).reshape(-1)
    shades = np.repeat(_linear(colors(poses))[frames], 5, axis=0)
    attributes = {"POSITION": buffer.add(corners, "VEC3"), "COLOR_0": buffer.add(shades, "VEC3")}
    return {"mode": _LINES, "material": 0, "attributes": attributes, "indices": buffer.add(edges, "SCALAR")}


def _linear(shades: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return colours as amounts of light, which is how glTF has them at vertices."""
    return np.asarray((shades / 255.0) ** 2.2)


def _camera(poses: ExportedPoses) -> dict[str, Any]:
    camera = poses.camera or (None if poses.lens is None else poses.lens.pinhole)
    if camera is None:
        return {"type": "perspective", "perspective": {"yfov": 0.8, "znear": 0.01}}
    yfov = 2.0 * float(np.arctan(camera.height / (2.0 * camera.fy)))
    # Pixels may not be square; what the image spans sideways is width / fx.
    aspect = (camera.width / camera.fx) / (camera.height / camera.fy)
    return {"type": "perspective", "perspective": {"yfov": yfov, "aspectRatio": aspect, "znear": 0.01}}


def _gltf_quaternions(poses: ExportedPoses) -> NDArray[np.float64]:
    """Return (N, 4) quaternions (x, y, z, w) of glTF's camera, neighbours in one hemisphere since viewers interpolate them."""
    wxyz = batch.multiply(poses.trajectory.quaternions, _HALF_TURN_ABOUT_X)
    turned = np.sum(wxyz[1:] * wxyz[:-1], axis=1) < 0
    signs = np.where(np.concatenate([[0], np.cumsum(turned)]) % 2 == 1, -1.0, 1.0)
    return xyzw_from_wxyz(wxyz * signs[:, None])


def _flying_camera(poses: ExportedPoses, centre: NDArray[np.float64]) -> dict[str, Any]:
    """Return where the camera is before the animation begins: at the first pose."""
    return {
        "translation": (poses.trajectory.translations[0] - centre).tolist(),
        "rotation": _gltf_quaternions(poses)[0].tolist(),
    }


def _flight(poses: ExportedPoses, centre: NDArray[np.float64], buffer: _Buffer) -> dict[str, Any]:
    """Return the animation of node 3 along the poses, in real time from 0 s."""
    seconds = (poses.trajectory.timestamps_ns - poses.trajectory.timestamps_ns[0]) * 1e-9
    clock = buffer.add(seconds, "SCALAR")
    positions = buffer.add(poses.trajectory.translations - centre, "VEC3")
    turns = buffer.add(_gltf_quaternions(poses), "VEC4")
    return {
        "name": "flight",
        "samplers": [{"input": clock, "output": positions}, {"input": clock, "output": turns}],
        "channels": [
            {"sampler": 0, "target": {"node": 3, "path": "translation"}},
            {"sampler": 1, "target": {"node": 3, "path": "rotation"}},
        ],
    }
