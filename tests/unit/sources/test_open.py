from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.errors import SourceError
from reloc.sources.open import open_source
from tests.unit.sources.made import picture, write_image, write_video


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "shots").mkdir()
    for number in range(11):
        write_image(tmp_path / "shots" / f"s{number}.png", picture(number))
    write_video(tmp_path / "film.mp4", [picture(0), picture(1)], [0, 3000])
    (tmp_path / "recording" / "images").mkdir(parents=True)
    write_image(tmp_path / "recording" / "images" / "x.png", picture(1))
    (tmp_path / "recording" / "timestamps.txt").write_text("4.5 images/x.png\n")
    (tmp_path / "notes.txt").write_text("hello")
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "length", "clock"),
    [
        ("shots", 11, "frame number"),
        ("shots/s3.png", 1, "frame number"),
        ("shots/s?.png", 10, "frame number"),
        ("**/s1*.png", 2, "frame number"),
        ("film.mp4", 2, "video"),
        ("recording", 1, "recording"),
    ],
)
def test_a_source_is_known_by_what_is_there(place: Path, spec: str, length: int, clock: str) -> None:
    source = open_source(str(place / spec))
    assert (source.info.length, source.info.clock) == (length, clock)
    with source:
        assert len(list(source)) == length


def test_kitchen_opens_as_a_user_would(kitchen: Path) -> None:
    source = open_source(str(kitchen / "query"), every=8)
    assert source.info.length == 38
    assert source.info.camera is not None


def test_options_reach_the_source(place: Path) -> None:
    write_image(place / "mask.png", np.full((48, 64), 255, np.uint8))
    source = open_source(str(place / "shots"), fps=10, mask=place / "mask.png", every=4)
    frames = list(source)
    assert [(frame.index, frame.name) for frame in frames] == [(0, "s0.png"), (4, "s4.png"), (8, "s8.png")]
    assert [frame.timestamp_ns for frame in frames] == [0, 400_000_000, 800_000_000]
    assert all(frame.ignore is not None and frame.ignore.all() for frame in frames)


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("shot", "In “.*” there is “shots”: did you mean that"),
        ("shots/s99.png", "there is “s9.png”"),
        ("elsewhere/deep/down", "nothing like “elsewhere” is in it"),
        (".", "did you mean “recording”, “shots” in it"),
        ("notes.txt", "“.txt”.*not a known source"),
        ("recording/timestamps.txt", "name its folder"),
        ("shots/*.jpg", "matches no files"),
        ("*.txt", "matches no images, but “notes.txt”"),
    ],
)
def test_what_is_no_source_gets_a_hint(place: Path, spec: str, match: str) -> None:
    with pytest.raises(SourceError, match=match):
        open_source(str(place / spec))


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("", "no name"),
        ("a" * 300, "cannot be opened: .*too long"),
        ("webcam:0", "“webcam:” is no known"),
        ("rtsp://h/x", "“rtsp:”"),
    ],
)
def test_what_is_no_path_gets_a_hint(spec: str, match: str) -> None:
    with pytest.raises(SourceError, match=match):
        open_source(spec)
