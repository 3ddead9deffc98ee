"""The first frame before the others: the first pose may depend on its time."""

from __future__ import annotations

from itertools import chain

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource


def peeked(source: FrameSource) -> tuple[RawFrame, FrameSource]:
    """Return the first frame of an open source, and a source that yields it and then the others, to be read once.

    Raises `SourceError` if there is no frame.
    """
    frames = iter(source)
    first = next(frames, None)
    if first is None:
        raise SourceError(f"The source {source.info.name} holds no frame")
    return first, DerivedSource(source, lambda _: chain([first], frames))
