"""Wall time, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """Adds up the wall time of the stages of one frame."""

    def __init__(self) -> None:
        self._begin = perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside to a stage."""
        begin = perf_counter()
        try:
            yield
        finally:
            self._stages[name] = self._stages.get(name, 0.0) + (perf_counter() - begin) * 1e3

    def milliseconds(self) -> dict[str, float]:
        """Return the stages and their total."""
        return {**self._stages, "total": (perf_counter() - self._begin) * 1e3}
