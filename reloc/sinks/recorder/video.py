"""The frames of a recording as video: Matroska files that can be read up to the last frame when the writer is killed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reloc.errors import OutputError
from reloc.frame import RawFrame
from reloc.geometry.trajectory import format_seconds
from reloc.sources.decode import Image
from reloc.sources.video_recording import next_presentation_ms

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_MILLISECOND = Fraction(1, 1000)
# A damaged file costs no more than this, and what the muxer keeps in memory for its index stays small.
_LONGEST_SEGMENT_NS = 600 * 10**9
# Matroska is written in clusters, and one that is not complete is lost when the process dies: here each holds one frame.
_CONTAINER = {"cluster_time_limit": "1", "flush_packets": "1"}


@dataclass(frozen=True)
class Codec:
    """How a video is coded."""

    name: str
    options: dict[str, str]
    exact: bool


LOSSLESS = Codec("ffv1", {"level": "3", "slicecrc": "1", "g": "1"}, exact=True)
H264 = Codec("libx264", {"preset": "veryfast", "tune": "zerolatency", "crf": "18", "g": "30"}, exact=False)


class VideoSegments:
    """Writes frames to `video/NUMBER.mkv`; a new file begins after ten minutes, or when the images change their size or kind.

    The container knows times in milliseconds only; timestamps.txt holds the exact ones, in the same order.
    """

    def __init__(self, folder: Path, codec: Codec) -> None:
        self._folder, self._codec = folder, codec
        self._count = 0
        self._segment: _Segment | None = None

    def write(self, raw: RawFrame) -> list[str]:
        """Encode a frame; return the lines of timestamps.txt of those that have reached the disk."""
        lines = []
        if self._segment is not None and not self._segment.takes(raw):
            lines = self.close()
        if self._segment is None:
            self._segment = self._begin(raw)
        return lines + self._segment.write(raw)

    def close(self) -> list[str]:
        """Finish the file; return the lines of timestamps.txt of its last frames."""
        segment, self._segment = self._segment, None
        return [] if segment is None else segment.close()

    def _begin(self, raw: RawFrame) -> _Segment:
        name = f"video/{self._count:06d}.mkv"
        self._count += 1
        return _Segment(self._folder, name, self._codec, raw)


class _Segment:
    """One video file."""

    def __init__(self, folder: Path, name: str, codec: Codec, first: RawFrame) -> None:
        self._path, self._name = folder / name, name
        self._shape, self._dtype, self._first_ns = first.image.shape, first.image.dtype, first.timestamp_ns
        self._given, self._coded = pixel_formats(first.image, exact=codec.exact)
        self._latest_ms: int | None = None
        self._lines: dict[int, str] = {}
        self._container, self._stream = self._open(codec)

    def takes(self, raw: RawFrame) -> bool:
        """Tell whether a frame can go into this file."""
        same = raw.image.shape == self._shape and raw.image.dtype == self._dtype
        return same and raw.timestamp_ns - self._first_ns < _LONGEST_SEGMENT_NS

    def write(self, raw: RawFrame) -> list[str]:
        """Encode a frame. Its own line is kept until the next one has pushed it to the disk."""
        import av

        self._latest_ms = next_presentation_ms(raw.timestamp_ns, self._first_ns, self._latest_ms)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(raw.image), format=self._given).reformat(format=self._coded)
        frame.pts, frame.time_base = self._latest_ms, _MILLISECOND
        safe = self._mux(frame)
        self._lines[self._latest_ms] = f"{format_seconds(raw.timestamp_ns)} {self._name}"
        # A packet is on the disk once a later one has closed its cluster.
        return [self._lines.pop(time_ms) for time_ms in sorted(self._lines) if safe is not None and time_ms < safe]

    def close(self) -> list[str]:
        """Write the end of the file."""
        import av

        try:
            self._mux(None)
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._error(error) from error
        return [self._lines[time_ms] for time_ms in sorted(self._lines)]

    def _mux(self, frame: Any) -> int | None:
        """Encode and write; return the time of the latest packet that was written, in milliseconds."""
        import av

        try:
            packets = self._stream.encode(frame)
            # The muxer may rescale the times of a packet that it is given.
            times = [round(packet.pts * packet.time_base * 1000) for packet in packets if packet.pts is not None]
            self._container.mux(packets)
        except (av.FFmpegError, OSError) as error:
            raise self._error(error) from error
        return max(times, default=None)

    def _open(self, codec: Codec) -> tuple[OutputContainer, VideoStream]:
        import av

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            container = av.open(str(self._path.resolve()), "w", format="matroska", options=_CONTAINER)
            stream: Any = container.add_stream(codec.name, rate=30, options=codec.options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._error(error) from error
        stream.height, stream.width = self._shape[:2]
        stream.pix_fmt = self._coded
        stream.time_base = stream.codec_context.time_base = _MILLISECOND
        # The tracker wants the other cores.
        stream.codec_context.thread_count = 1
        return container, stream

    def _error(self, error: Exception) -> OutputError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return OutputError(f"cannot write the video: {reason}; check the folder, rights and free space", self._path)


def pixel_formats(image: Image, *, exact: bool) -> tuple[str, str]:
    """Return FFmpeg's names for the pixels of `image` and for those that the codec is to keep.

    Raises `OutputError` for 16 bits where the codec is not exact.
    """
    if image.dtype != np.uint8 and not exact:
        raise OutputError(f"H.264 cannot hold images of {image.dtype}; 8 bits were expected: choose png or ffv1 instead")
    grey, deep = image.ndim == 2, image.dtype != np.uint8
    if grey:
        return ("gray16le", "gray16le") if deep else ("gray", "gray")
    if deep:
        return "rgb48le", "gbrp16le"
    if exact:
        return "rgb24", "bgr0"
    # Halved colour needs even sizes.
    return "rgb24", "yuv420p" if image.shape[0] % 2 == 0 and image.shape[1] % 2 == 0 else "yuv444p"
