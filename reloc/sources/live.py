"""From what a user names as a camera to a live source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from reloc.errors import SourceError
from reloc.sources.open import open_source
from reloc.sources.options import CameraOptions
from reloc.sources.prefetch import prefetched
from reloc.sources.replay import replayed
from reloc.sources.source import FrameSource

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?::|$)")


def _realsense(spec: str, options: CameraOptions) -> FrameSource:
    from reloc.sources.realsense import open_realsense

    return open_realsense(spec.partition(":")[2] or None, options)


def _webcam(spec: str, options: CameraOptions) -> FrameSource:
    from reloc.sources.webcam import Webcam

    number = spec.partition(":")[2] or "0"
    if not number.isdecimal():
        raise SourceError(f"A webcam is named by its number, such as webcam:0, not “{number}”. `reloc cameras` lists them", spec)
    return Webcam(f"/dev/video{int(number)}", options)


def _device(spec: str, options: CameraOptions) -> FrameSource:
    from reloc.sources.webcam import Webcam

    return Webcam(spec, options)


def _stream(spec: str, options: CameraOptions) -> FrameSource:
    from reloc.sources.stream import open_stream

    return open_stream(spec, options)


# Another kind of camera is one file with a source, and a line here.
CAMERAS: Mapping[str, Callable[[str, CameraOptions], FrameSource]] = {
    "realsense": _realsense,
    "webcam": _webcam,
    "rtsp": _stream,
    "rtsps": _stream,
    "http": _stream,
    "https": _stream,
    "udp": _stream,
}


def open_camera(spec: str, options: CameraOptions | None = None) -> FrameSource:
    """Return the live source that `spec` names: `realsense[:SERIAL]`, `webcam:N`, `/dev/videoN`, a URL, or a recording.

    A recording is whatever `open_source` opens; it is played at `options.rate_hz`, or as fast as it was recorded.
    Raises `SourceError` that says what was found and what to do instead.
    """
    options = options or CameraOptions()
    if spec.startswith("/dev/"):
        return _device(spec, options)
    scheme = _SCHEME.match(spec)
    if scheme and scheme[1].lower() in CAMERAS:
        return CAMERAS[scheme[1].lower()](spec, options)
    source = open_source(spec)
    # Read ahead, so that decoding does not make the frames of a replay late.
    return source if source.info.live else replayed(prefetched(source), options.rate_hz)
