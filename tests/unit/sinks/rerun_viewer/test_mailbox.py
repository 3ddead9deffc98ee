from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import pytest

from reloc.sinks.rerun_viewer.feed import row_of
from reloc.sinks.rerun_viewer.mailbox import MOST_ROWS, Mailbox
from tests.unit.sinks.estimates import estimate

PATIENCE_S = 30.0
MADE = [estimate(i) for i in range(5)]
ROWS = [row_of(each) for each in MADE]


def test_everything_left_comes_in_order_and_the_newest_frame_wins() -> None:
    box = Mailbox(lossless=False)
    box.put(ROWS[0], MADE[0])
    box.put(ROWS[1], None)
    box.put(ROWS[2], MADE[2])
    found = box.take(timeout_s=0.0)
    assert found.rows == ROWS[:3]
    assert found.picture is MADE[2]
    assert not found.is_last


def test_what_was_taken_does_not_come_again() -> None:
    box = Mailbox(lossless=False)
    box.put(ROWS[0], MADE[0])
    box.take(timeout_s=0.0)
    again = box.take(timeout_s=0.0)
    assert again.rows == []
    assert again.picture is None


def test_a_stalled_reader_costs_the_oldest_rows_only() -> None:
    box = Mailbox(lossless=False)
    for number in range(MOST_ROWS + 10):
        box.put(row_of(estimate(number)), None)
    assert [row.index for row in box.take(timeout_s=0.0).rows] == list(range(10, MOST_ROWS + 10))


def test_a_lossless_box_lets_the_writer_wait_and_loses_nothing() -> None:
    box = Mailbox(lossless=True)
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(lambda: [box.put(row, made) for row, made in zip(ROWS, MADE, strict=True)])
        deliveries = [box.take(timeout_s=PATIENCE_S) for _ in MADE]
        writer.result(PATIENCE_S)
    assert [delivery.picture for delivery in deliveries] == MADE
    assert [delivery.rows for delivery in deliveries] == [[row] for row in ROWS]


def test_a_lossless_box_is_bounded_too() -> None:
    box = Mailbox(lossless=True)
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(lambda: [box.put(ROWS[0], None) for _ in range(MOST_ROWS + 1)])
        first = box.take(timeout_s=PATIENCE_S)
        writer.result(PATIENCE_S)
    assert len(first.rows) == MOST_ROWS
    assert len(box.take(timeout_s=0.0).rows) == 1


def test_closing_frees_a_reader_that_waits_and_says_so() -> None:
    box = Mailbox(lossless=False)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(box.take, None)
        box.close()
        assert reader.result(PATIENCE_S).is_last


def test_closing_frees_a_writer_that_waits() -> None:
    box = Mailbox(lossless=True)
    box.put(ROWS[0], MADE[0])
    started = Event()

    def put() -> None:
        started.set()
        box.put(ROWS[1], MADE[1])

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(put)
        assert started.wait(PATIENCE_S)
        box.close()
        assert wait([writer], PATIENCE_S).done


@pytest.mark.parametrize("lossless", [True, False])
def test_what_was_left_before_the_end_is_delivered_with_it(lossless: bool) -> None:
    box = Mailbox(lossless=lossless)
    box.put(ROWS[0], MADE[0])
    box.close()
    found = box.take(timeout_s=None)
    assert found.rows == ROWS[:1]
    assert found.picture is MADE[0]
    assert found.is_last
