from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.clock import Clock, age_s
from reloc.sources.latest import latest_only
from reloc.sources.options import CameraOptions, Transport
from reloc.sources.source import FrameSource
from reloc.sources.stream import NetworkStream, open_stream
from tests.unit.sources.made import ListSource, frames, picture, write_video
from tests.unit.sources.servers import HttpCamera, RtspCamera, motion_jpeg

_MULTIPART = "multipart/x-mixed-replace; boundary=frame"
_TICKS = [9000 + 3000 * i + 7 * (i % 3) for i in range(12)]
_IMPATIENT = CameraOptions(timeout_s=1.0)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture(seed) for seed in range(len(_TICKS))]


def _until_error(source: FrameSource) -> tuple[list[RawFrame], str]:
    got: list[RawFrame] = []
    with source, pytest.raises(SourceError) as error:
        got.extend(source)
    return got, str(error.value)


def _difference(frame: RawFrame, made: np.ndarray) -> float:
    return float(np.abs(frame.image.astype(int) - made).mean())


def test_motion_jpeg_over_http_arrives_picture_by_picture_with_the_time_of_arrival(pictures: list[np.ndarray]) -> None:
    with HttpCamera(_MULTIPART, motion_jpeg(pictures)) as camera:
        source = NetworkStream(f"http://{camera.address}/video", _IMPATIENT)
        begun_ns = time.monotonic_ns()
        got, message = _until_error(source)
    assert [frame.index for frame in got] == list(range(len(pictures)))
    assert all(_difference(frame, made) < 8 for frame, made in zip(got, pictures, strict=True))
    times_ns = [frame.timestamp_ns for frame in got]
    assert times_ns == sorted(times_ns)
    assert begun_ns < times_ns[0]
    assert times_ns[-1] < time.monotonic_ns()
    assert source.info.clock == Clock.MONOTONIC
    age = age_s(source.info.clock, times_ns[-1])
    assert age is not None
    assert 0 < age < 60
    assert message.startswith("A network stream")


