"""Image files as a source: one, or many in order of time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.geometry.lens import LensCamera
from reloc.sources.decode import read_image
from reloc.sources.source import SourceInfo

DEFAULT_FPS = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageFile:
    """An image file and the time of its exposure."""

    path: Path
    timestamp_ns: int


def distinct_paths(files: Iterable[ImageFile]) -> tuple[Path, ...]:
    """Return the paths of some images, each once: of a video, there are many."""
    return tuple(dict.fromkeys(file.path for file in files))


class ImageSequence:
    """Reads image files one by one. One that is missing or damaged is skipped with a warning and leaves a gap in the indices."""

    def __init__(
        self,
        files: Sequence[ImageFile],
        *,
        name: str,
        clock: str,
        camera: LensCamera | None = None,
        groundtruth: Path | None = None,
        kind: str = "images",
    ) -> None:
        self._files = tuple(files)
        self._skipped = 0
        self._info = SourceInfo(
            name,
            live=False,
            length=len(files),
            camera=camera,
            clock=clock,
            groundtruth=groundtruth,
            kind=kind,
            files=distinct_paths(files),
        )

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; `length` counts files that may turn out to be damaged."""
        return self._info

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """The files in the order of the frames."""
        return self._files

    @property
    def skipped(self) -> int:
        """How many images the latest reading has skipped so far."""
        return self._skipped

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames from the first. Raises `SourceError` at the end if not one image could be read."""
        return self.between(0, None)

    def between(self, first: int, end: int | None) -> Iterator[RawFrame]:
        """Yield the frames from position `first` up to but without `end`, as all of them are yielded."""
        skipped = self._skipped = 0
        files = self._files[first:end]
        for index, file in enumerate(files, start=first):
            try:
                frame = RawFrame(index, file.timestamp_ns, read_image(file.path), file.path.name)
            except SourceError as error:
                skipped = self._skipped = skipped + 1
                _log.warning("Frame %d is skipped. %s", index, error)
            else:
                yield frame
        if skipped == len(files):
            raise SourceError(f"None of {len(files)} images could be read", self._files[0].path.parent)
        if skipped:
            _log.warning("%d of %d images of %s were skipped", skipped, len(files), self._info.name)

    def __enter__(self) -> Self:
        """Do nothing: files are opened one at a time."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: no file stays open."""


def open_images(paths: Sequence[Path], *, fps: float | None = None, name: str = "") -> ImageSequence:
    """Return the given image files, in the given order and `fps` (default 30) a second, as a source."""
    if not paths:
        raise SourceError("No image files were given")
    return ImageSequence(evenly_timed(paths, fps), name=name or paths[0].name, clock="frame number")


def evenly_timed(paths: Sequence[Path], fps: float | None) -> list[ImageFile]:
    """Give image number i the time i / `fps` (default 30), to the nearest nanosecond."""
    rate = DEFAULT_FPS if fps is None else fps
    if not (math.isfinite(rate) and rate > 0):
        raise SourceError(f"The frame rate must be a positive number of frames a second, not {rate}")
    period_ns = NANOSECONDS_PER_SECOND / Fraction(rate)  # exact, so that hours of frames do not drift
    return [ImageFile(path, round(index * period_ns)) for index, path in enumerate(paths)]
