"""How a live run is asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Set by the first signal. The second one ends the process on the spot: files lose nothing that was written to them."""

    def __init__(self) -> None:
        self._is_set = False

    def __call__(self) -> bool:
        """Return whether somebody asked to stop."""
        return self._is_set

    def take(self, number: int, _frame: FrameType | None = None) -> None:
        """Note a signal."""
        if self._is_set:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._is_set = True


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Turn Ctrl-C and a request to terminate into a request to stop with everything closed, for as long as the block runs."""
    request = StopRequest()
    previous = {number: signal.signal(number, request.take) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
