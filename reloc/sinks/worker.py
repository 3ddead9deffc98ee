"""A thread that works through what others hand it, so that they never wait for a disk or a network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """Calls `handle` with each item in a thread of its own, in order; what waits there never weighs more than `capacity`.

    The thread is a daemon: a disk that hangs for ever does not keep the process alive.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[T], None],
        *,
        weigh: Callable[[T], int],
        capacity: int,
        waits: bool = False,
        idle: Callable[[], None] | None = None,
        idle_s: float = 0.5,
    ) -> None:
        """Start the thread.

        With `waits`, `put` waits for room rather than let an item go. `idle` is called by the thread whenever `idle_s` passes
        without an item.
        """
        self._handle, self._weigh, self._capacity, self._waits = handle, weigh, capacity, waits
        self._idle, self._idle_s = idle, idle_s
        self._changed = Condition()
        self._items: deque[T] = deque()
        self._weight = self._refused = 0
        self._closed = False
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def failure(self) -> Exception | None:
        """What `handle` or `idle` raised; the thread has ended then, and items are let go."""
        return self._failure

    @property
    def refused(self) -> int:
        """How many items were let go because there was no room, or nobody left to handle them."""
        return self._refused

    def put(self, item: T) -> bool:
        """Leave an item; return false if it was let go. One item is always taken where none is waiting, however heavy."""
        weight = self._weigh(item)
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._has_room(weight) or self._is_over())
            if self._is_over() or not self._has_room(weight):
                self._refused += 1
                return False
            self._items.append(item)
            self._weight += weight
            self._changed.notify_all()
            return True

    def close(self, timeout_s: float) -> bool:
        """Let the thread handle what is left; return false if that took longer than `timeout_s` and was not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _is_over(self) -> bool:
        return self._closed or self._failure is not None

    def _has_room(self, weight: int) -> bool:
        return not self._items or self._weight + weight <= self._capacity

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever hands the items must hear of it
            with self._changed:
                self._failure = error
                self._refused += len(self._items)
                self._items.clear()
                self._changed.notify_all()

    def _step(self) -> bool:
        """Handle one item or be idle; return whether more may come."""
        with self._changed:
            timeout_s = None if self._idle is None else self._idle_s
            self._changed.wait_for(lambda: bool(self._items) or self._closed, timeout_s)
            item = self._items[0] if self._items else None
            is_last = self._closed and len(self._items) <= 1
        if item is not None:
            self._handle(item)
            self._forget_first(self._weigh(item))
        elif self._idle is not None and not is_last:
            self._idle()
        return not is_last

    def _forget_first(self, weight: int) -> None:
        """Make room only once an item is handled: until then its memory is taken."""
        with self._changed:
            self._items.popleft()
            self._weight -= weight
            self._changed.notify_all()
