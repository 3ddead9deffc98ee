from __future__ import annotations

from threading import Event, Thread, get_ident

import pytest

from reloc.sinks.worker import Worker

PATIENCE_S = 30.0


class Slow:
    """Handles items only as fast as it is allowed to, and notes in which thread."""

    def __init__(self) -> None:
        self.begun, self.allowed = Event(), Event()
        self.handled: list[int] = []
        self.threads: set[int] = set()

    def __call__(self, item: int) -> None:
        self.begun.set()
        assert self.allowed.wait(PATIENCE_S)
        self.handled.append(item)
        self.threads.add(get_ident())


def _worker(handle: Slow, *, waits: bool = False, capacity: int = 10) -> Worker[int]:
    return Worker("test", handle, weigh=lambda item: item, capacity=capacity, waits=waits)


def test_items_are_handled_in_order_by_another_thread_before_close_returns() -> None:
    slow = Slow()
    slow.allowed.set()
    worker = _worker(slow, capacity=1000)
    assert all(worker.put(item) for item in range(20))
    assert worker.close(PATIENCE_S)
    assert slow.handled == list(range(20))
    assert get_ident() not in slow.threads
    assert worker.refused == 0


def test_what_does_not_fit_is_let_go_and_counted_and_what_is_in_work_still_weighs() -> None:
    slow = Slow()
    worker = _worker(slow)
    assert worker.put(4)
    assert slow.begun.wait(PATIENCE_S)
    assert [worker.put(item) for item in (5, 2, 1, 3)] == [True, False, True, False]
    assert worker.refused == 2
    slow.allowed.set()
    assert worker.close(PATIENCE_S)
    assert slow.handled == [4, 5, 1]


def test_one_item_is_taken_however_heavy_it_is() -> None:
    slow = Slow()
    slow.allowed.set()
    worker = _worker(slow)
    assert worker.put(1_000_000)
    assert worker.close(PATIENCE_S)
    assert slow.handled == [1_000_000]


def test_room_is_made_when_an_item_is_done() -> None:
    slow = Slow()
    slow.allowed.set()
    worker = _worker(slow, waits=True)
    assert all(worker.put(7) for _ in range(50))
    assert worker.close(PATIENCE_S)
    assert slow.handled == [7] * 50


def test_what_was_handled_weighs_no_more() -> None:
    slow, rested = Slow(), Event()
    slow.allowed.set()
    worker = Worker("test", slow, weigh=lambda item: item, capacity=10, idle=rested.set, idle_s=0.001)
    assert worker.put(10)
    assert slow.begun.wait(PATIENCE_S)
    rested.clear()
    assert rested.wait(PATIENCE_S)
    slow.allowed.clear()
    assert [worker.put(item) for item in (4, 5, 2)] == [True, True, False]
    slow.allowed.set()
    assert worker.close(PATIENCE_S)


def test_one_that_waits_is_freed_when_it_is_closed_although_the_thread_hangs() -> None:
    slow = Slow()
    worker = _worker(slow, waits=True, capacity=1)
    worker.put(1)
    assert slow.begun.wait(PATIENCE_S)
    taken: list[bool] = []
    waiting = Thread(target=lambda: taken.append(worker.put(1)))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    assert not worker.close(0.01)
    waiting.join(PATIENCE_S / 3)  # before the thread itself loses patience
    assert taken == [False]
    slow.allowed.set()
    assert worker.close(PATIENCE_S)


def test_one_that_waits_is_freed_by_a_failure() -> None:
    begun, go = Event(), Event()

    def fail(item: int) -> None:
        begun.set()
        assert go.wait(PATIENCE_S)
        raise OSError("disk full")

    worker = Worker("test", fail, weigh=lambda item: item, capacity=1, waits=True)
    worker.put(1)
    assert begun.wait(PATIENCE_S)
    taken: list[bool] = []
    waiting = Thread(target=lambda: taken.append(worker.put(1)))
    waiting.start()
    go.set()
    waiting.join(PATIENCE_S)
    assert taken == [False]
    assert worker.refused == 2
    assert str(worker.failure) == "disk full"
    assert not worker.put(1)
    assert worker.close(PATIENCE_S)


def test_a_thread_that_hangs_is_not_waited_for() -> None:
    slow = Slow()
    worker = _worker(slow)
    worker.put(1)
    assert slow.begun.wait(PATIENCE_S)
    assert not worker.close(0.01)
    slow.allowed.set()
    assert worker.close(PATIENCE_S)
    assert not worker.put(1)


def test_it_is_idle_when_nothing_comes_and_a_failure_there_counts() -> None:
    idle = Event()

    def rest() -> None:
        idle.set()
        raise ValueError("idle")

    worker = Worker("test", lambda item: None, weigh=lambda item: 1, capacity=1, idle=rest, idle_s=0.001)
    assert idle.wait(PATIENCE_S)
    assert worker.close(PATIENCE_S)
    with pytest.raises(ValueError, match="idle"):
        raise worker.failure or AssertionError
