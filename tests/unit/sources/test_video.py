from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.sources.source import FrameSource
from reloc.sources.video import VideoFile
from tests.unit.sources.made import picture, write_video

# 90000 ticks a second: gaps, a hair's breadth, and an odd number that no millisecond can hold.
_TICKS = [0, 3000, 3001, 9007, 12_000, 30_000, 33_333, 40_001, 50_000, 50_100, 60_000, 70_000, 80_000, 90_001, 100_000, 120_000]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture(seed) for seed in range(len(_TICKS))]


def _until_error(video: VideoFile) -> tuple[list[RawFrame], str]:
    frames: list[RawFrame] = []
    with pytest.raises(SourceError) as error:
        frames.extend(video)  # extend keeps what came before the error
    return frames, str(error.value)


def test_irregular_presentation_times_are_exact_and_colours_rgb(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    path = tmp_path / "Küche 図.mp4"
    write_video(path, pictures, _TICKS)
    video = VideoFile(path)
    frames = list(video)
    assert isinstance(video, FrameSource)
    assert video.info.length == len(frames) == len(_TICKS)
    assert [frame.timestamp_ns for frame in frames] == [(tick * 100_000 + 4) // 9 for tick in _TICKS]
    assert [frame.index for frame in frames] == list(range(len(_TICKS)))
    assert frames[3].name == "000003"
    errors = [np.abs(frame.image.astype(int) - made).mean() for frame, made in zip(frames, pictures, strict=True)]
    assert max(errors) < 8  # H.264 halves the resolution of colour; a swap of red and blue costs more than 30


def test_it_can_be_read_again_and_left_in_the_middle(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.mp4", pictures, _TICKS)
    video = VideoFile(tmp_path / "a.mp4")
    first = next(iter(video))
    np.testing.assert_array_equal(first.image, next(iter(video)).image)


def test_grey_with_sixteen_bits_is_kept_bit_by_bit(tmp_path: Path) -> None:
    pictures = [picture(seed, dtype=np.uint16)[..., 0] for seed in range(4)]
    write_video(tmp_path / "a.mkv", pictures, [0, 9000, 18_000, 27_000], codec="ffv1")
    frames = list(VideoFile(tmp_path / "a.mkv"))
    assert frames[0].image.dtype == np.uint16
    for frame, made in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(frame.image, made)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_truncated_video_gives_its_good_frames_and_then_says_how_many(
    tmp_path: Path, pictures: list[np.ndarray], suffix: str
) -> None:
    whole, part = tmp_path / f"whole.{suffix}", tmp_path / f"part.{suffix}"
    options = {"mp4": {"movflags": "faststart"}, "mkv": {}}[suffix]
    write_video(whole, pictures, _TICKS, options=options)
    part.write_bytes(whole.read_bytes()[: int(0.7 * whole.stat().st_size)])
    frames, message = _until_error(VideoFile(part))
    assert 5 <= len(frames) < len(_TICKS)
    assert f"{len(frames)}" in message
    assert "breaks off" in message
    for frame, original in zip(frames[:-1], VideoFile(whole), strict=False):
        np.testing.assert_array_equal(frame.image, original.image)
        assert frame.timestamp_ns == original.timestamp_ns


def test_a_last_frame_that_is_cut_is_said_although_the_decoder_still_holds_good_ones(
    tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    write_video(tmp_path / "a.mp4", pictures, [3000 * i for i in range(len(pictures))], options={"movflags": "faststart"})
    (tmp_path / "a.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:-200])
    frames, message = _until_error(VideoFile(tmp_path / "a.mp4"))
    assert len(frames) == len(pictures) - 1
    assert f"{len(frames)} of {len(pictures)} frames" in message


def test_damage_in_the_middle_is_stepped_over(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.mp4", pictures, _TICKS)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = data.index(b"mdat") + 600 + (data.index(b"moov") - data.index(b"mdat")) // 3
    data[middle : middle + 400] = b"\xff" * 400
    (tmp_path / "a.mp4").write_bytes(data)
    frames = list(VideoFile(tmp_path / "a.mp4"))
    assert frames[-1].timestamp_ns == 1_333_333_333
    assert all(before.timestamp_ns < after.timestamp_ns for before, after in pairwise(frames))


def test_an_interrupted_mp4_without_index_is_explained(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.mp4", pictures, _TICKS)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"no index.*b\.mp4"):
        VideoFile(tmp_path / "b.mp4")


@pytest.mark.parametrize("turn", ["none", "90", "180", "270"])
def test_rotation_is_applied_as_opencv_does(tmp_path: Path, turn: str) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [picture(9, 48, 96)] * 2, [0, 3000])
    # The display matrix of ISO 14496-12 lies in the track header: 16.16 fixed point, the last column 2.30.
    one = 1 << 16
    linear = {"none": (one, 0, 0, one), "90": (0, one, -one, 0), "180": (-one, 0, 0, -one), "270": (0, -one, one, 0)}[turn]
    a, b, c, d = linear
    data = bytearray(path.read_bytes())
    offset = data.index(b"tkhd") + 4 + 40
    data[offset : offset + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    ok, oracle = cv2.VideoCapture(str(path)).read()
    image = next(iter(VideoFile(path))).image
    assert ok
    assert image.shape == oracle.shape
    assert np.abs(image[..., ::-1].astype(int) - oracle).mean() < 2


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"hello" * 100)
    with pytest.raises(SourceError, match="could not be opened"):
        VideoFile(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="could not be opened"):
        VideoFile(tmp_path / "missing.mp4")


def test_metadata_that_is_no_text_does_not_matter(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.mp4", pictures, _TICKS)
    data = (tmp_path / "a.mp4").read_bytes()
    assert b"VideoHandler" in data
    (tmp_path / "a.mp4").write_bytes(data.replace(b"VideoHandler", b"Vid\xe0\xffHandler"))
    assert len(list(VideoFile(tmp_path / "a.mp4"))) == len(_TICKS)


def test_mutated_files_give_frames_or_a_source_error(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_video(tmp_path / "a.mp4", pictures, _TICKS)
    original = (tmp_path / "a.mp4").read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(30):
        data = bytearray(original)
        for position in rng.integers(0, len(data), size=20):
            data[position] = int(rng.integers(0, 256))
        (tmp_path / "b.mp4").write_bytes(data)
        outcomes.add(_outcome(tmp_path / "b.mp4"))
    assert outcomes == {"frames", "error"}


def _outcome(path: Path) -> str:
    try:
        list(VideoFile(path))
    except SourceError:
        return "error"
    return "frames"
