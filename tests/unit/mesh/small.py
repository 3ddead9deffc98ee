"""Small meshes and the files they stand in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reloc.mesh.textured_mesh import TexturedMesh

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def textured(*textures: np.ndarray) -> TexturedMesh:
    """A triangle for each texture, over the whole of its lower left half."""
    count = len(textures)
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    faces = np.tile(np.arange(3, dtype=np.int32), (count, 1))
    uv = np.tile(np.array([[0, 1], [1, 1], [0, 0]], np.float32), (count, 1, 1))
    return TexturedMesh(vertices, faces, uv, np.arange(count, dtype=np.int16), tuple(textures))


def quadrants(size: int = 8) -> np.ndarray:
    """An RGB image: red top left, green top right, blue bottom left, white bottom right."""
    image = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    image[:half, :half], image[:half, half:], image[half:, :half], image[half:, half:] = RED, GREEN, BLUE, WHITE
    return image


def write_image(path: Path, rgb: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(rgb[..., ::-1]))
    return path


def plain_image(color: tuple[int, int, int], size: int = 4) -> np.ndarray:
    return np.full((size, size, 3), color, np.uint8)


# A unit square in the plane z = 0, seen from +z, with uv over the whole texture.
SQUARE = """\
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
"""


def write_obj(folder: Path, faces: str, *, mtl: str | None = "newmtl a\nmap_Kd t.png\n", head: str = SQUARE) -> Path:
    """Write `mesh.obj` with a square's vertices and the given faces, `mesh.mtl`, and the texture `t.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "t.png", quadrants())
    (folder / "mesh.mtl").write_text(mtl or "")
    (folder / "mesh.obj").write_text(("mtllib mesh.mtl\n" if mtl is not None else "") + head + faces)
    return folder / "mesh.obj"


def color_at(mesh: TexturedMesh, face: int, weights: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)) -> tuple[int, ...]:
    """The texel that lies under a point of a face, looked up by the definition of uv in `TexturedMesh`."""
    texture = mesh.textures[mesh.material[face]]
    u, v = np.asarray(weights) @ mesh.uv[face]
    height, width = texture.shape[:2]
    return tuple(int(c) for c in texture[min(int(v * height), height - 1), min(int(u * width), width - 1)])
