from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode

from reloc.errors import ConfigError, SourceError
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.ros import cdr
from reloc.sources.open import open_source
from reloc.sources.rosbag import RosbagSource, open_bag
from reloc.sources.source import FrameSource
from tests.unit.ros.made import STORE, TEXT, camera_info, compressed, rgb_message, write_bag
from tests.unit.sources.made import picture

LENS = LensCamera(LensModel.OPENCV, 64, 48, 50.0, 51.0, 31.0, 23.5, (-0.1, 0.02, 0.001, -0.002))
RAW, PACKED, INFO, OTHER = "/cam/image_raw", "/cam/image_raw/compressed", "/cam/camera_info", "/other/image_raw"
FIRST_NS = 1_762_000_000_123_456_789


def _times(count: int = 6) -> list[int]:
    return [FIRST_NS + i * 33_333_333 for i in range(count)]


def _raw(count: int = 6, topic: str = RAW) -> list[tuple[str, int, Any]]:
    return [(topic, time_ns + 5_000_000, rgb_message(picture(i), time_ns)) for i, time_ns in enumerate(_times(count))]


def _read(source: RosbagSource) -> list[RawFrame]:
    assert isinstance(source, FrameSource)
    with source:
        return list(source)


@pytest.mark.parametrize("mcap", [True, False])
def test_images_come_with_the_times_of_their_headers_and_the_lens_beside_them(tmp_path: Path, mcap: bool) -> None:
    write_bag(tmp_path / "bag", [(INFO, FIRST_NS, camera_info(LENS)), *_raw()], mcap=mcap)
    source = open_bag(tmp_path / "bag")
    frames = _read(source)
    assert (source.info.length, source.info.live, source.info.camera) == (6, False, LENS)
    assert [frame.timestamp_ns for frame in frames] == _times()
    assert [(frame.index, frame.name) for frame in frames[:2]] == [(0, "000000"), (1, "000001")]
    for i, frame in enumerate(_read(source)):  # a second reading
        np.testing.assert_array_equal(frame.image, picture(i))


@pytest.mark.parametrize("name", ["", "bag.mcap", "#/cam/image_raw", "bag.mcap#/cam/image_raw"])
def test_users_may_name_the_folder_or_the_file_and_the_topic(tmp_path: Path, name: str) -> None:
    write_bag(tmp_path / "bag", _raw())
    spec = f"{tmp_path / 'bag'}/{name}".replace("/#", "#").rstrip("/")
    assert len(list(open_source(spec))) == 6


@pytest.mark.parametrize("suffix", ["mcap", "db3"])
def test_a_folder_without_its_metadata_is_read_by_its_files(tmp_path: Path, suffix: str) -> None:
    folder = write_bag(tmp_path / "bag", _raw(), mcap=suffix == "mcap")
    (folder / "metadata.yaml").unlink()
    assert len(list(open_source(str(folder)))) == 6
    assert len(list(open_source(str(next(folder.glob(f"*.{suffix}")))))) == 6


@pytest.mark.parametrize("name", ["[/cam/image_raw]", "{a: b}", "3", "null"])
def test_a_topic_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    metadata = write_bag(tmp_path / "bag", _raw(), mcap=False) / "metadata.yaml"
    assert f"name: {RAW}" in metadata.read_text()
    metadata.write_text(metadata.read_text().replace(f"name: {RAW}", f"name: {name}"))
    with pytest.raises(SourceError):
        list(open_bag(tmp_path / "bag"))


@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_what_rosbag2_has_compressed_is_read(tmp_path: Path, mode: CompressionMode) -> None:
    write_bag(tmp_path / "bag", _raw(), mcap=False, mode=mode, fmt=CompressionFormat.ZSTD)
    frames = list(open_source(str(tmp_path / "bag")))
    assert len(frames) == 6
    np.testing.assert_array_equal(frames[5].image, picture(5))


@pytest.mark.parametrize("mode", [CompressionMode.STORAGE, CompressionMode.NONE])
def test_compressed_chunks_are_read(tmp_path: Path, mode: CompressionMode) -> None:
    write_bag(tmp_path / "bag", _raw(), mode=mode, fmt=CompressionFormat.ZSTD)
    assert len(list(open_source(str(tmp_path / "bag")))) == 6


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_compressed_images_are_decoded_in_colour(tmp_path: Path, suffix: str) -> None:
    data = [cv2.imencode(suffix, picture(i)[..., ::-1])[1].tobytes() for i in range(3)]
    messages = [(PACKED, i, compressed(each, time_ns)) for i, (each, time_ns) in enumerate(zip(data, _times(), strict=False))]
    write_bag(tmp_path / "bag", [(INFO, 0, camera_info(LENS)), *messages])
    source = open_bag(tmp_path / "bag")
    frames = _read(source)
    assert source.info.camera == LENS
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image[..., ::-1], cv2.imdecode(np.frombuffer(data[i], np.uint8), cv2.IMREAD_COLOR))


