"""The map that a camera is tracked against: an immutable textured triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """Triangles with colour, either from textures through uv or from colours at the vertices. Metres, world frame."""

    vertices: NDArray[np.float32]
    """(V, 3) positions."""
    faces: NDArray[np.int32]
    """(F, 3) indices of vertices, counter-clockwise seen from free space."""
    uv: NDArray[np.float32]
    """(F, 3, 2) texture coordinates of the corners, origin at the top-left CORNER of the texture, u right, v down, in 0..1;
    (0, 3, 2) where the mesh has colours at the vertices instead."""
    material: NDArray[np.int16]
    """(F,) index into `textures`; zeros where there are none."""
    textures: tuple[NDArray[np.uint8], ...]
    """RGB images (H, W, 3), one a material; empty for colours at the vertices."""
    vertex_colors: NDArray[np.uint8] | None = None
    """(V, 3) RGB, or None where there are textures."""
    name: str = ""
    derived: Path | None = None
    """Folder in the cache where what is computed from this mesh (texture levels) may be kept, or None."""

    @property
    def bounds(self) -> NDArray[np.float32]:
        """The corners (2, 3), smallest and largest, of the axis-aligned box around the vertices."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @property
    def center(self) -> NDArray[np.float64]:
        """(3,) the middle of that box."""
        return np.asarray(self.bounds.mean(axis=0), np.float64)
