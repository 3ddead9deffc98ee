"""The protocols of renderers of colours and outlines that can be differentiated by the pose. Who fulfils them imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from reloc.geometry.camera import PinholeCamera

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture of the map that remembers how it came about."""

    color: Tensor
    """(3, H, W) RGB in 0..1, 0 where nothing is covered; differentiable by the pose."""
    covered: Tensor
    """(H, W), true where the map covers the pixel; it does not depend differentiably on anything."""


@runtime_checkable
class DifferentiableRenderer(Protocol):
    """Draws one mesh, given at construction, under ambient light: each point of the surface shows its texture's colour."""

    @property
    def device(self) -> str:
        """Where the tensors live: `cpu` or `cuda`."""
        ...

    def draw(self, camera: PinholeCamera, camera_from_world: Tensor) -> Drawing:
        """Return the picture from a pose, a matrix (4, 4)."""
        ...


@runtime_checkable
class SoftRenderer(Protocol):
    """Draws how far one mesh, given at construction, covers each pixel: softly at its outline, which so has a gradient."""

    @property
    def device(self) -> str:
        """Where the tensors live: `cpu` or `cuda`."""
        ...

    def alpha(self, camera: PinholeCamera, camera_from_world: Tensor) -> Tensor:
        """Return (H, W) in 0..1 from a pose, a matrix (4, 4): 1 well inside the outline, 0 well outside."""
        ...
