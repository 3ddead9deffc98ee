"""A recording whose frames are kept as video files: pictures from the videos, times from timestamps.txt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.sources.images import ImageFile, distinct_paths
from reloc.sources.source import SourceInfo
from reloc.sources.video import VideoFile

_NANOSECONDS_PER_MILLISECOND = 1_000_000

_log = logging.getLogger(__name__)


def next_presentation_ms(timestamp_ns: int, first_ns: int, latest_ms: int | None) -> int:
    """Return the time in its video, in milliseconds, of a frame at `timestamp_ns`; the first of the video was at `first_ns`.

    Matroska counts milliseconds, so frames that are closer than that are moved apart: `latest_ms` is the time of the one before.
    The recorder and the reader both count like this, which tells the reader what line of timestamps.txt a picture belongs to.
    """
    rounded = (timestamp_ns - first_ns + _NANOSECONDS_PER_MILLISECOND // 2) // _NANOSECONDS_PER_MILLISECOND
    return rounded if latest_ms is None else max(rounded, latest_ms + 1)


class VideoRecording:
    """Reads video files in turn. What is missing or damaged is skipped with a warning and leaves gaps in the indices."""

    def __init__(
        self,
        frames: Sequence[ImageFile],
        *,
        name: str,
        clock: str,
        camera: LensCamera | None = None,
        groundtruth: Path | None = None,
        kind: str = "recording",
    ) -> None:
        """Take the lines of timestamps.txt: one a frame, each with the path of the video that holds it."""
        self._frames = tuple(frames)
        self._skipped = 0
        self._info = SourceInfo(
            name,
            live=False,
            length=len(frames),
            camera=camera,
            clock=clock,
            groundtruth=groundtruth,
            kind=kind,
            files=distinct_paths(frames),
        )

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; `length` counts frames that may turn out to be damaged."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many frames the latest reading has missed so far."""
        return self._skipped

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames from the first. Raises `SourceError` at the end if not one could be read."""
        self._skipped = first = 0
        for path, group in groupby(self._frames, key=lambda frame: frame.path):
            times_ns = [frame.timestamp_ns for frame in group]
            missing = len(times_ns)
            for position, frame in self._segment(path, times_ns):
                missing -= 1
                index = first + position
                yield RawFrame(index, times_ns[position], frame.image, f"{index:06d}")
            self._skipped += missing
            first += len(times_ns)
        if self._skipped == len(self._frames):
            raise SourceError(f"None of {len(self._frames)} frames could be read", self._frames[0].path.parent)
        if self._skipped:
            _log.warning("%d of %d frames of %s are missing", self._skipped, len(self._frames), self._info.name)

    def _segment(self, path: Path, times_ns: list[int]) -> Iterator[tuple[int, RawFrame]]:
        """Yield the pictures of a video with their positions in `times_ns`, and nothing beyond the last that is listed."""
        positions = {time_ms: position for position, time_ms in enumerate(_presentation_times_ms(times_ns))}
        try:
            for frame in VideoFile(path):
                position = positions.pop(frame.timestamp_ns // _NANOSECONDS_PER_MILLISECOND, None)
                if position is not None:
                    yield position, frame
                if not positions:
                    return
        except SourceError as error:
            _log.warning("A part of a recording cannot be read. %s", error)

    def __enter__(self) -> Self:
        """Do nothing: files are opened one at a time."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: the iterator closes the file."""


def _presentation_times_ms(times_ns: list[int]) -> Iterator[int]:
    latest_ms = None
    for time_ns in times_ns:
        latest_ms = next_presentation_ms(time_ns, times_ns[0], latest_ms)
        yield latest_ms
