"""A network stream as a live source: RTSP, HTTP and what else FFmpeg receives."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources.clock import Clock
from reloc.sources.decode import MAX_PIXELS
from reloc.sources.latest import latest_only
from reloc.sources.options import CameraOptions
from reloc.sources.source import FrameSource, SourceInfo
from reloc.sources.video import upright_pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_USUAL_PATIENCE_S = 5.0
# Formats that carry no times: FFmpeg makes them up from a rate that it guesses.
_UNTIMED = frozenset({"mpjpeg", "mjpeg", "image2pipe", "jpeg_pipe", "png_pipe"})
# RTP gives no time to its first frame or two; after so many, none will come.
_UNTIMED_FRAMES = 30
_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")

_log = logging.getLogger(__name__)


def open_stream(url: str, options: CameraOptions | None = None) -> FrameSource:
    """Return the live source at `url`, drained all the time: whoever asks gets the newest frame."""
    options = options or CameraOptions()
    return latest_only(NetworkStream(url, options), 2 * options.patience_s(_USUAL_PATIENCE_S))


class NetworkStream:
    """Yields every frame of a stream in the order of their times.

    Timestamps are the sender's presentation times where the stream carries any, else the time of arrival. Whoever takes the
    frames too slowly gets old ones, since the network buffers them: see `open_stream`.
    """

    def __init__(self, url: str, options: CameraOptions | None = None, *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._url = url
        self._options = options or CameraOptions()
        self._patience_s = self._options.patience_s(_USUAL_PATIENCE_S)
        self._now_ns = now_ns
        self._left = False
        # Passwords do not belong in logs and recordings.
        self._info = SourceInfo(_CREDENTIALS.sub("", url), live=True, length=None, camera=None, clock=Clock.STREAM)

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; the clock is another one if the stream turns out to carry no times."""
        return self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames. Raises `SourceError` when the stream cannot be opened, breaks or ends."""
        self._left = False
        container = self._opened()
        try:
            stream = self._video(container)
            if container.format.name in _UNTIMED:
                self._info = replace(self._info, clock=Clock.MONOTONIC)
            yield from self._frames(container, stream)
        finally:
            container.close()

    def _opened(self) -> InputContainer:
        import av

        try:
            container: InputContainer = av.open(
                self._url,
                mode="r",
                metadata_errors="replace",
                options=_low_latency(self._options),
                timeout=(self._patience_s, self._patience_s),
            )
        except (av.FFmpegError, ValueError) as error:
            raise self._broken("could not be opened", error) from error
        if container.duration is not None:
            container.close()
            raise SourceError("This is a recording, not a live stream: download it, and name the file instead", self._info.name)
        return container

    def _video(self, container: InputContainer) -> VideoStream:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            raise SourceError("A network stream holds no video that can be decoded here", self._info.name)
        stream = container.streams.video[0]
        if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
            raise SourceError(f"A network stream's images are larger than {MAX_PIXELS} pixels", self._info.name)
        # Threads that decode several frames at once would hold each of them back for as many frames.
        stream.thread_type = "SLICE"
        return stream

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[RawFrame]:
        latest_ns: int | None = None
        for index, frame in enumerate(self._decoded(container, stream)):
            if frame.pts is None and latest_ns is None and index >= _UNTIMED_FRAMES:
                self._info = replace(self._info, clock=Clock.MONOTONIC)
            timestamp_ns = self._timestamp_ns(frame)
            if timestamp_ns is None or (latest_ns is not None and timestamp_ns <= latest_ns):
                _log.warning("A frame of %s is left out: it has no time, or none later than the one before", self._info.name)
            else:
                latest_ns = timestamp_ns
                yield RawFrame(index, timestamp_ns, upright_pixels(frame), f"{index:06d}")

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield the good frames, stepping over damaged packets for as long as we have patience."""
        import av

        good_ns = self._now_ns()
        try:
            for packet in container.demux(stream):
                if self._left:
                    return
                try:
                    frames = [frame for frame in packet.decode() if not frame.is_corrupt]
                except av.error.InvalidDataError:
                    frames = []
                if frames:
                    good_ns = self._now_ns()
                elif self._now_ns() - good_ns > self._patience_s * NANOSECONDS_PER_SECOND:
                    raise SourceError(f"A network stream gave only damaged images for {self._patience_s:g} s", self._info.name)
                yield from frames
        except av.FFmpegError as error:
            raise self._broken("broke off", error) from error
        raise SourceError("A network stream was ended by its sender", self._info.name)

    def _timestamp_ns(self, frame: VideoFrame) -> int | None:
        if self._info.clock == Clock.MONOTONIC:
            return self._now_ns()
        if frame.pts is None or frame.time_base is None:
            return None
        return round(frame.pts * Fraction(frame.time_base) * NANOSECONDS_PER_SECOND)

    def _broken(self, what: str, error: Exception) -> SourceError:
        reason = _CREDENTIALS.sub("", str(error))
        return SourceError(
            f"A network stream {what}: {reason}. Check the address, the user and password in it (rtsp://user:password@host/…), "
            "and that a player such as ffplay or VLC shows it from this computer",
            self._info.name,
        )

    def __enter__(self) -> Self:
        """Do nothing: each reading connects for itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let a reading end with its next packet; the iterator closes the connection."""
        self._left = True


def _low_latency(options: CameraOptions) -> Mapping[str, str]:
    """Return the options by which FFmpeg hands out packets as they come."""
    return {
        "flags": "low_delay",
        "fpsprobesize": "0",  # else it watches the stream for a while to learn a rate that nobody asks for
        "analyzeduration": "1000000",  # µs until the format must be known; the packets of that time are not lost
        "rtsp_transport": options.transport.value,
        "max_delay": "100000",  # µs that UDP packets out of order are waited for
        "reorder_queue_size": "16",
    }
