"""What can be chosen about rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge


@dataclass(frozen=True)
class RenderConfig:
    """Drawing the map."""

    backend: Literal["software", "pytorch3d"] = "software"
    """What draws the map: `software` is our z-buffer on one CPU core; `pytorch3d`, where it is installed, is for comparisons with
    align.solver=adam: without a graphics card it takes seconds to minutes a picture."""


@dataclass(frozen=True)
class PyTorch3dConfig:
    """PyTorch3D as the renderer (render.backend: pytorch3d)."""

    faces: Annotated[int, Ge(1)] = 20000
    """At most so many faces are drawn, the largest in the image first: time grows with faces times pixels (adam.width_px)."""
    faces_per_pixel: Annotated[int, Ge(1)] = 50
    """Masks: of so many faces, the nearest first, the soft silhouette of a pixel is put together."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it draws; `auto` takes a graphics card where there is one."""
