"""A source made of another one: frames left out, masked, disturbed or read ahead, without a class for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from reloc.frame import RawFrame
from reloc.sources.source import FrameSource, SourceInfo


class DerivedSource:
    """Yields what `frames` makes of `source`, and opens and closes it. `frames` is called once for each reading."""

    def __init__(
        self, source: FrameSource, frames: Callable[[FrameSource], Iterator[RawFrame]], info: SourceInfo | None = None
    ) -> None:
        self._source = source
        self._frames = frames
        self._info = info

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame: the inner source's facts unless others were given."""
        return self._source.info if self._info is None else self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames."""
        return self._frames(self._source)

    def __enter__(self) -> Self:
        """Open the inner source."""
        self._source.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the inner source."""
        self._source.__exit__(kind, error, trace)
