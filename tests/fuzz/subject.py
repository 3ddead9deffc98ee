"""What is fuzzed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """A reader and what it reads."""

    name: str
    make: Callable[[Path], object]
    """Writes good files into a folder."""
    read: Callable[[Path], object]
    """Reads what is in the folder to the end; raises what the reader raises, and `Unsound` for what should not have come out."""
    spoil: tuple[str, ...] = ("*",)
    """Patterns of the files that are mutated, one at a time."""
    weight: int = 1
    """How often it is chosen, relative to others."""


class UnsoundError(Exception):
    """A reader has returned something that nobody can work with."""


def sound(is_so: object, what: str) -> None:
    """Raise unless something holds that whoever gets the object relies on."""
    if not is_so:
        raise UnsoundError(what)
