from __future__ import annotations

from pathlib import Path

import pytest

from reloc.errors import SourceError
from reloc.sources.open import open_source
from reloc.sources.part import part_of
from tests.unit.sources.made import ListSource, frames, picture, write_image


@pytest.mark.parametrize(("first", "end", "expected"), [(0, 3, [0, 1, 2]), (2, None, [2, 3, 4]), (3, 99, [3, 4]), (1, 2, [1])])
def test_a_part_has_the_frames_indices_and_times_of_the_whole(first: int, end: int | None, expected: list[int]) -> None:
    whole = frames(5)
    part = part_of(ListSource(whole), first, end)
    assert part.info.length == len(expected)
    assert [(frame.index, frame.timestamp_ns) for frame in part] == [(i, whole[i].timestamp_ns) for i in expected]


@pytest.mark.parametrize(("first", "end", "match"), [(3, 3, "to a later one"), (-1, 2, "to a later one"), (5, None, "only 5")])
def test_what_is_no_part_is_refused(first: int, end: int | None, match: str) -> None:
    with pytest.raises(SourceError, match=match):
        part_of(ListSource(frames(5)), first, end)


def test_images_before_a_part_are_not_even_looked_at(tmp_path: Path) -> None:
    for number in range(8):
        write_image(tmp_path / f"{number}.png", picture(number))
    for number in (0, 1, 2, 5):
        (tmp_path / f"{number}.png").write_bytes(b"")
    source = open_source(str(tmp_path), part=(3, 7), every=2)
    assert [frame.name for frame in source] == ["3.png", "6.png"]  # 5.png is skipped before every second one is taken
    whole = open_source(str(tmp_path), part=(3, 7))
    assert [(frame.index, frame.name) for frame in whole] == [(3, "3.png"), (4, "4.png"), (6, "6.png")]
