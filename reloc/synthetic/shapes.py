"""The shapes that a room is furnished with: patches, each a grid of quads over a rectangle of texture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.synthetic.paint import Painter

Array = NDArray[np.float64]

# Finer than a wall needs, so that the mesh looks like one from photogrammetry.
_CELL_M = 0.2


@dataclass(frozen=True, eq=False)
class Patch:
    """A piece of surface: `place` maps (s, t) in 0..1, s to the right and t down as seen from free space, to points in metres."""

    place: Callable[[Array, Array], Array]
    """Takes s and t of one shape and returns points (..., 3)."""
    size_m: tuple[float, float]
    """Width and height, which give the texture its resolution."""
    painter: Painter
    cells: tuple[int, int]
    """Quads along s and along t."""
    detail: float = 1.0
    """Texels per metre, relative to other patches."""


def rectangle(
    corner: Sequence[float], right: Sequence[float], down: Sequence[float], painter: Painter, detail: float = 1.0
) -> Patch:
    """A flat rectangle from its top-left corner along two edges, as seen from free space."""
    origin, along, below = (np.asarray(vector, dtype=np.float64) for vector in (corner, right, down))
    size = (float(np.linalg.norm(along)), float(np.linalg.norm(below)))

    def place(s: Array, t: Array) -> Array:
        return origin + s[..., None] * along + t[..., None] * below

    return Patch(place, size, painter, (_cells(size[0]), _cells(size[1])), detail)


def box(
    low: Sequence[float], high: Sequence[float], painter: Painter, *, detail: float = 1.0, bottom: bool = False
) -> list[Patch]:
    """The sides and the top of an upright box, seen from outside, and its bottom if it does not stand on something."""
    (x, y, z), (dx, dy, dz) = low, np.subtract(high, low)
    top = z + dz
    faces = [
        ((x, y, top), (dx, 0, 0), (0, 0, -dz)),
        ((x + dx, y, top), (0, dy, 0), (0, 0, -dz)),
        ((x + dx, y + dy, top), (-dx, 0, 0), (0, 0, -dz)),
        ((x, y + dy, top), (0, -dy, 0), (0, 0, -dz)),
        ((x, y + dy, top), (dx, 0, 0), (0, -dy, 0)),
    ]
    if bottom:
        faces.append(((x, y, z), (dx, 0, 0), (0, dy, 0)))
    return [rectangle(*face, painter, detail) for face in faces]


def sphere(
    center: Sequence[float], radius: float, painter: Painter, *, detail: float = 1.0, cells: tuple[int, int] = (40, 20)
) -> Patch:
    """A sphere seen from outside; s is the longitude, t goes from pole to pole."""
    middle = np.asarray(center, dtype=np.float64)

    def place(s: Array, t: Array) -> Array:
        azimuth, polar = 2 * np.pi * s, np.pi * t
        direction = (np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar))
        return middle + radius * np.stack(direction, axis=-1)

    return Patch(place, (2 * np.pi * radius, np.pi * radius), painter, cells, detail)


def cylinder(
    base: Sequence[float], radius: float, height: float, painter: Painter, *, detail: float = 1.0, cells: int = 32
) -> list[Patch]:
    """The mantle and the lid of an upright cylinder."""
    foot = np.asarray(base, dtype=np.float64)

    def mantle(s: Array, t: Array) -> Array:
        azimuth = 2 * np.pi * s
        return foot + np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height * (1 - t)], axis=-1)

    def lid(s: Array, t: Array) -> Array:
        # A square onto a disc: x √(1 − y²/2), y √(1 − x²/2).
        x, y = 2 * s - 1, 1 - 2 * t
        u, v = x * np.sqrt(1 - y * y / 2), y * np.sqrt(1 - x * x / 2)
        return foot + np.stack([radius * u, radius * v, np.full_like(u, height)], axis=-1)

    around = (2 * np.pi * radius, height)
    return [
        Patch(mantle, around, painter, (cells, _cells(height)), detail),
        Patch(lid, (2 * radius, 2 * radius), painter, (cells // 4, cells // 4), detail),
    ]


def curtain(
    corner: Sequence[float], right: Sequence[float], height: float, painter: Painter, *, folds: int, depth: float
) -> Patch:
    """A hanging cloth in folds from its top-left corner, `depth` metres to either side of the line `right`."""
    origin, along = np.asarray(corner, dtype=np.float64), np.asarray(right, dtype=np.float64)
    length = float(np.linalg.norm(along))
    aside = np.cross(along / length, [0.0, 0.0, 1.0])

    def place(s: Array, t: Array) -> Array:
        wave = depth * np.sin(2 * np.pi * folds * s)
        hanging = origin + s[..., None] * along - t[..., None] * np.array([0.0, 0.0, height])
        return np.asarray(hanging + wave[..., None] * aside)

    return Patch(place, (1.3 * length, height), painter, (12 * folds, _cells(height)))


def grid(patch: Patch) -> tuple[Array, NDArray[np.int64], Array]:
    """Return vertices (V, 3), faces (F, 3), counter-clockwise seen from free space, and (s, t) of their corners (F, 3, 2)."""
    columns, rows = patch.cells
    s, t = np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1))
    index = np.arange(s.size).reshape(s.shape)
    left_top, right_top, left_bottom, right_bottom = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    halves = ([left_top, left_bottom, right_bottom], [left_top, right_bottom, right_top])
    faces = np.concatenate([np.stack(half, axis=-1).reshape(-1, 3) for half in halves])
    return patch.place(s, t).reshape(-1, 3), faces, np.stack([s, t], axis=-1).reshape(-1, 2)[faces]


def _cells(length_m: float) -> int:
    return max(1, round(length_m / _CELL_M))
