"""Says why the first run takes long: the kernels are compiled once, and kept."""

from __future__ import annotations

import sys
from functools import cache

from numba.core import event

_ABOUT_S = 15


class _Announcer(event.Listener):  # type: ignore[misc]  # numba accepts nothing else
    """Prints one line when the first kernel is compiled. A kernel that comes from the cache is not compiled."""

    def __init__(self) -> None:
        self._announced = False

    def on_start(self, event: event.Event) -> None:
        """Take the beginning of a compilation."""
        if not self._announced:
            self._announced = True
            print(f"compiling kernels (once, about {_ABOUT_S} s)...", file=sys.stderr, flush=True)

    def on_end(self, event: event.Event) -> None:
        """Take the end of a compilation."""


@cache
def announce_compilation() -> None:
    """From now on, say so when kernels are compiled. Asking numba itself is right for every version, machine and cache folder."""
    event.register("numba:compile", _Announcer())
