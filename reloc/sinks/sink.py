"""The protocol of a sink, and the fan-out that keeps one broken sink from stopping the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, runtime_checkable

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.sources.source import SourceInfo


@runtime_checkable
class Sink(Protocol):
    """Receives every estimate in order. `open` may raise `RelocError`; a failure later concerns this sink alone."""

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Make ready. `camera` is the full-size undistorted camera."""
        ...

    def write(self, estimate: Estimate) -> None:
        """Take one estimate. What has been written must survive a crash of the process right after."""
        ...

    def close(self) -> None:
        """Finish the files. Called once, also after a failure."""
        ...


logger = logging.getLogger(__name__)


class FanOut:
    """A sink that hands every estimate to several others and goes on without those that fail."""

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)
        self._failed: list[str] = []

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the sinks that failed and were dropped, in that order."""
        return tuple(self._failed)

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Open all; if one cannot be opened, let go of them all and raise its error, since nothing is lost yet."""
        for opened, sink in enumerate(self._sinks, 1):
            try:
                sink.open(info, camera)
            except BaseException:
                for begun in self._sinks[:opened]:
                    _failure(begun.close)
                self._sinks = []
                raise

    def write(self, estimate: Estimate) -> None:
        """Hand on an estimate; a sink that raises is logged, closed and left out from then on."""
        for sink in tuple(self._sinks):
            error = _failure(partial(sink.write, estimate))
            if error is not None:
                self._sinks.remove(sink)
                self._report(sink, error)
                _failure(sink.close)

    def close(self) -> None:
        """Close all that are left, whatever each of them does."""
        for sink in self._sinks:
            error = _failure(sink.close)
            if error is not None:
                self._report(sink, error)
        self._sinks = []

    def _report(self, sink: Sink, error: Exception) -> None:
        name = type(sink).__name__
        self._failed.append(name)
        logger.error("%s failed and is left out from now on; the others go on: %s: %s", name, type(error).__name__, error)


def _failure(act: Callable[[], None]) -> Exception | None:
    """Return what `act` raised, if it did."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever breaks in a viewer or on a disk, tracking goes on
        return error
    return None