def test_where_several_topics_have_images_one_must_be_named(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [*_raw(2), *_raw(3, OTHER)])
    with pytest.raises(
        SourceError, match=r"say which, as in “.*bag#/other/image_raw”: /cam/image_raw \(2\), /other/image_raw \(3\)"
    ):
        open_source(str(tmp_path / "bag"))
    assert len(list(open_source(f"{tmp_path / 'bag'}#{OTHER}"))) == 3
    with pytest.raises(SourceError, match=r"no images in the topic '/cam'; those with images are: /cam/image_raw \(2\)"):
        open_source(f"{tmp_path / 'bag'}#/cam")


def test_a_bag_without_images_says_what_it_holds(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [("/chat", 0, STORE.types[TEXT]("hello"))])
    with pytest.raises(SourceError, match="no images; its topics are: /chat"):
        open_source(str(tmp_path / "bag"))


def test_a_header_that_nobody_filled_in_is_replaced_by_the_time_of_recording(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [(RAW, 77 + i, rgb_message(picture(i), 0)) for i in range(3)])
    assert [frame.timestamp_ns for frame in open_bag(tmp_path / "bag")] == [77, 78, 79]


def test_images_that_are_damaged_or_out_of_order_leave_gaps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    messages = _raw(5)
    messages[1][2].encoding = "32FC1"
    messages[3][2].header.stamp.sec -= 1
    write_bag(tmp_path / "bag", messages)
    source = open_bag(tmp_path / "bag")
    assert [frame.index for frame in source] == [0, 2, 4]
    assert source.skipped == 2
    assert "32FC1" in caplog.text
    assert "not later" in caplog.text


def test_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [(PACKED, i, compressed(b"no image", i)) for i in range(3)])
    with pytest.raises(SourceError, match="None of 3 images"):
        list(open_bag(tmp_path / "bag"))


@pytest.mark.parametrize(
    ("message", "said"),
    [(camera_info(LENS, k=[0.0] * 9), False), (camera_info(LENS, binning_x=2), True), (STORE.types[TEXT]("x"), False)],
)
def test_a_calibration_that_cannot_be_used_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, message: Any, said: bool
) -> None:
    write_bag(tmp_path / "bag", [(INFO, 0, message), *_raw(2)])
    assert open_bag(tmp_path / "bag").info.camera is None
    assert ("is not used" in caplog.text) is said


def test_rectified_images_get_the_ideal_camera(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [(INFO, 0, camera_info(LENS)), *_raw(2, "/cam/image_rect")])
    assert open_bag(tmp_path / "bag").info.camera == LensCamera(LensModel.PINHOLE, 64, 48, 50.0, 51.0, 31.0, 23.5)


@pytest.mark.parametrize("suffix", ["mcap", "db3"])
def test_a_missing_package_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    folder = write_bag(tmp_path / "bag", _raw(2), mcap=suffix == "mcap")
    cdr.typestore.cache_clear()
    for module in [name for name in sys.modules if name.split(".")[0] == "rosbags"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "rosbags", None)
    with pytest.raises(ConfigError, match=r"pip install 'reloc\[ros\]'"):
        list(open_bag(folder))
    cdr.typestore.cache_clear()


def test_a_bag_of_ros_1_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.bag").write_bytes(b"#ROSBAG V2.0\n" + b"x" * 5000)
    with pytest.raises(SourceError, match="rosbags-convert"):
        open_source(str(tmp_path / "a.bag"))


@pytest.mark.parametrize("name", ["a.mcap", "a.db3"])
def test_what_is_no_bag_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else" * 100)
    with pytest.raises(SourceError, match=r"no MCAP file|A bag cannot be read"):
        open_bag(tmp_path / name)


@pytest.mark.parametrize("mcap", [True, False])
def test_mutated_bags_give_frames_or_a_source_error(tmp_path: Path, mcap: bool) -> None:
    folder = write_bag(tmp_path / "bag", [(INFO, 0, camera_info(LENS)), *_raw(3)], mcap=mcap)
    (folder / "metadata.yaml").unlink()
    original = next(folder.iterdir()).read_bytes()
    rng, outcomes, path = np.random.default_rng(0), set(), tmp_path / f"b{next(folder.iterdir()).suffix}"
    structure = np.flatnonzero(np.frombuffer(original, np.uint8) < 32)  # lengths and types rather than pixels
    for _ in range(60):
        data = bytearray(original)
        for position in rng.choice(structure, size=8):
            data[position] = int(rng.integers(0, 256))
        path.write_bytes(data[: int(rng.integers(len(data) // 2, len(data)))])
        outcomes.add(_outcome(path))
    assert outcomes <= {"frames", "error"}


def _outcome(path: Path) -> str:
    try:
        list(open_bag(path))
    except SourceError:
        return "error"
    return "frames"
