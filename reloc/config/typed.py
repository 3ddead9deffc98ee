"""What settings and plans have in common: a text no larger than it may be, and values of the right types."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from reloc.errors import ConfigError

T = TypeVar("T")

Refuse = Callable[[tuple[str | int, ...], Any, str], ConfigError]
"""Makes the error of a value: where it stands, what was found there, and what is wrong with it, as Pydantic says it."""


def read_yaml_text(path: Path, what: str, most_bytes: int) -> str:
    """Return the text of a file. Raises `ConfigError` that says that it was to be a `what`."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise ConfigError(f"a {what} has at most {most_bytes} bytes, found more: is this the right file?", path)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"a {what} is a YAML text, found bytes that are none", path) from error
    except OSError as error:
        raise ConfigError(f"the {what} cannot be read: {error.strerror or error}", path) from error


def built(kind: type[T], given: Any, refuse: Refuse) -> T:
    """Return a dataclass of checked keys and unchecked values; raises what `refuse` makes of the first wrong one."""
    # Late: a quarter of a second that nobody who imports reloc should pay.
    from pydantic import TypeAdapter, ValidationError

    _refuse_infinities(given, "")
    try:
        # As JSON and strict: lists become tuples and words become choices, but `true` is no number and "3" neither.
        return TypeAdapter(kind).validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise refuse(first["loc"], first["input"], first["msg"]) from error


def shortened(value: Any) -> str:
    """Return a value as a message shows it."""
    return "nothing" if value is None else reprlib.repr(value)


def _refuse_infinities(given: Any, where: str) -> None:
    if isinstance(given, float) and not math.isfinite(given):
        raise ConfigError(f"`{where}` must be a finite number; found {given}")
    inside = given.items() if isinstance(given, dict) else enumerate(given, start=1) if isinstance(given, list) else ()
    for name, value in inside:
        _refuse_infinities(value, f"{where}.{name}" if where else str(name))
