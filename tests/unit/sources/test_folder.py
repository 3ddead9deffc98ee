from __future__ import annotations

import logging
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reloc.errors import CalibrationError, SourceError
from reloc.sources.folder import natural_order, open_folder
from reloc.sources.images import evenly_timed, open_images
from reloc.sources.source import FrameSource
from tests.unit.sources.made import picture, write_image


def _folder(tmp_path: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / name, picture(number))
    return tmp_path


def test_kitchen_is_read_with_its_times_calibration_and_ground_truth(kitchen: Path) -> None:
    source = open_folder(kitchen / "query")
    frames = [frame for frame, _ in zip(source, range(3), strict=False)]
    assert isinstance(source, FrameSource)
    assert source.info.length == 300
    assert not source.info.live
    assert source.info.camera is not None
    assert source.info.camera.width == 640
    assert source.info.groundtruth == kitchen / "query" / "groundtruth.txt"
    assert [frame.timestamp_ns for frame in frames] == [0, 33_333_000, 66_667_000]
    assert [frame.name for frame in frames] == ["000000.jpg", "000001.jpg", "000002.jpg"]
    bgr = cv2.imread(str(kitchen / "query" / "images" / "000001.jpg"))
    np.testing.assert_array_equal(frames[1].image[..., ::-1], bgr)


def test_castle_has_images_only(castle: Path) -> None:
    source = open_folder(castle / "query", fps=1)
    assert [(frame.name, frame.timestamp_ns) for frame in source] == [("00002.jpg", 0), ("00005.jpg", 1_000_000_000)]
    assert source.info.camera is None
    assert source.info.groundtruth is None


def test_without_timestamps_the_order_is_natural_and_the_rate_given(tmp_path: Path) -> None:
    source = open_folder(_folder(tmp_path, ["f10.png", "f2.png", "F1.png", ".hidden.png"]), fps=29.97)
    assert [frame.name for frame in source] == ["F1.png", "f2.png", "f10.png"]
    assert [frame.timestamp_ns for frame in source] == [0, 33_366_700, 66_733_400]


def test_even_times_do_not_drift_over_hours() -> None:
    files = evenly_timed([Path("x")] * 100_000, 30)
    assert files[-1].timestamp_ns == 3_333_300_000_000
    assert files[300].timestamp_ns == 10_000_000_000


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(SourceError, match="positive number of frames"):
        open_folder(_folder(tmp_path, ["a.png"]), fps=fps)


def test_natural_order_does_not_part_capitals_from_small_letters() -> None:
    assert natural_order([Path("c"), Path("B"), Path("a")]) == [Path("a"), Path("B"), Path("c")]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.integers(0, 10**12), unique=True, max_size=20))
def test_natural_order_is_the_order_of_numbers(numbers: list[int]) -> None:
    names = [Path(f"img{number}.png") for number in sorted(numbers)]
    assert natural_order(reversed(names)) == names


@pytest.mark.parametrize("listed", ["images/{}", "{}"])
def test_times_are_exact_to_the_nanosecond(tmp_path: Path, listed: str) -> None:
    folder = _folder(tmp_path, ["images/a 1.png", "images/ü.png"])
    lines = [f"1403636579.763555584 {listed.format('ü.png')}", f"1403636579.763555585 {listed.format('a 1.png')}"]
    (folder / "timestamps.txt").write_text("\ufeff# timestamp image\n\n" + "\r\n".join(lines), encoding="utf-8")
    frames = list(open_folder(folder))
    assert [frame.timestamp_ns for frame in frames] == [1403636579763555584, 1403636579763555585]
    assert [frame.name for frame in frames] == ["ü.png", "a 1.png"]
    np.testing.assert_array_equal(frames[0].image, picture(1))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("0.0\n", "Line 1 .*`timestamp image` expected"),
        ("0 a.png\nzero b.png\n", "Line 2 .*zero.*not a number"),
        ("nan a.png\n", "not a number"),
        ("1403636579763555584 a.png\n", "not in seconds"),
        ("1e999999999 a.png\n", "not a number"),
        ("0.5 a.png\n0.5 b.png\n", r"must increase; .*b\.png is not later than .*a\.png"),
        ("0 a\0.png\n", "Line 1"),
    ],
)
def test_a_bad_list_of_timestamps_names_line_and_file(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "timestamps.txt").write_text(text)
    with pytest.raises(SourceError, match=rf"{match}.*timestamps\.txt\]$"):
        open_folder(tmp_path)


