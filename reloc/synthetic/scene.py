"""A furnished room, made by chance from a seed: the map of the demonstration and of many tests."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.mesh.textured_mesh import TexturedMesh
from reloc.synthetic.atlas import Place, atlas_uv, draw, pack
from reloc.synthetic.paint import (
    Paint,
    books,
    bricks,
    fabric,
    framed_picture,
    globe,
    plain,
    planks,
    plaster,
    poster,
)
from reloc.synthetic.shapes import Patch, box, curtain, cylinder, grid, rectangle, sphere

Array = NDArray[np.float64]

ROOM_M = (5.0, 4.0, 2.6)
"""Length (x), width (y) and height (z, up) of the room, whose corner is the origin."""

_TEXTURE_SIDE = 2048
_LAMPS_M = np.array([[1.6, 1.3, 2.4], [3.6, 2.6, 2.4], [4.6, 0.4, 1.8]])


def make_room(seed: int = 0) -> TexturedMesh:
    """Return a room of 5 × 4 × 2.6 m with furniture, pictures and one plain wall (x = 0), z up, in metres.

    About 12,000 faces and one texture of 2048² texels. The same seed gives the same mesh to the last bit.
    """
    patches = _walls() + _furniture() + _pictures()
    places, _ = pack([(patch.detail * patch.size_m[0], patch.detail * patch.size_m[1]) for patch in patches], _TEXTURE_SIDE)
    atlas = np.zeros((_TEXTURE_SIDE, _TEXTURE_SIDE, 3), dtype=np.uint8)
    vertices, faces, uv, count = [], [], [], 0
    for number, (patch, place) in enumerate(zip(patches, places, strict=True)):
        draw(atlas, place, _lit(patch, place, np.random.default_rng([seed, number])))
        points, triangles, st = grid(patch)
        vertices.append(points)
        faces.append(triangles + count)
        uv.append(atlas_uv(st, place, _TEXTURE_SIDE))
        count += len(points)
    return _welded(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uv), atlas)


def _walls() -> list[Patch]:
    x, y, z = ROOM_M
    return [
        rectangle((0, y, 0), (x, 0, 0), (0, -y, 0), planks((0.50, 0.34, 0.20), 26), 0.9),
        rectangle((0, 0, z), (x, 0, 0), (0, y, 0), plaster((0.80, 0.79, 0.76), 0.05), 0.6),
        rectangle((0, 0, z), (0, y, 0), (0, 0, -z), plain((0.74, 0.70, 0.60)), 0.4),
        rectangle((x, y, z), (0, -y, 0), (0, 0, -z), bricks((0.55, 0.28, 0.20), 26), 1.2),
        rectangle((0, y, z), (x, 0, 0), (0, 0, -z), plaster((0.55, 0.63, 0.66), 0.12), 1.1),
        rectangle((x, 0, z), (-x, 0, 0), (0, 0, -z), plaster((0.70, 0.60, 0.42), 0.14), 1.1),
    ]


def _furniture() -> list[Patch]:
    oak, dark = planks((0.62, 0.45, 0.26), 5), planks((0.28, 0.17, 0.11), 3)
    table = box((3.05, 1.35, 0.70), (4.25, 2.25, 0.75), oak, bottom=True)
    legs = [box((u, v, 0.0), (u + 0.07, v + 0.07, 0.70), oak) for u in (3.08, 4.15) for v in (1.38, 2.15)]
    shelf = [
        *box((3.1, 3.66, 0.0), (4.7, 3.99, 1.95), dark),
        rectangle((3.14, 3.655, 1.9), (1.52, 0, 0), (0, 0, -1.8), books(6), 1.3),
    ]
    boards = [box((3.1, 3.60, 0.08 + 0.3 * i), (4.7, 3.68, 0.11 + 0.3 * i), dark, bottom=True) for i in range(7)]
    sofa = [
        *box((1.2, 3.10, 0.0), (2.8, 3.95, 0.42), fabric((0.30, 0.42, 0.38), 14)),
        *box((1.2, 3.75, 0.42), (2.8, 3.97, 0.85), fabric((0.36, 0.46, 0.34), 11)),
        *box((1.35, 3.55, 0.42), (1.75, 3.75, 0.74), fabric((0.75, 0.35, 0.20), 7), bottom=True),
    ]
    small = [
        *box((4.45, 0.05, 0.0), (4.95, 0.95, 0.90), planks((0.66, 0.64, 0.60), 3)),
        *box((1.0, 0.02, 0.0), (2.2, 0.45, 0.80), planks((0.45, 0.22, 0.16), 4)),
        *box((3.35, 1.5, 0.75), (3.62, 1.68, 0.93), poster),
        *box((2.1, 1.0, 0.0), (3.0, 2.9, 0.012), fabric((0.62, 0.24, 0.22), 23), detail=0.9),
    ]
    round_things = [
        sphere((3.95, 1.95, 0.95), 0.20, globe),
        *cylinder((4.72, 1.35, 0.0), 0.18, 0.55, fabric((0.20, 0.30, 0.50), 9)),
        *cylinder((1.4, 0.24, 0.80), 0.09, 0.28, poster),
        *cylinder((3.42, 2.02, 0.75), 0.05, 0.11, fabric((0.80, 0.72, 0.20), 5)),
        curtain((4.9, 3.2, 2.4), (0, -1.0, 0), 2.2, fabric((0.66, 0.52, 0.30), 31), folds=6, depth=0.05),
    ]
    return [*table, *sum(legs, []), *shelf, *sum(boards, []), *sofa, *small, *round_things]  # noqa: RUF017  a few dozen


def _pictures() -> list[Patch]:
    """Pictures as shallow boxes on the walls, so that they stand out as real ones do."""
    hung = [
        *box((0.5, 3.97, 1.25), (1.1, 4.00, 1.70), framed_picture, bottom=True),
        *box((1.5, 3.96, 1.15), (2.6, 4.00, 1.85), framed_picture, bottom=True),
        *box((2.3, 0.00, 1.20), (3.4, 0.04, 1.95), framed_picture, bottom=True),
        *box((3.7, 0.00, 1.35), (4.2, 0.03, 2.05), poster, bottom=True),
        *box((0.4, 0.00, 1.20), (0.9, 0.03, 1.90), poster, bottom=True),
        *box((4.96, 1.15, 1.25), (5.00, 2.05, 1.90), framed_picture, bottom=True),
    ]
    return [_sharper(patch) for patch in hung]


def _sharper(patch: Patch) -> Patch:
    """Give large faces half as many texels again; the rims get what they have."""
    return Patch(patch.place, patch.size_m, patch.painter, patch.cells, 1.5 if min(patch.size_m) > 0.2 else 1.0)


def _lit(patch: Patch, place: Place, rng: np.random.Generator) -> Paint:
    """Return the painted patch with soft light baked in, which falls off from lamps and varies within every face."""
    _, _, width, height = place
    s, t = np.meshgrid(np.linspace(0.02, 0.98, 12), np.linspace(0.02, 0.98, 12))
    light = cv2.resize(_irradiance(patch, s, t).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    lit: Paint = patch.painter(rng, height, width) * light[:, :, None]
    return lit


def _irradiance(patch: Patch, s: Array, t: Array) -> Array:
    """Return the light (...) that falls on a patch: a constant, and Lambert's cosine over the squared distance to each lamp."""
    step = 1e-4
    points = patch.place(s, t)
    normals = np.cross(patch.place(s, t + step) - points, patch.place(s + step, t) - points)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    to_lamps = _LAMPS_M[:, None, None] - points
    squares = (to_lamps**2).sum(axis=-1)
    cosines = np.abs((to_lamps * normals).sum(axis=-1)) / np.sqrt(squares)
    return np.asarray(0.55 + 0.5 * (cosines / (0.6 + squares)).sum(axis=0))


def _welded(vertices: Array, faces: NDArray[np.int64], uv: Array, atlas: NDArray[np.uint8]) -> TexturedMesh:
    """Merge vertices that coincide, so that no hairline cracks remain, and leave out faces without area."""
    rounded = np.round(vertices, 6).astype(np.float32) + np.float32(0)  # −0 and 0 are one
    unique, index = np.unique(rounded, axis=0, return_inverse=True)
    merged = index.reshape(-1)[faces].astype(np.int32)
    a, b, c = merged.T
    whole = (a != b) & (b != c) & (c != a)
    return TexturedMesh(
        vertices=unique,
        faces=np.ascontiguousarray(merged[whole]),
        uv=np.ascontiguousarray(uv[whole], dtype=np.float32),
        material=np.zeros(int(whole.sum()), dtype=np.int16),
        textures=(atlas,),
        name="room",
    )
