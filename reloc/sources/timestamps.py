"""The file timestamps.txt of a recording: one line `timestamp image` a frame, seconds as decimal text."""

from __future__ import annotations

import logging
from decimal import InvalidOperation
from itertools import pairwise
from pathlib import Path

from reloc.errors import SourceError
from reloc.geometry.trajectory import parse_seconds
from reloc.sources.images import ImageFile

_MAX_BYTES = 256 * 1024 * 1024

_log = logging.getLogger(__name__)


def read_timestamps(path: Path) -> list[ImageFile]:
    """Return the images that `path` lists with their times; names are relative to its folder, or to `images` in it.

    Lines that are empty or begin with # are skipped, and so is the beginning of a last line that breaks off, as a killed writer
    may leave it. Raises `SourceError` unless the times strictly increase.
    """
    files: list[ImageFile] = []
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                files.append(_parse(text, number, path))
            except SourceError as error:
                if number < len(lines) or line.endswith("\n") or not files:
                    raise
                _log.warning("The last line is left out: it breaks off. %s", error)
    if not files:
        raise SourceError("A list of timestamps is empty; lines of `timestamp image` were expected", path)
    _check_order(files, path)
    return _resolved(files, path.parent)


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SourceError(f"A list of timestamps is larger than {_MAX_BYTES} bytes", path)
        return path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        raise SourceError(f"A list of timestamps could not be read: {error.strerror or error}", path) from error
    except UnicodeDecodeError as error:
        raise SourceError("A list of timestamps is not text in UTF-8", path) from error


def _parse(text: str, number: int, path: Path) -> ImageFile:
    words = text.split(maxsplit=1)
    if len(words) != 2 or "\0" in text:
        raise SourceError(f"Line {number} of a list of timestamps: `timestamp image` expected, “{text[:60]}” found", path)
    try:
        return ImageFile(Path(words[1]), parse_seconds(words[0]))
    except OverflowError as error:
        raise SourceError(f"Line {number} of a list of timestamps: {words[0][:40]} is not in seconds", path) from error
    except (ValueError, InvalidOperation) as error:
        raise SourceError(f"Line {number} of a list of timestamps: “{words[0][:40]}” is not a number", path) from error


def _check_order(files: list[ImageFile], path: Path) -> None:
    for before, after in pairwise(files):
        if after.timestamp_ns <= before.timestamp_ns:
            raise SourceError(
                f"The times in a list of timestamps must increase; {after.path} is not later than {before.path}. Sort the lines",
                path,
            )


def _resolved(files: list[ImageFile], folder: Path) -> list[ImageFile]:
    """Find the folder that the names are relative to: the recording writes `images/…`, others the bare file names."""
    bare = not (folder / files[0].path).exists() and (folder / "images" / files[0].path).exists()
    base = folder / "images" if bare else folder
    return [ImageFile(base / file.path, file.timestamp_ns) for file in files]