@pytest.mark.parametrize("rest", ["0", "0.5", "0.5 ", "0.5 images/", "0.5 b.pn", "nonsense", "0.5 \0\0", "\0\0\0\0"])
def test_a_last_line_that_breaks_off_is_left_out(tmp_path: Path, rest: str) -> None:
    folder = _folder(tmp_path, ["a.png", "b.png"])
    (folder / "timestamps.txt").write_text(f"0.25 a.png\n{rest}")
    assert [frame.timestamp_ns for frame in open_folder(folder)] == [250_000_000]


def test_a_line_that_breaks_off_before_the_last_or_alone_is_an_error(tmp_path: Path) -> None:
    for text in ("0.25 a.png\n0.5\n0.75 b.png\n", "0.25 a.png\n0.5\n", "0.25"):
        (tmp_path / "timestamps.txt").write_text(text)
        with pytest.raises(SourceError, match="`timestamp image` expected"):
            open_folder(tmp_path)


def test_a_binary_list_of_timestamps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "timestamps.txt").write_bytes(b"\xff\xfe\x00\x9f")
    with pytest.raises(SourceError, match="UTF-8"):
        open_folder(tmp_path)


def test_damaged_and_missing_images_are_skipped_counted_and_leave_gaps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = _folder(tmp_path, [f"images/{i}.png" for i in range(5)])
    (folder / "images" / "1.png").write_bytes(b"not an image")
    (folder / "images" / "3.png").unlink()
    (folder / "timestamps.txt").write_text("".join(f"{i} images/{i}.png\n" for i in range(5)))
    source = open_folder(folder)
    for _ in range(2):  # a second reading counts anew
        assert [(frame.index, frame.timestamp_ns) for frame in source] == [(0, 0), (2, 2 * 10**9), (4, 4 * 10**9)]
        assert source.skipped == 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "Frame 1 is skipped" in warnings[0]
    assert "2 of 5 images" in warnings[2]


def test_nothing_but_damaged_images_is_an_error(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match="None of 2 images"):
        list(open_folder(tmp_path))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no images; .*png"):
        open_folder(tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.jpg.*a\.png|a\.png.*a\.jpg"):
        open_folder(_folder(tmp_path, ["a.png", "a.jpg"]))


def test_a_rate_is_not_used_where_there_are_timestamps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = _folder(tmp_path, ["a.png"])
    (folder / "timestamps.txt").write_text("7 a.png\n")
    assert [frame.timestamp_ns for frame in open_folder(folder, fps=10)] == [7_000_000_000]
    assert "not used" in caplog.text


def test_a_damaged_calibration_is_said_at_once(kitchen: Path, tmp_path: Path) -> None:
    shutil.copytree(kitchen / "query", tmp_path / "r", ignore=shutil.ignore_patterns("*.jpg", "depth"))
    (tmp_path / "r" / "camera.yaml").write_text("model: OPENCV\n")
    with pytest.raises(CalibrationError):
        open_folder(tmp_path / "r")


def test_a_list_of_images_keeps_its_order(tmp_path: Path) -> None:
    folder = _folder(tmp_path, ["b.png", "a.png"])
    assert [frame.name for frame in open_images([folder / "b.png", folder / "a.png"])] == ["b.png", "a.png"]
    with pytest.raises(SourceError, match="No image files"):
        open_images([])
