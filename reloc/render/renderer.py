"""The protocol of a renderer: visibility first, colour only where somebody asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3

NO_FACE = -1


@dataclass(frozen=True, eq=False)
class Rendering:
    """The front-most surface at the centre of every pixel."""

    camera: PinholeCamera
    camera_from_world: SE3
    face_id: NDArray[np.int32]
    """(H, W) index into the mesh's faces, `NO_FACE` where the map covers nothing."""
    depth: NDArray[np.float32]
    """(H, W) z in camera space in metres, 0 where the map covers nothing."""
    weights: NDArray[np.float32]
    """(H, W, 2) barycentric weights of the face's second and third corner there; the first has what is left of 1."""

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(H, W), true where the map covers the pixel."""
        return np.not_equal(self.face_id, NO_FACE)

    @property
    def coverage(self) -> float:
        """Share 0..1 of the pixels that the map covers."""
        return float(np.count_nonzero(self.covered)) / self.face_id.size


@runtime_checkable
class Renderer(Protocol):
    """Draws one mesh, given at construction. It knows nothing of alignment."""

    def render(self, camera: PinholeCamera, camera_from_world: SE3) -> Rendering:
        """Return which face is in front at every pixel."""
        ...

    def shade(self, rendering: Rendering, *, color: bool) -> NDArray[np.float32]:
        """Return the luminance (H, W), or with `color` the RGB picture (H, W, 3), in 0..1; 0 where nothing is covered."""
        ...

    def facing(self, rendering: Rendering) -> NDArray[np.float32]:
        """Return (H, W) the cosine between outward normal and direction to the camera; 0 where nothing is covered."""
        ...
