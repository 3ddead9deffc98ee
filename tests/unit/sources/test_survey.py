from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reloc.errors import SourceError
from reloc.sources.survey import Gap, ImageForm, survey
from tests.unit.sources.made import ListSource, frames, picture


def test_what_is_even_and_new_has_nothing_to_report() -> None:
    seen = survey(ListSource(frames(10)))
    assert (seen.frames, seen.gaps, seen.repeated, seen.broken_off) == (10, (), (), None)
    assert seen.forms == {ImageForm(32, 24, 3, 8): 10}
    assert seen.interval_s == pytest.approx(1 / 30, abs=1e-9)


def test_gaps_are_named_by_the_frame_before_the_longest_first() -> None:
    given = frames(12)
    kept = [frame for frame in given if frame.index not in (3, 7, 8)]
    seen = survey(ListSource(kept))
    assert [gap.after for gap in seen.gaps] == ["000006.png", "000002.png"]
    assert seen.gaps[0] == Gap("000006.png", pytest.approx(0.1, abs=1e-8))  # type: ignore[arg-type]


def test_late_frames_are_no_gaps() -> None:
    late = [replace(frame, timestamp_ns=frame.timestamp_ns + (frame.index % 3) * 8_000_000) for frame in frames(12)]
    assert survey(ListSource(late)).gaps == ()


def test_images_that_come_again_are_named_and_those_of_one_form_only_are_told_apart() -> None:
    given = frames(6)
    given[2] = replace(given[2], image=given[1].image.copy())
    given[4] = replace(given[4], image=picture(9, 48, 64).astype(np.uint16)[..., 0])
    seen = survey(ListSource(given))
    assert seen.repeated == ("000002.png",)
    assert seen.forms == {ImageForm(32, 24, 3, 8): 5, ImageForm(64, 48, 1, 16): 1}


def test_a_source_that_breaks_off_is_surveyed_up_to_there() -> None:
    told: list[None] = []
    seen = survey(ListSource(frames(4), error=SourceError("the cable was cut")), lambda: told.append(None))
    assert (seen.frames, seen.broken_off, len(told)) == (4, "the cable was cut", 4)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_have_no_rate(count: int) -> None:
    seen = survey(ListSource(frames(count)))
    assert np.isnan(seen.interval_s)
    assert seen.gaps == ()
