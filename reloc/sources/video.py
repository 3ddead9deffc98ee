"""A video file as a source, with the true time of every frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources.decode import MAX_PIXELS, Image
from reloc.sources.source import SourceInfo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".3gp", ".mjpeg")
VIDEO_SUFFIXES = frozenset({*_SUFFIXES, ".h264", ".h265", ".hevc"})

# What a recorder keeps colour of 16 bits in.
_DEEP_RGB = ("gbrp16le", "gbrp16be", "rgb48le", "rgb48be")
# How much of the declared length may be missing at the end: containers round, and the last frame's duration is a guess.
_SLACK_S = 0.1

_log = logging.getLogger(__name__)


class VideoFile:
    """Decodes the first video stream of a file.

    Times are the presentation times that the file states, as exact fractions rounded to nanoseconds; irregular ones are kept.
    Frames are turned upright as the file's rotation asks for, as players, ffmpeg and OpenCV do: a calibration is made from
    such frames. Colour comes as 8-bit RGB, or 16-bit where it is lossless RGB; grey with 8 or 16 bits.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._skipped = 0
        container = _open(path)
        try:
            stream = _video_stream(container, path)
            self._info = SourceInfo(
                path.name,
                live=False,
                length=stream.frames or None,
                camera=None,
                clock="video",
                kind="video",
                files=(path,),
            )
        finally:
            container.close()

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; `length` is what the header says."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many damaged pieces the latest reading has skipped so far."""
        return self._skipped

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames from the first. A file that breaks off raises `SourceError` after its last good frame."""
        self._skipped = 0
        container = _open(self._path)
        try:
            yield from self._frames(container, _video_stream(container, self._path))
        finally:
            container.close()

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[RawFrame]:
        index, latest_ns = 0, None
        for frame in self._decoded(container, stream):
            timestamp_ns = _timestamp_ns(frame, stream, index)
            if latest_ns is not None and timestamp_ns <= latest_ns:
                self._skip(f"a frame's time, {timestamp_ns} ns, is not later than the one before", index)
                continue
            yield RawFrame(index, timestamp_ns, upright_pixels(frame), f"{index:06d}")
            index, latest_ns = index + 1, timestamp_ns
        missing_s = _missing_s(container, stream, latest_ns)
        if index == 0 or missing_s > _SLACK_S:
            raise self._broken_off(index, f"{missing_s:.2f} s of its stated length are missing")

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield the good frames, stepping over damaged packets as long as good ones follow."""
        from av.error import FFmpegError

        count, damage = 0, ""
        try:
            for packet in container.demux(stream):
                try:
                    good = [frame for frame in packet.decode() if not frame.is_corrupt]
                except FFmpegError as error:
                    damage = error.strerror or str(error)
                    self._skip(damage, count)
                    continue
                if packet.size:  # the empty packet at the end only brings out what the decoder had held back
                    damage = ""
                count += len(good)
                yield from good
        except FFmpegError as error:
            raise self._broken_off(count, error.strerror or str(error)) from error
        if damage:
            raise self._broken_off(count, damage)

    def _skip(self, reason: str, index: int) -> None:
        self._skipped += 1
        _log.warning("Something was skipped after %d frames of a video: %s [%s]", index, reason, self._path)

    def _broken_off(self, count: int, reason: str) -> SourceError:
        of = f" of {self._info.length}" if self._info.length else ""
        return SourceError(f"A video breaks off: {count}{of} frames were read, then: {reason}", self._path)

    def __enter__(self) -> Self:
        """Do nothing: each reading opens the file for itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: the iterator closes the file."""


def _open(path: Path) -> InputContainer:
    import av

    try:
        # An absolute path, so that no name can be taken for a protocol.
        container: InputContainer = av.open(str(path.resolve()), mode="r", metadata_errors="replace")
    except av.FFmpegError as error:
        hint = "Is it complete? An MP4 whose recording was interrupted has no index"
        raise SourceError(f"A video could not be opened: {error.strerror or error}. {hint}", path) from error
    return container


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise SourceError("A file holds no video stream", path)
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise SourceError("A video is coded in a way that cannot be decoded here", path)
    if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
        raise SourceError(f"A video's images are larger than {MAX_PIXELS} pixels", path)
    return stream


def _timestamp_ns(frame: VideoFrame, stream: VideoStream, index: int) -> int:
    """Return the presentation time; a bare bitstream has none, so its frames are counted at the stated rate."""
    if frame.pts is None or frame.time_base is None:
        return round(index * NANOSECONDS_PER_SECOND / Fraction(stream.guessed_rate or 30))
    return round(frame.pts * Fraction(frame.time_base) * NANOSECONDS_PER_SECOND)


def _missing_s(container: InputContainer, stream: VideoStream, latest_ns: int | None) -> float:
    """Return how many seconds lie between the last frame's end and the length that the header states; 0 where it states none."""
    if latest_ns is None or stream.time_base is None:
        return 0.0
    if stream.duration is not None:
        end = ((stream.start_time or 0) + stream.duration) * stream.time_base
    elif container.duration is not None and len(container.streams) == 1:
        end = Fraction((container.start_time or 0) + container.duration, 1_000_000)
    else:
        return 0.0
    period = 1 / Fraction(stream.average_rate or 30)
    return float(end - Fraction(latest_ns, NANOSECONDS_PER_SECOND) - period)


def upright_pixels(frame: VideoFrame) -> Image:
    """Return the picture upright: RGB, or grey where the video is grey. Only lossless RGB is kept at 16 bits."""
    form = frame.format.name
    if form.startswith("gray"):
        wanted = "gray" if form == "gray" else "gray16le"
    else:
        wanted = "rgb48le" if form in _DEEP_RGB else "rgb24"
    pixels: NDArray[Any] = frame.to_ndarray(format=wanted)
    # `rotation` counts degrees anticlockwise, as np.rot90 does quarter turns.
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))
