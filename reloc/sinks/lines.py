"""Text files that grow by whole lines and lose none when the process is killed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from reloc.errors import OutputError


class LineFile:
    """A file of lines. Each line is handed to the operating system in one piece before `write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: BinaryIO | None = None
        self._length = self._whole = 0

    def open(self) -> None:
        """Begin an empty file and the folders above it; raises `OutputError` where that fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("wb", buffering=0)
            self._length = self._whole = 0
        except OSError as error:
            raise OutputError(
                f"cannot write the file: {error.strerror or error}; check the folder and its rights", self.path
            ) from error

    def write(self, line: str) -> None:
        """Append a line; raises `OutputError` where the disk does not take it, and ValueError before `open`."""
        if self._stream is None:
            raise ValueError(f"the file is not open: {self.path}")
        data = memoryview(f"{line}\n".encode())
        try:
            while data:
                written = self._stream.write(data)
                self._length += written
                data = data[written:]
            self._whole = self._length
        except OSError as error:
            # A full disk may take a part of the line, which readers would trip over.
            with suppress(OSError):
                self._stream.truncate(self._whole)
            raise OutputError(f"cannot write on: {error.strerror or error}; check the free space", self.path) from error

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
