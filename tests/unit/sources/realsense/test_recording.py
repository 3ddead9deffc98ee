from __future__ import annotations

import gc
import signal
import sqlite3
import struct
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)  # without libusb it is there and cannot be loaded

from reloc.errors import SourceError  # noqa: E402
from reloc.geometry.lens import LensModel  # noqa: E402
from reloc.sources.realsense import is_realsense_recording, open_realsense_recording  # noqa: E402
from reloc.sources.source import FrameSource  # noqa: E402
from tests.tolerances import FLOAT32  # noqa: E402
from tests.unit.sources.realsense.soft import (  # noqa: E402
    NUMBERS,
    TIMES_MS,
    SoftCamera,
    color_picture,
    depth_picture,
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images; depth of all but the fourth, 2 ms after each, the first of them before its image is written."""
    camera = SoftCamera()

    def happen() -> None:
        camera.measure(depth_picture(0), NUMBERS[0], TIMES_MS[0] + 2)
        for i, (number, time_ms) in enumerate(zip(NUMBERS, TIMES_MS, strict=True)):
            camera.show(color_picture(i), number, time_ms)
            for _ in [] if i in (0, 3) else [i]:
                camera.measure(depth_picture(i), number, time_ms + 2)

    return camera.recorded(tmp_path_factory.mktemp("realsense") / "Küche.db3", happen)


def test_numbers_times_pixels_and_lens_are_those_that_were_recorded(recording: Path) -> None:
    source = open_realsense_recording(recording)
    assert isinstance(source, FrameSource)
    frames = list(source)
    assert [frame.name for frame in frames] == [f"{number:06d}" for number in NUMBERS]
    assert [frame.index for frame in frames] == [number - NUMBERS[0] for number in NUMBERS]
    assert [frame.timestamp_ns for frame in frames] == [round(time_ms * 1e6) for time_ms in TIMES_MS]
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, color_picture(i))
        assert frame.depth is None
    info = source.info
    assert (info.name, info.live, info.clock) == ("Küche.db3", False, "recording, device, hardware clock")
    lens = info.camera
    assert lens is not None
    assert (lens.model, lens.width, lens.height) == (LensModel.OPENCV, 64, 48)
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (60.5, 61.5, 31.25, 23.75)
    np.testing.assert_array_equal(lens.distortion, np.float32([0.1, -0.2, 0.003, -0.004]))


def test_images_keep_their_pixels_when_the_library_has_moved_on(recording: Path) -> None:
    frames = iter(open_realsense_recording(recording))
    first = next(frames)
    before = first.image.copy()
    list(frames)
    np.testing.assert_array_equal(first.image, before)
    assert first.image.flags.owndata


def test_depth_comes_with_its_image_in_metres_moved_into_its_pixels(recording: Path) -> None:
    frames = list(open_realsense_recording(recording, depth=True))
    assert [frame.name for frame in frames] == [f"{number:06d}" for number in NUMBERS]
    assert [i for i, frame in enumerate(frames) if frame.depth is None] == [3]
    for i, frame in enumerate(frames[:3] + frames[4:]):
        assert frame.depth is not None
        assert frame.depth.dtype == np.float32
        # The depth camera sits to the left: its view ends 60.5 · 0.05 / 2 = 1.5 pixels before the image's left edge.
        assert frame.depth.shape == (48, 64)
        np.testing.assert_allclose(frame.depth[20:28, 20:44], 2.0 + 0.001 * (i + (i >= 3)), rtol=FLOAT32)
        assert not frame.depth[10:-10, 0].any()


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("hardware_clock", "recording, device, hardware clock"),
        ("system_time", "recording, host, system time"),
        ("global_time", "recording, device, translated to the host's system time"),
    ],
)
def test_the_clock_of_the_timestamps_is_named(tmp_path: Path, domain: str, text: str) -> None:
    camera = SoftCamera()
    # A time of day in 2026, to the 0.24 µs that a double holds.
    times_ms = [1_795_000_000_000.125 + 33.25 * i for i in range(3)]
    path = camera.recorded(tmp_path / "a.db3", lambda: camera.show_all(times_ms, getattr(rs.timestamp_domain, domain)))
    source = open_realsense_recording(path)
    assert source.info.clock == text
    assert [frame.timestamp_ns for frame in source] == [1_795_000_000_000_125_000 + 33_250_000 * i for i in range(3)]


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("bgr8", lambda rgb: np.ascontiguousarray(rgb[..., ::-1]), lambda rgb: rgb),
        ("y8", lambda rgb: np.ascontiguousarray(rgb[..., 1]), lambda rgb: rgb[..., 1]),
    ],
)
def test_other_pixel_formats_become_rgb_or_grey(tmp_path: Path, name: str, stored: object, expected: object) -> None:
    camera = SoftCamera(getattr(rs.format, name))
    path = camera.recorded(tmp_path / "a.db3", lambda: camera.show(stored(color_picture(0)), 1, 1000.0))  # type: ignore[operator]
    (frame,) = open_realsense_recording(path)
    np.testing.assert_array_equal(frame.image, expected(color_picture(0)))  # type: ignore[operator]


def test_packed_yuv_becomes_the_colours_that_opencv_sees(tmp_path: Path) -> None:
    yuyv = np.random.default_rng(0).integers(16, 236, (48, 64, 2), np.uint8)
    camera = SoftCamera(rs.format.yuyv)
    path = camera.recorded(tmp_path / "a.db3", lambda: camera.show(yuyv, 1, 1000.0))
    (frame,) = open_realsense_recording(path)
    np.testing.assert_array_equal(frame.image[..., ::-1], cv2.cvtColor(yuyv, cv2.COLOR_YUV2BGR_YUYV))


def test_a_frame_that_is_not_later_than_the_one_before_is_left_out(tmp_path: Path) -> None:
    camera = SoftCamera()
    path = camera.recorded(tmp_path / "a.db3", lambda: camera.show_all([10.0, 43.0, 43.0, 40.0, 76.0]))
    assert [frame.index for frame in open_realsense_recording(path)] == [0, 1, 4]


def test_it_can_be_read_again_and_left_in_the_middle_without_waiting_for_the_library(recording: Path) -> None:
    source = open_realsense_recording(recording)
    for count in (1, 2, 5):
        with source:
            frames = iter(source)
            names = [next(frames).name for _ in range(count)]
        assert names == [f"{number:06d}" for number in NUMBERS[:count]]
        assert list(frames) == []
    assert len(list(source)) == len(NUMBERS)


def test_a_recording_that_cannot_be_read_says_so(tmp_path: Path, recording: Path) -> None:
    data = recording.read_bytes()
    (tmp_path / "cut.db3").write_bytes(data[: len(data) * 7 // 10])
    (tmp_path / "text.db3").write_bytes(b"hello" * 1000)
    for name, words in (("cut", "interrupted"), ("text", "could not be opened"), ("absent", "not found")):
        with pytest.raises(SourceError, match=rf"{words}.*{name}\.db3"):
            open_realsense_recording(tmp_path / f"{name}.db3")


def _reader(before: set[psutil.Process]) -> psutil.Process:
    (reader,) = set(psutil.Process().children()) - before
    return reader


def test_a_library_that_dies_is_an_error_and_does_not_take_us_with_it(recording: Path) -> None:
    before = set(psutil.Process().children())
    frames = iter(open_realsense_recording(recording))
    next(frames)
    _reader(before).send_signal(signal.SIGSEGV)
    with pytest.raises(SourceError, match=r"damaged.*SIGSEGV.*Küche\.db3"):
        list(frames)


def test_what_the_library_says_of_a_recording_reaches_our_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = SoftCamera()
    path = camera.recorded(tmp_path / "a.db3", lambda: camera.show_all([10.0, 43.0, 43.0, 76.0]))
    assert len(list(open_realsense_recording(path))) == 3
    assert "left out: its time is not later" in caplog.text


def test_a_source_that_nobody_reads_leaves_no_process_behind(recording: Path) -> None:
    before = set(psutil.Process().children())
    source = open_realsense_recording(recording)
    reader = _reader(before)
    del source
    gc.collect()
    assert not reader.is_running()


def test_depth_that_was_not_recorded_and_images_that_are_missing_are_named(tmp_path: Path) -> None:
    camera = SoftCamera()
    path = camera.recorded(tmp_path / "a.db3", lambda: camera.measure(depth_picture(0), 1, 10.0))
    with pytest.raises(SourceError, match=r"holds no images.*a\.db3"):
        open_realsense_recording(path)


def test_recordings_of_the_library_are_told_from_those_of_ros(tmp_path: Path, recording: Path) -> None:
    assert is_realsense_recording(recording)
    ros = tmp_path / "ros?.db3"
    with sqlite3.connect(ros) as connection:
        connection.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO topics VALUES (1, '/camera/device_0/image')")
    connection.close()
    assert not is_realsense_recording(ros)
    (tmp_path / "a.db3").write_bytes(b"hello" * 1000)
    assert not is_realsense_recording(tmp_path / "a.db3")
    assert not is_realsense_recording(tmp_path / "absent.db3")
    assert not is_realsense_recording(tmp_path)


@pytest.mark.parametrize(
    ("topic", "expected"), [(b"topic=/device_0/sensor_1/Color_0/info", True), (b"topic=/camera/image", False)]
)
def test_a_bag_is_judged_by_the_index_at_its_end(tmp_path: Path, topic: bytes, expected: bool) -> None:
    field = b"index_pos=" + struct.pack("<Q", 4117)
    header = struct.pack("<I", len(field)) + field
    data = b"#ROSBAG V2.0\n" + struct.pack("<I", len(header)) + header
    # What lies between, such as a message that speaks of /device_0/, does not count.
    path = tmp_path / "a.bag"
    path.write_bytes(data.ljust(200) + b"/device_0/".ljust(4117 - 200) + topic)
    assert is_realsense_recording(path) is expected
    path.write_bytes(data[:30])
    assert not is_realsense_recording(path)


def test_a_bag_of_an_older_version_is_read_to_the_last_frame() -> None:
    """Written by pyrealsense2 2.55.1 from a software device; 2.59 records `.db3` only."""
    path = Path(__file__).with_name("librealsense_2_55.bag")
    assert is_realsense_recording(path)
    source = open_realsense_recording(path)
    frames = list(source)
    assert [frame.name for frame in frames] == ["000007", "000008", "000009", "000010", "000011"]
    assert [frame.timestamp_ns for frame in frames] == [1_000_125_000 + 33_250_000 * i for i in range(5)]
    assert [frame.image.tolist() for frame in frames] == [np.full((48, 64, 3), 40 * i).tolist() for i in range(5)]
    assert source.info.camera is not None
    assert source.info.camera.fx == 60.5
