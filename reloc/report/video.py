"""A run as a video: each image with the map laid over it as seen from the estimated pose, and what the run says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reloc.errors import OutputError
from reloc.evaluate.frames import RunFrames
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.render.renderer import Renderer
from reloc.report.pictures import View, known_verdict, view_of, with_verdict
from reloc.sinks import pictures
from reloc.sinks.pictures import Picture
from reloc.undistort import Undistorter

_WIDTH_PX = 960
_OPACITY = 0.35
# The clock of the file; times are those of the recording, so that it plays as fast as the camera moved.
_CLOCK = Fraction(1, 10_000)
_USUAL_RATE = 30
_OPTIONS = {"preset": "veryfast", "crf": "21"}


def write_video(
    path: Path,
    source: Iterable[RawFrame],
    frames: RunFrames,
    undistorter: Undistorter,
    renderer: Renderer,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write an MP4 file (H.264) in one step, and return how many frames it has; `progress` gets how many have been read.

    Raises `OutputError` where it cannot be written, or none of the images belongs to a frame of the run.
    """
    rows = {int(time_ns): row for row, time_ns in enumerate(frames.timestamps_ns)}
    temporary = path.parent / f".{path.stem}.{os.getpid()}{path.suffix}"
    count = 0
    try:
        with _File(temporary) as file:
            for read, raw in enumerate(source, start=1):
                row = rows.get(raw.timestamp_ns)
                if row is not None:
                    file.write(overlay(raw, frames, row, undistorter, renderer), raw.timestamp_ns)
                    count += 1
                progress(read)
                if count == len(rows):
                    break
        if count == 0:
            raise OutputError("none of the images was taken at the time of a frame of the run: is this the right source?", path)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot write the video: {error.strerror or error}; check the folder and free space", path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return count


def overlay(raw: RawFrame, frames: RunFrames, row: int, undistorter: Undistorter, renderer: Renderer) -> Picture:
    """Return the picture (H, W, 3) of a frame, of even width and height; where there is no pose, the map is not laid over."""
    verdict = known_verdict(str(frames.verdicts[row]))
    lost = verdict is not None and verdict.is_lost
    if lost or not frames.has_pose[row]:
        _, picture = undistorter(raw).rectify()
        width = min(picture.shape[1], _WIDTH_PX)
        size = width, round(picture.shape[0] * width / picture.shape[1])
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        picture = _laid_over(view_of(raw, frames, row, undistorter, renderer, _WIDTH_PX))
    even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
    return with_verdict(even, frames, row)


def _laid_over(view: View) -> Picture:
    """Return the image with a part of the rendering in it, and its strong edges on it."""
    result = pictures.blend(view.image, view.rendering, view.covered, _OPACITY)
    result[pictures.strong_edges(view.rendering, view.covered)] = pictures.EDGE_COLOR
    return result


class _File:
    """The video file while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container: Any = None
        self._stream: Any = None
        self._first_ns = self._latest = 0

    def __enter__(self) -> _File:
        import av

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._path), "w", format="mp4", options={"movflags": "faststart"})
        except av.FFmpegError as error:
            raise self._error(error) from error
        return self

    def write(self, picture: Picture, timestamp_ns: int) -> None:
        """Append a picture (H, W, 3); all have the size of the first."""
        import av

        try:
            if self._stream is None:
                self._begin(picture, timestamp_ns)
            height, width = self._stream.height, self._stream.width
            if picture.shape[:2] != (height, width):
                picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
            time = round(Fraction(timestamp_ns - self._first_ns, NANOSECONDS_PER_SECOND) / _CLOCK)
            # Two frames at one tick of the clock would be refused.
            self._latest = max(time, self._latest + 1)
            frame.pts, frame.time_base = self._latest, _CLOCK
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise self._error(error) from error

    def _begin(self, picture: Picture, timestamp_ns: int) -> None:
        self._stream = self._container.add_stream("libx264", rate=_USUAL_RATE, options=_OPTIONS)
        self._stream.height, self._stream.width = picture.shape[:2]
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = _CLOCK
        self._stream.codec_context.thread_count = 1
        self._first_ns, self._latest = timestamp_ns, -1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        import av

        try:
            if self._stream is not None and kind is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except av.FFmpegError as failure:
            if kind is None:
                raise self._error(failure) from failure

    def _error(self, error: Exception) -> OutputError:
        return OutputError(f"cannot write the video: {error}; check the folder, rights and free space", self._path)
