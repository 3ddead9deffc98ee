"""Room on a disk that others need as well."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from reloc.errors import OutputError

RESERVE_BYTES = 256 * 2**20
"""What large recordings leave free: the trajectory and everybody else need some of the disk too."""


class RoomCheck:
    """Looks once a second whether `reserve_bytes` are still free on the disk of a folder."""

    def __init__(self, folder: Path, reserve_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._reserve_bytes, self._clock = folder, reserve_bytes, clock
        self._due_s = -1.0

    def __call__(self) -> None:
        """Raise `OutputError` if the disk is nearly full."""
        now_s = self._clock()
        if now_s < self._due_s:
            return
        self._due_s = now_s + 1.0
        free = shutil.disk_usage(self._folder).free
        if free < self._reserve_bytes:
            raise OutputError(
                f"the disk is nearly full: {free >> 20} MiB are free, and {self._reserve_bytes >> 20} MiB are kept for others. "
                "Make room, or write elsewhere",
                self._folder,
            )
