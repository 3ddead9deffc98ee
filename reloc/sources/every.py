"""Every n-th frame of a source, as from a slower camera."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from reloc.errors import SourceError
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource


def every_nth(source: FrameSource, n: int) -> FrameSource:
    """Return a source of the frames at positions 0, n, 2n, ...; each keeps its index and time."""
    if n < 1:
        raise SourceError(f"Every n-th frame: n must be 1 or more, not {n}")
    length = source.info.length
    info = replace(source.info, length=None if length is None else -(-length // n))
    return DerivedSource(source, lambda inner: islice(inner, 0, None, n), info)
