"""Writes a textured mesh as OBJ, MTL and JPEG, as photogrammetry programs do."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.files import write_atomically
from reloc.mesh.textured_mesh import TexturedMesh

_JPEG_QUALITY = 95


def write_obj(mesh: TexturedMesh, folder: Path) -> Path:
    """Write `mesh.obj`, `mesh.mtl` and one `texture*.jpg` a material into `folder`; return the path of the OBJ.

    The corners of the file's uv are counted from the bottom left, so v is turned over. A mesh with colours at its vertices is
    written with them behind the positions, without an MTL. Raises `OutputError` where a file cannot be written.
    """
    path = folder / "mesh.obj"
    if mesh.textures:
        _write_materials(mesh, folder)
    write_atomically(path, "\n".join([*_vertex_lines(mesh), *_face_lines(mesh)]) + "\n")
    return path


def _write_materials(mesh: TexturedMesh, folder: Path) -> None:
    lines: list[str] = []
    for number, texture in enumerate(mesh.textures):
        name = _texture_name(mesh, number)
        data = cv2.imencode(".jpg", cv2.cvtColor(texture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
        write_atomically(folder / name, data.tobytes())
        lines += [f"newmtl material{number}", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {name}", ""]
    write_atomically(folder / "mesh.mtl", "\n".join(lines))


def _texture_name(mesh: TexturedMesh, number: int) -> str:
    return "texture.jpg" if len(mesh.textures) == 1 else f"texture{number}.jpg"


def _vertex_lines(mesh: TexturedMesh) -> list[str]:
    # Nine digits give every float32 back bit by bit.
    if mesh.vertex_colors is None:
        return ["mtllib mesh.mtl", *(f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in mesh.vertices.tolist())]
    rows = zip(mesh.vertices.tolist(), (mesh.vertex_colors / 255).tolist(), strict=True)
    return [f"v {x:.9g} {y:.9g} {z:.9g} {r:.6f} {g:.6f} {b:.6f}" for (x, y, z), (r, g, b) in rows]


def _face_lines(mesh: TexturedMesh) -> list[str]:
    if not mesh.textures:
        return [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    corners, which = np.unique(mesh.uv.reshape(-1, 2), axis=0, return_inverse=True)
    lines = [f"vt {u:.9g} {1 - v:.9g}" for u, v in corners.astype(np.float64).tolist()]
    texture_corners = which.reshape(-1, 3) + 1
    for number in range(len(mesh.textures)):
        lines.append(f"usemtl material{number}")
        lines += _faces_of(mesh.faces[mesh.material == number] + 1, texture_corners[mesh.material == number])
    return lines


def _faces_of(vertices: NDArray[np.int32], corners: NDArray[np.int64]) -> list[str]:
    pairs = np.stack([vertices, corners], axis=2).reshape(-1, 6).tolist()
    return [f"f {a}/{s} {b}/{t} {c}/{u}" for a, s, b, t, c, u in pairs]
