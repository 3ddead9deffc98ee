"""A part of a recording, from one frame to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol, runtime_checkable

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource


@runtime_checkable
class Cuttable(Protocol):
    """A source that can begin in its middle without reading what comes before."""

    def between(self, first: int, end: int | None) -> Iterator[RawFrame]:
        """Yield the frames at positions `first` up to but without `end`."""
        ...


def part_of(source: FrameSource, first: int, end: int | None) -> FrameSource:
    """Return a source of the frames at positions `first` up to but without `end` (None: to the last); indices and times stay.

    Frames before are read and passed over, unless the source knows a shorter way. Raises `SourceError` where nothing is left.
    """
    if first < 0 or (end is not None and end <= first):
        raise SourceError(f"A part of a recording goes from one frame to a later one, not from {first} to {end}")
    length = source.info.length
    if length is not None and first >= length:
        raise SourceError(f"A part of a recording begins at frame {first}, but there are only {length}")
    stop = length if end is None else end if length is None else min(end, length)
    info = replace(source.info, length=None if stop is None else stop - first)
    if isinstance(source, Cuttable):
        cuttable = source
        return DerivedSource(source, lambda _: cuttable.between(first, stop), info)
    return DerivedSource(source, lambda inner: islice(inner, first, stop), info)