def test_h264_over_rtsp_arrives_with_the_times_of_its_sender(pictures: list[np.ndarray]) -> None:
    with RtspCamera(pictures, _TICKS) as camera:
        source = NetworkStream(f"rtsp://user:secret@{camera.address}/live", _IMPATIENT)
        got, message = _until_error(source)
    assert camera.requests[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    # FFmpeg knows no time for the first frame of RTP, and that of the others counts from it.
    assert [frame.index for frame in got] == list(range(1, len(pictures)))
    assert all(_difference(frame, made) < 8 for frame, made in zip(got, pictures[1:], strict=True))
    assert [frame.timestamp_ns for frame in got] == [round((tick - _TICKS[0]) * 1e9 / 90_000) for tick in _TICKS[1:]]
    assert source.info.clock == Clock.STREAM
    assert source.info.live
    assert "secret" not in message + source.info.name
    assert age_s(source.info.clock, got[0].timestamp_ns) is None


@pytest.mark.parametrize("protocol", ["http", "rtsp"])
def test_a_stream_that_hangs_is_an_error_after_the_patience(pictures: list[np.ndarray], protocol: str) -> None:
    with (
        HttpCamera(_MULTIPART, motion_jpeg(pictures[:4]), then_hangs=True) as http,
        RtspCamera(pictures[:4], _TICKS[:4], then_hangs=True) as rtsp,
    ):
        address = {"http": http.address, "rtsp": rtsp.address}[protocol]
        begun_s = time.monotonic()
        got, message = _until_error(NetworkStream(f"{protocol}://{address}/", _IMPATIENT))
        assert 0.9 < time.monotonic() - begun_s < 15
    assert len(got) >= 3
    assert "broke off" in message


def test_nobody_there_and_something_else_there_are_errors_that_say_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for scheme in ("rtsp", "http"):
        _, message = _until_error(NetworkStream(f"{scheme}://me:secret@127.0.0.1:{port}/a", _IMPATIENT))
        assert "could not be opened" in message
        assert "refused" in message
        assert "password" in message
        assert message.endswith(f"[{scheme}://127.0.0.1:{port}/a]") or f"127.0.0.1:{port}/a" in message
        assert "secret" not in message
    with HttpCamera("text/html", [b"<html>hello</html>" * 100]) as page:
        _, message = _until_error(NetworkStream(f"http://{page.address}/", _IMPATIENT))
    assert "could not be opened" in message


def test_a_recording_on_a_server_is_refused_since_it_is_not_live(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.mp4", pictures, _TICKS, options={"movflags": "faststart"})
    with HttpCamera("video/mp4", [(tmp_path / "a.mp4").read_bytes()]) as server:
        _, message = _until_error(NetworkStream(f"http://{server.address}/a.mp4", _IMPATIENT))
    assert "recording" in message
    assert "download" in message


def test_a_playlist_from_the_network_cannot_name_files_of_this_computer(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.ts", pictures, _TICKS)
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path / 'a.ts'}\n".encode()
    with HttpCamera("application/vnd.apple.mpegurl", [playlist]) as server:
        got, _ = _until_error(NetworkStream(f"http://{server.address}/a.m3u8", _IMPATIENT))
    assert not got


def test_whoever_is_slow_gets_the_newest_frame(pictures: list[np.ndarray]) -> None:
    before = set(threading.enumerate())  # threads of other tests may still hang in the network
    with HttpCamera(_MULTIPART, motion_jpeg(pictures), endless=True) as camera:
        source = open_stream(f"http://{camera.address}/", CameraOptions(timeout_s=5.0))
        with source:
            stream = iter(source)
            first = next(stream)
            threading.Event().wait(0.5)
            later = [next(stream) for _ in range(2)]
            stream.close()  # type: ignore[attr-defined]
    assert later[0].index > first.index + 5
    # The newest when it was asked for, and not one that had waited in the network.
    assert later[1].timestamp_ns - later[0].timestamp_ns < 0.4e9
    assert "reloc-latest" not in [thread.name for thread in set(threading.enumerate()) - before]


def test_reading_ahead_ends_with_the_source_and_hands_on_its_error() -> None:
    source = ListSource(frames(1), error=SourceError("unplugged"), live=True)
    latest = latest_only(source)
    assert latest.info.live
    got, message = _until_error(latest)
    assert [frame.index for frame in got] == [0]
    assert message == "unplugged"
    assert [frame.index for frame in latest_only(ListSource(frames(1)))] == [0]


def test_the_thread_that_reads_ends_with_the_next_frame_even_if_the_source_does_not_care() -> None:
    before = set(threading.enumerate())
    source = ListSource(frames(2) * 100_000)
    stream = iter(latest_only(source))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert "reloc-latest" not in [thread.name for thread in set(threading.enumerate()) - before]
    assert len(source.read) < 200_000


def test_a_source_that_hangs_is_noticed() -> None:
    never = threading.Event()

    class Hanging(ListSource):
        def __exit__(self, *error: object) -> None:
            never.set()

    source = Hanging([])
    source.__class__.__iter__ = lambda self: iter(lambda: never.wait(30), True)  # type: ignore[method-assign, assignment]
    with pytest.raises(SourceError, match=r"no frame for 0\.1 s"):
        list(latest_only(source, 0.1))
    assert never.is_set()


@pytest.mark.parametrize(
    "options", [{"width": 640}, {"fps": 0}, {"exposure_us": float("nan")}, {"fourcc": "MJPEG"}, {"rate_hz": -1}]
)
def test_options_that_nothing_can_have_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(SourceError):
        CameraOptions(**options)  # type: ignore[arg-type]
    assert CameraOptions(fps=1).patience_s(1.0) == 3.0
    assert CameraOptions(fps=1, timeout_s=0.5).patience_s(1.0) == 0.5
    assert CameraOptions(transport=Transport.UDP).patience_s(5.0) == 5.0
