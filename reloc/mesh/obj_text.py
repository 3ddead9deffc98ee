"""The text of OBJ files, turned into numbers many lines at a time."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError

# Large enough that numpy's overhead vanishes, small enough that the temporaries of one block stay below 300 MB.
BLOCK_BYTES = 16 << 20
_MAX_LINE_BYTES = 1 << 20
_SPACES = bytes.maketrans(b"\t\v\f\r", b"    ")
_NEWLINE, _HASH = b"\n#"


@dataclass(frozen=True, eq=False)
class Lines:
    """Some lines of one kind, such as all that begin with `v`, with that keyword blanked out."""

    text: NDArray[np.uint8]
    """Their bytes, each line with its newline."""
    starts: NDArray[np.int64]
    """(N,) where each line begins in `text`."""
    number: NDArray[np.int64]
    """(N,) the number of each line in its block, from 0."""
    first_number: int
    """The number of the block's first line in the file, from 1."""
    path: Path

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        """Return one line without its keyword."""
        end = self.starts[index + 1] if index + 1 < len(self) else len(self.text)
        return self.text[self.starts[index] : end].tobytes().strip()

    def names(self) -> list[str]:
        """Return the lines as text, such as names of materials."""
        return [self.line(index).decode("utf-8", errors="replace") for index in range(len(self))]

    def error(self, index: int, message: str) -> MeshError:
        """Return the error that says what is wrong with one line."""
        number = self.first_number + int(self.number[index])
        return MeshError(f"line {number}: {message}, found {self.line(index)[:80].decode(errors='replace')!r}", self.path)

    def word_starts(self) -> NDArray[np.int64]:
        """Return where in `text` each word begins."""
        blank = self.text <= ord(" ")
        begins = ~blank
        begins[1:] &= blank[:-1]
        return np.flatnonzero(begins)

    def words_per_line(self, word_starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (N,) how many words each line has."""
        return np.diff(np.searchsorted(word_starts, self.starts), append=len(word_starts))

    def table(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Return all numbers in a row, and (N,) of each line the index of its first number and how many it has."""
        counts = self.words_per_line(self.word_starts())
        values = parse_numbers(self.text, np.float64)
        if values is None or len(values) != counts.sum():
            words = ((index, word) for index in range(len(self)) for word in self.line(index).split())
            values = np.array([self._number(index, word) for index, word in words])
        return values, np.cumsum(counts) - counts, counts

    def _number(self, index: int, word: bytes) -> float:
        try:
            return float(word)
        except ValueError:
            raise self.error(index, "expected numbers only") from None


@dataclass(frozen=True, eq=False)
class Block:
    """A piece of the file that ends at the end of a line."""

    text: NDArray[np.uint8]
    starts: NDArray[np.int64]
    """Where each line begins."""
    first_number: int
    path: Path

    def find(self, keyword: bytes) -> NDArray[np.bool_]:
        """Return which lines begin with a keyword and a space."""
        found = np.ones(len(self.starts), bool)
        for position, letter in enumerate(keyword + b" "):
            found &= self.text.take(self.starts + position, mode="clip") == letter
        return found

    def lines(self, keyword: bytes, found: NDArray[np.bool_], *, comments: bool = True) -> Lines:
        """Return the lines that `find` found, without the keyword and without `comments` behind a #, which names may hold."""
        lengths = np.diff(self.starts, append=len(self.text))
        text = self.text[np.repeat(found, lengths)] if not found.all() else self.text.copy()
        starts = np.cumsum(lengths[found]) - lengths[found]
        for position in range(len(keyword)):
            text[starts + position] = ord(" ")
        if comments and (text == _HASH).any():
            text = np.frombuffer(re.sub(rb"#[^\n]*", b"", text.tobytes()), np.uint8)
            starts = _line_starts(text)
        return Lines(text, starts, np.flatnonzero(found), self.first_number, self.path)


def read_blocks(path: Path) -> Iterator[Block]:
    """Yield an OBJ file in pieces of about `BLOCK_BYTES`. Tabs, Windows line ends, indents and continued lines are made plain."""
    number = 1
    with path.open("rb") as file:
        while raw := file.read(BLOCK_BYTES):
            while not raw.endswith(b"\n") or raw.endswith((b"\\\n", b"\\\r\n")):
                rest = file.readline(_MAX_LINE_BYTES)
                raw += rest
                if len(rest) == _MAX_LINE_BYTES:
                    raise MeshError("a line is longer than 1 MiB: this is not an OBJ file", path)
                if not rest:
                    break
            text = np.frombuffer(_plain(raw, path, first=number == 1), np.uint8)
            block = Block(text, _line_starts(text), number, path)
            yield block
            number += len(block.starts)


def _plain(raw: bytes, path: Path, *, first: bool) -> bytes:
    if b"\0" in raw:
        raise MeshError("expected the text of an OBJ file, found binary data or UTF-16; save it as UTF-8", path)
    if first:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n")
        raw = raw if b"\n" in raw else raw.replace(b"\r", b"\n")  # classic Mac
    text = raw.translate(_SPACES)
    if b"\\\n" in text:
        text = text.replace(b"\\\n", b"  ")
    text = text if text.endswith(b"\n") else text + b"\n"
    return re.sub(rb"(?m)^ +", b"", text) if text.startswith(b" ") or b"\n " in text else text


def _line_starts(text: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.flatnonzero(text == _NEWLINE)[:-1] + 1])


def parse_numbers(text: NDArray[np.uint8], dtype: type) -> NDArray[Any] | None:
    """Return the numbers in a text, or None if something in it is not a number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text.tobytes(), dtype=dtype, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
