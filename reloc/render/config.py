"""What can be chosen about rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RenderConfig:
    """Drawing the map."""

    backend: Literal["software"] = "software"
    """What draws the map: `software` is our z-buffer on one CPU core."""
