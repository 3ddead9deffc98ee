"""The faces of OBJ files: from lines such as `f 1/1/1 2/2/1 3/3/1` to indices, many lines at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.mesh.obj_text import Lines, parse_numbers

Indices = NDArray[np.int64]

# Ways to write a corner, told apart by its slashes, with 4 added for two in a row: a, a/b, a/b/c and a//c.
_NUMBERS_PER_WORD = np.array([1, 2, 3, -1, -1, -1, 2, -1, -1])
_WITH_UV = (1, 2)
_TOO_MANY = len(_NUMBERS_PER_WORD) - 1


@dataclass(frozen=True, eq=False)
class Polygons:
    """Faces with the same number k of corners."""

    row: Indices
    """(R,) which of the lines each came from."""
    vertex: Indices
    """(R, k) as in the file: from 1, or negative and counted back from that line."""
    uv: Indices
    """(R, k) the same; 0 where a corner has none."""


def read_polygons(lines: Lines) -> list[Polygons]:
    """Return the faces of the lines, grouped by how they are written; lines of fewer than three corners are left out."""
    words = lines.word_starts()
    counts = lines.words_per_line(words)
    first_word = np.cumsum(counts) - counts
    pattern = _patterns(lines.text, words)
    numbers = parse_numbers(np.where(lines.text == ord("/"), np.uint8(ord(" ")), lines.text), np.int64)
    per_word = _NUMBERS_PER_WORD[pattern]
    plausible = numbers is not None and bool((per_word > 0).all()) and per_word.sum() == len(numbers)
    enough = counts >= 3
    regular = enough & _uniform(pattern, first_word, counts) & plausible
    result = _read_slowly(lines, np.flatnonzero(enough & ~regular))
    if numbers is None or not regular.any():
        return result
    first_number = np.append(np.cumsum(per_word) - per_word, 0)[first_word]
    kind = np.append(pattern, 0)[first_word]
    for code in np.unique(counts[regular] * 16 + kind[regular]):
        corners, form = divmod(int(code), 16)
        rows = np.flatnonzero(regular & (counts == corners) & (kind == form))
        width = int(_NUMBERS_PER_WORD[form])
        table = numbers[first_number[rows][:, None] + np.arange(corners * width)].reshape(-1, corners, width)
        uv = table[:, :, 1] if form in _WITH_UV else np.zeros(table.shape[:2], np.int64)
        result.append(Polygons(rows, table[:, :, 0], uv))
    return result


def _patterns(text: NDArray[np.uint8], words: Indices) -> NDArray[np.int64]:
    """Return of each word how its corner is written: an index into `_NUMBERS_PER_WORD`."""
    slash = text == ord("/")
    if not len(words) or not slash.any():
        return np.zeros(len(words), np.int64)
    # A word's slashes all lie before the next word, so that places in the list of slashes tell how many it has.
    at = np.flatnonzero(slash)
    counts = np.diff(np.searchsorted(at, words), append=len(at))
    if (doubled := at[np.flatnonzero(np.diff(at) == 1)]).size:
        counts += 4 * np.diff(np.searchsorted(doubled, words), append=len(doubled))
    result: NDArray[np.int64] = np.minimum(counts, _TOO_MANY)
    return result


def _uniform(pattern: NDArray[np.int64], first_word: Indices, counts: Indices) -> NDArray[np.bool_]:
    """Return which lines write all their corners in the same way."""
    if len(pattern) and (pattern == pattern[0]).all():
        return np.ones(len(counts), bool)
    result = np.zeros(len(counts), bool)
    filled = np.flatnonzero(counts)
    if len(filled):
        starts = first_word[filled]
        result[filled] = np.minimum.reduceat(pattern, starts) == np.maximum.reduceat(pattern, starts)
    return result


def _read_slowly(lines: Lines, rows: Indices) -> list[Polygons]:
    """Read lines one by one: those that mix ways to write a corner, or that hold an error to be named."""
    by_size: dict[int, list[tuple[int, list[tuple[int, int]]]]] = {}
    for row in rows.tolist():
        corners = [_corner(lines, row, word) for word in lines.line(row).split()]
        by_size.setdefault(len(corners), []).append((row, corners))
    groups = []
    for faces in by_size.values():
        table = np.array([corners for _, corners in faces], np.int64)
        groups.append(Polygons(np.array([row for row, _ in faces]), table[:, :, 0], table[:, :, 1]))
    return groups


def _corner(lines: Lines, row: int, word: bytes) -> tuple[int, int]:
    vertex, _, rest = word.partition(b"/")
    uv = rest.partition(b"/")[0]
    try:
        pair = int(vertex), int(uv) if uv else 0
    except ValueError:
        raise lines.error(row, "expected the corners of a face as whole numbers, such as 1/1 2/2 3/3") from None
    if max(map(abs, pair)) > np.iinfo(np.int32).max:
        raise lines.error(row, "the number of a vertex is too large")
    return pair


def triangulate(polygons: list[Polygons]) -> tuple[Indices, Indices, Indices]:
    """Return line (T,), vertices (T, 3) and uv (T, 3) of a fan of triangles for each face, in the order of the lines.

    A fan is right for convex faces; photogrammetry writes triangles, and quadrilaterals at most.
    """
    if not polygons:
        return np.zeros(0, np.int64), np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)
    parts = []
    for group in polygons:
        count = group.vertex.shape[1]
        fan = np.stack([np.zeros(count - 2, np.int64), np.arange(1, count - 1), np.arange(2, count)], axis=1)
        parts.append((np.repeat(group.row, count - 2), group.vertex[:, fan].reshape(-1, 3), group.uv[:, fan].reshape(-1, 3)))
    row, vertex, uv = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if len(parts) > 1:
        order = np.argsort(row, kind="stable")
        row, vertex, uv = row[order], vertex[order], uv[order]
    return row, vertex, uv
