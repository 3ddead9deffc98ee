"""What a batch is to do: sequences, each with every configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, MinLen


@dataclass(frozen=True)
class Sequence:
    """A recording, and what `reloc track` is told about it. Paths are relative to the plan."""

    source: str
    """What `reloc track` takes: a recording, a dataset, a video, or a pattern. A pattern of several recordings stands for all of
    them."""
    name: str | None = None
    """What its results are called; by default after the source."""
    map: str | None = None
    """The mesh; by default the recording's own."""
    camera: str | None = None
    """The calibration; by default the recording's own."""
    init: str | None = None
    """The first pose, a trajectory that holds it, or `groundtruth` for what the recording brings along; by default the camera is
    looked for in the whole map."""
    index: str | None = None
    """The known views of the map, as `reloc map index` wrote them; by default those kept in the cache."""
    groundtruth: str | None = None
    """What to compare with; by default what the recording brings along."""
    mask: str | None = None
    """What to ignore in the images."""
    every: Annotated[int, Ge(1)] | None = None
    """Use each n-th frame only."""
    fps: Annotated[float, Gt(0)] | None = None
    """Frames a second of images that bring no timestamps."""


@dataclass(frozen=True)
class Defaults:
    """What holds for every sequence that does not say otherwise."""

    map: str | None = None
    """As of a sequence."""
    camera: str | None = None
    """As of a sequence."""
    init: str | None = None
    """As of a sequence."""
    index: str | None = None
    """As of a sequence."""
    mask: str | None = None
    """As of a sequence."""
    every: Annotated[int, Ge(1)] | None = None
    """As of a sequence."""
    fps: Annotated[float, Gt(0)] | None = None
    """As of a sequence."""


@dataclass(frozen=True)
class Configuration:
    """Settings to track every sequence with."""

    name: str
    """What its results are called."""
    config: str | None = None
    """A file of settings; see `reloc config`."""
    set: tuple[str, ...] = ()
    """Single settings over it, such as align.iterations=12."""


@dataclass(frozen=True)
class Chunks:
    """Long sequences in pieces that run side by side, and are joined."""

    frames: Annotated[int, Ge(2)]
    """Length of a piece, without what it has in common with the one before."""
    overlap: Annotated[int, Ge(1)] = 15
    """Frames that a piece begins before the end of the last one, to get going and to be compared."""


@dataclass(frozen=True)
class Plan:
    """A batch."""

    sequences: Annotated[tuple[Sequence, ...], MinLen(1)]
    """What to track."""
    configurations: tuple[Configuration, ...] = ()
    """With what to track it; by default once, with the default settings."""
    defaults: Defaults = Defaults()
    """What holds for all sequences."""
    chunks: Chunks | None = None
    """How to cut long sequences; by default they stay whole."""
