from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reloc.errors import SourceError
from reloc.sources.every import every_nth
from reloc.sources.mask import read_mask, with_mask
from reloc.sources.prefetch import prefetched
from reloc.sources.source import FrameSource
from tests.unit.sources.made import ListSource, frames, picture, write_image

# Of another test, that an error keeps alive: not ours to judge.
_FOREIGN: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _own_threads_only() -> None:
    _FOREIGN.clear()
    _FOREIGN.update(threading.enumerate())


def _threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("reloc-prefetch") and one not in _FOREIGN]


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(st.integers(0, 40), st.integers(1, 15))
def test_every_nth_keeps_positions_indices_and_the_rounded_up_length(count: int, n: int) -> None:
    made = frames(count, height=2, width=2)
    source = every_nth(ListSource(made), n)
    kept = list(source)
    assert kept == made[::n]
    assert [frame.index for frame in kept] == list(range(0, count, n))
    assert source.info.length == len(kept)


@pytest.mark.parametrize("n", [0, -1])
def test_every_nth_needs_a_positive_number(n: int) -> None:
    with pytest.raises(SourceError, match="1 or more"):
        every_nth(ListSource([]), n)


def test_wrappers_open_and_close_what_they_wrap() -> None:
    inner = ListSource(frames(3))
    source = prefetched(every_nth(inner, 2))
    assert isinstance(source, FrameSource)
    assert source.info.length == 2
    with source:
        assert (inner.opened, inner.closed) == (1, 0)
    assert (inner.opened, inner.closed) == (1, 1)


def test_one_mask_for_all_frames(tmp_path: Path) -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[3, 5] = 1
    write_image(tmp_path / "mask.png", mask)
    masked = list(with_mask(ListSource(frames(2)), tmp_path / "mask.png"))
    for frame in masked:
        assert frame.ignore is not None
        np.testing.assert_array_equal(np.argwhere(frame.ignore), [[3, 5]])


def test_a_mask_a_frame_is_found_by_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (0, 2):
        mask = np.zeros((24, 32, 3), np.uint8)
        mask[number, 0, 2] = 255  # in one channel only
        write_image(tmp_path / f"{number:06d}.png", mask)
    masked = list(with_mask(ListSource(frames(3)), tmp_path))
    assert [None if frame.ignore is None else np.argwhere(frame.ignore).tolist() for frame in masked] == [
        [[0, 0]],
        None,
        [[2, 0]],
    ]
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 2
    assert "000001" in caplog.text


def test_masks_add_up(tmp_path: Path) -> None:
    write_image(tmp_path / "mask.png", np.eye(24, 32, dtype=np.uint8))
    ignored = np.zeros((24, 32), bool)
    ignored[0, 9] = True
    made = [replace(frames(1)[0], ignore=ignored)]
    (frame,) = with_mask(ListSource(made), tmp_path / "mask.png")
    np.testing.assert_array_equal(frame.ignore, ignored | np.eye(24, 32, dtype=bool))


def test_jpeg_masks_are_cut_at_half_since_jpeg_blurs(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 29:] = 255
    write_image(tmp_path / "mask.jpg", mask)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), mask > 0)


def test_blackdogs_masks_fit_its_images(blackdog: Path) -> None:
    mask = read_mask(blackdog / "masks" / "000.png")
    assert mask.shape == (1024, 1224)
    assert 0.02 < mask.mean() < 0.5


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    write_image(tmp_path / "mask.png", np.zeros((32, 24), np.uint8))
    with pytest.raises(SourceError, match=r"24 × 32.*32 × 24"):
        list(with_mask(ListSource(frames(1)), tmp_path / "mask.png"))


def test_a_missing_mask_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"not found.*none\.png"):
        with_mask(ListSource(frames(1)), tmp_path / "none.png")


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(st.integers(0, 12), st.integers(1, 5))
def test_reading_ahead_gives_the_same_frames_in_order(count: int, depth: int) -> None:
    made = frames(count, height=2, width=2)
    assert list(prefetched(ListSource(made), depth)) == made
    assert _threads() == []


def test_reading_ahead_is_bounded() -> None:
    inner = ListSource(frames(20))
    iterator = iter(prefetched(inner, depth=3))
    next(iterator)
    iterator.close()  # waits for what was asked for
    assert len(inner.read) <= 1 + 3
    assert _threads() == []


def test_frames_are_read_by_another_thread() -> None:
    names: list[str] = []

    class Spy(list):
        def __iter__(self):
            names.append(threading.current_thread().name)
            return super().__iter__()

    list(prefetched(ListSource(Spy(frames(2)))))
    assert names[0].startswith("reloc-prefetch")


def test_an_error_comes_after_the_last_good_frame_and_ends_the_thread() -> None:
    made = frames(5)
    good = []
    with pytest.raises(SourceError, match="breaks off"):
        good.extend(prefetched(ListSource(made, error=SourceError("it breaks off"))))
    assert good == made
    assert _threads() == []


def test_a_forgotten_iterator_leaves_no_thread() -> None:
    iterator = iter(prefetched(ListSource(frames(9))))
    next(iterator)
    assert len(_threads()) == 1
    gone = weakref.ref(iterator)
    del iterator
    assert gone() is None
    assert _threads() == []


def test_pictures_differ_so_that_these_tests_can_fail() -> None:
    assert not np.array_equal(picture(0), picture(1))
