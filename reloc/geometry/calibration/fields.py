"""Values out of foreign YAML, asked for by name and type, with errors that say what is wrong where."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from reloc.errors import CalibrationError

# No calibration has a longer list.
_MOST_NUMBERS = 20


def parse_yaml(text: str) -> dict[str, Any]:
    """Return the mapping that the first YAML document of `text` holds: texts, lists and mappings, nothing else.

    The tags of OpenCV's files are passed over, and a first line `%YAML:1.0`, which is OpenCV's and no YAML, too.
    """
    lines = text.split("\n")
    if lines[0].startswith("%YAML"):
        lines[0] = ""  # kept as an empty line, so that the parser's line numbers are the file's
    try:
        # BaseLoader is the part of the safe loader that leaves every scalar a text: no tag can build anything, and numbers
        # such as 1e-5, which YAML 1.1 takes for texts, are read by us alike everywhere.
        document = next(yaml.load_all("\n".join(lines), Loader=yaml.BaseLoader), None)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CalibrationError(f"This is no readable YAML: {' '.join(str(error).split()) or 'nested too deeply'}.") from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise CalibrationError(f"A calibration is expected to be a list of `key: value`, found {shortened(document)}.")
    return document


def shortened(value: object) -> str:
    """Return what a foreign value looks like, in a length that fits an error message."""
    return "nothing" if value is None or value == "" else reprlib.repr(value)


@dataclass(frozen=True)
class Fields:
    """A YAML mapping. Every method raises `CalibrationError` for a key that is missing or of another type."""

    values: dict[str, Any]
    where: str = ""
    """What to put before a key so that a person finds it, such as `cam0.`."""

    def has(self, key: str) -> bool:
        """Tell whether the key is there with a value."""
        return bool(self.values.get(key, "") != "")

    def first_of(self, *keys: str) -> str:
        """Return the first of several spellings that the mapping has; the first one if it has none."""
        return next((key for key in keys if self.has(key)), keys[0])

    def text(self, key: str) -> str:
        """Return a text."""
        value = self._present(key)
        if not isinstance(value, str):
            raise self._mismatch(key, "a word", value)
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        return number(self._present(key), self.where + key)

    def size(self, key: str) -> int:
        """Return a positive whole number."""
        return size(self._present(key), self.where + key)

    def numbers(self, key: str, *counts: int) -> tuple[float, ...]:
        """Return the numbers of a list, a list of rows, or a matrix {rows, cols, data}, which must be one of `counts` long."""
        return tuple(number(item, self.where + key) for item in self._list(key, counts))

    def sizes(self, key: str) -> tuple[int, int]:
        """Return a width and a height."""
        width, height = (size(item, self.where + key) for item in self._list(key, (2,)))
        return width, height

    def child(self, key: str) -> Fields:
        """Return a mapping inside the mapping."""
        value = self._present(key)
        if not isinstance(value, dict):
            raise self._mismatch(key, "indented `key: value` lines", value)
        return Fields(value, f"{self.where}{key}.")

    def _list(self, key: str, counts: tuple[int, ...]) -> list[Any]:
        value = self._present(key)
        rows = value.get("data") if isinstance(value, dict) else value
        if not isinstance(rows, list):
            raise self._mismatch(key, "a list of numbers", value)
        # Counted before it is unrolled: with YAML's aliases a short file can describe a list of billions.
        found = sum(len(row) if isinstance(row, list) else 1 for row in rows)
        if found > _MOST_NUMBERS or (counts and found not in counts):
            raise self._mismatch(key, f"a list of {_listed(counts or [f'at most {_MOST_NUMBERS}'], 'or')} numbers", value)
        return [item for row in rows for item in (row if isinstance(row, list) else [row])]

    def _present(self, key: str) -> Any:
        if not self.has(key):
            raise CalibrationError(f"`{self.where}{key}` is missing from the calibration; found {_listed(self.values)}.")
        return self.values[key]

    def _mismatch(self, key: str, expected: str, found: object) -> CalibrationError:
        return CalibrationError(f"`{self.where}{key}` must be {expected}, found {shortened(found)}.")


def choose(names: Sequence[str], camera: str | None) -> str:
    """Return the one of a file's cameras that is meant by `camera`, or the only one there is."""
    if not names:
        raise CalibrationError("The calibration holds no camera.")
    if camera is None and len(names) > 1:
        raise CalibrationError(f"The calibration holds {len(names)} cameras, so say which to take: {_listed(names)}.")
    if camera is not None and camera not in names:
        raise CalibrationError(f"The calibration holds no camera {camera!r}, only {_listed(names)}.")
    return names[0] if camera is None else camera


def number(value: object, name: str) -> float:
    """Return the finite number that a text spells."""
    try:
        result = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        result = math.nan
    if not math.isfinite(result):
        raise CalibrationError(f"`{name}` must be a finite number, found {shortened(value)}.")
    return result


def size(value: object, name: str) -> int:
    """Return the positive whole number that a text spells."""
    result = number(value, name)
    if result < 1 or result != int(result):
        raise CalibrationError(f"`{name}` must be a positive whole number, found {shortened(value)}.")
    return int(result)


def _listed(items: Iterable[object], last: str = "and", most: int = 20) -> str:
    """Return the items as a person lists them, the first `most` of them."""
    texts = [str(item) for item in items]
    texts = texts if len(texts) <= most else [*texts[:most], f"{len(texts) - most} more"]
    return f" {last} ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts) or "nothing"
