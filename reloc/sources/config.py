"""Settings of how recordings are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True)
class InputConfig:
    """How a recording is read."""

    read_ahead: Annotated[int, Ge(0), Le(64)] = 3
    """Images that a thread of its own decodes in advance; with 0 there is none, for where only one core is to be used."""
