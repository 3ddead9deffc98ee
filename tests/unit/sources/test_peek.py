from __future__ import annotations

import pytest

from reloc.errors import SourceError
from reloc.sources.peek import peeked
from reloc.sources.prefetch import prefetched
from tests.unit.sources.made import ListSource, frames


def test_the_first_frame_comes_again_and_no_frame_is_read_twice() -> None:
    made = frames(4, height=2, width=2)
    source = ListSource(made)
    first, all_of_them = peeked(source)
    assert first is made[0]
    assert source.read == [0]
    assert list(prefetched(all_of_them)) == made
    assert source.read == [0, 1, 2, 3]
    assert all_of_them.info == source.info


def test_a_source_without_a_frame_is_an_error() -> None:
    with pytest.raises(SourceError, match="The source made holds no frame"):
        peeked(ListSource([]))
