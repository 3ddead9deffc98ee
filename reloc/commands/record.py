"""`reloc record`: a camera, or any other source, into a recording."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from reloc.commands.options import CameraOption
from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.node import StopFlag, stop_on_signals
from reloc.sinks.recorder import Recorder, RecordFormat
from reloc.sources.live import CAMERAS, open_camera
from reloc.sources.open import open_source
from reloc.sources.options import CameraOptions
from reloc.sources.source import FrameSource

EXAMPLES = """
reloc record webcam:0 --camera webcam.yaml --out recordings/desk
reloc record realsense --duration 20
reloc record bag.mcap --out recordings/bag --format ffv1
"""

_SHOWN_EVERY_S = 0.5


def record(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A camera, or anything else that `reloc track` takes.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="A new folder. [default: recordings/DATE-TIME]", show_default=False),
    ] = None,
    form: Annotated[
        RecordFormat, typer.Option("--format", help="png and ffv1 keep every bit; jpg and h264 are smaller and do not.")
    ] = RecordFormat.PNG,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0.0, metavar="SECONDS", help="Stop after so long. [default: at Ctrl-C]")
    ] = None,
    camera: CameraOption = None,
    fps: Annotated[
        float | None, typer.Option("--fps", help="Frames a second of images that bring no timestamps. [default: 30]")
    ] = None,
) -> None:
    """Record frames, their times and the calibration into a folder that `reloc track` replays.

    Where the disk is too slow for a camera, frames are left out and counted. Ctrl-C ends the recording; a recording whose
    process is killed can be read up to its last frames.

    Ends with 0 if it is done, 1 after an error such as a full disk, 2 for wrong usage.
    """
    folder = Path("recordings") / datetime.now().strftime("%Y%m%d-%H%M%S") if out is None else out
    lens = None if camera is None else load_calibration(camera)
    recorder = Recorder(folder, form=form)
    with _opened(source, fps) as opened, stop_on_signals() as stop:
        recorder.open(opened.info, lens or opened.info.camera)
        try:
            _record(opened, recorder, duration, stop)
        finally:
            recorder.close()
    if recorder.failure is not None:
        raise recorder.failure
    if recorder.written == 0:
        raise SourceError("there was nothing to record: the source gave no frame", source)
    print(f"{folder}: {recorder.written} frames{_left_out(recorder)}")
    if lens is None and opened.info.camera is None:
        print("The source brings no calibration: add camera.yaml to the folder, or give --camera when you track it.")


def _opened(spec: str, fps: float | None) -> FrameSource:
    """Return a camera, or a recording at no pace of its own: as fast as the disk takes it."""
    if spec.startswith("/dev/") or spec.partition(":")[0].lower() in CAMERAS:
        return open_camera(spec, CameraOptions(fps=fps))
    return open_source(spec, fps=fps)


def _record(source: FrameSource, recorder: Recorder, duration_s: float | None, stop: StopFlag) -> None:
    """Hand frames to the recorder until there is no more, the time is over, the disk is full or somebody asks to stop."""
    progress = _Progress(recorder)
    for raw in _within(source, duration_s):
        recorder.put(raw)
        progress.show()
        if stop() or recorder.failure is not None:
            break
    progress.end()


def _within(source: FrameSource, duration_s: float | None) -> Iterator[RawFrame]:
    """Yield the frames of the first `duration_s` on the source's own clock."""
    end_ns = None
    for raw in source:
        if end_ns is None and duration_s is not None:
            end_ns = raw.timestamp_ns + round(duration_s * NANOSECONDS_PER_SECOND)
        if end_ns is not None and raw.timestamp_ns >= end_ns:
            return
        yield raw


class _Progress:
    """How far it is, on a line of a terminal."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._is_shown = recorder, sys.stderr.isatty()
        self._next_s = 0.0

    def show(self) -> None:
        now_s = time.monotonic()
        if self._is_shown and now_s >= self._next_s:
            self._next_s = now_s + _SHOWN_EVERY_S
            print(f"\r{self._recorder.written} frames{_left_out(self._recorder)} (Ctrl-C to stop)", end="", file=sys.stderr)

    def end(self) -> None:
        if self._is_shown:
            print(file=sys.stderr)


def _left_out(recorder: Recorder) -> str:
    return f", {recorder.dropped} left out" if recorder.dropped else ""
