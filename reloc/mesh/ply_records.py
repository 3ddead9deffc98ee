"""The records of PLY files, ascii or binary: the header, and the numbers of each element."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import MeshError
from reloc.mesh.obj_text import parse_numbers

MAX_HEADER_BYTES = 1 << 20

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
    "int64": "i8",
    "uint64": "u8",
}
_BYTE_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True, eq=False)
class ListColumn:
    """A property that holds several numbers in each record."""

    values: NDArray[Any]
    """The numbers of all records, one after another."""
    lengths: NDArray[np.int64]
    """(N,) how many each record has."""


Column = NDArray[Any] | ListColumn


@dataclass(frozen=True)
class Property:
    """A column of an element: its type, and for a list the type of its count."""

    name: str
    dtype: str
    count_dtype: str | None = None


@dataclass
class Element:
    """A table of records, such as `vertex` or `face`."""

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)

    def smallest_record(self, ascii_text: bool) -> int:
        """Return the least number of bytes that a record can have."""
        if ascii_text:
            return 2 * max(len(self.properties), 1) - 1
        return sum(np.dtype(column.count_dtype or column.dtype).itemsize for column in self.properties)


@dataclass
class Header:
    """What a PLY file says about itself."""

    byte_order: str = ""
    ascii_text: bool = False
    elements: list[Element] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    size: int = 0
    """Bytes up to and with the line `end_header`."""


def read_records(data: bytes, path: Path) -> tuple[Header, dict[str, dict[str, Column]]]:
    """Return the header, and each element's columns by name. Counts are checked against the file's size first."""
    header = _read_header(data, path)
    size = len(data) - header.size
    if sum(element.count * element.smallest_record(header.ascii_text) for element in header.elements) > size + 1:
        counts = ", ".join(f"{element.count:,} × {element.name}" for element in header.elements)
        raise MeshError(f"the header promises {counts}, but only {size:,} bytes follow: the file is cut short", path)
    try:
        if header.ascii_text:
            return header, _read_ascii(header, np.frombuffer(data, np.uint8, offset=header.size), path)
        return header, _read_binary(header, data)
    except (ValueError, IndexError, OverflowError) as error:
        raise MeshError(f"the records do not fit the header ({error}): the file is cut short or damaged", path) from error


def _read_header(data: bytes, path: Path) -> Header:
    end = data.find(b"end_header", 0, MAX_HEADER_BYTES)
    newline = data.find(b"\n", end, end + 16)
    if not data.startswith(b"ply") or end < 0 or newline < 0:
        raise MeshError("expected a PLY file: `ply`, a header and `end_header`, found something else", path)
    header = Header(size=newline + 1)
    for line in data[:end].decode("utf-8", errors="replace").splitlines()[1:]:
        words = line.split()
        try:
            _read_header_line(header, words, line)
        except (ValueError, IndexError, KeyError) as error:
            raise MeshError(f"a line of the header cannot be understood, found {line[:80]!r}", path) from error
    if not header.byte_order:
        raise MeshError("the header names no format", path)
    return header


def _read_header_line(header: Header, words: list[str], line: str) -> None:
    match words:
        case ["format", name, *_]:
            header.byte_order, header.ascii_text = _BYTE_ORDERS[name], name == "ascii"
        case ["comment" | "obj_info", *_]:
            header.comments.append(line.strip().partition(" ")[2])
        case ["element", name, count]:
            if int(count) < 0 or name in [element.name for element in header.elements]:
                raise ValueError("negative, or twice")
            header.elements.append(Element(name, int(count)))
        case ["property", "list", count_dtype, dtype, name]:
            types = header.byte_order + _TYPES[dtype], header.byte_order + _TYPES[count_dtype]
            _add_property(header, Property(name, *types))
        case ["property", dtype, name]:
            _add_property(header, Property(name, header.byte_order + _TYPES[dtype]))
        case [_, *_]:
            raise ValueError("unknown")


def _add_property(header: Header, given: Property) -> None:
    properties = header.elements[-1].properties
    if given.name in [other.name for other in properties]:
        raise ValueError("twice")
    properties.append(given)


def _read_binary(header: Header, data: bytes) -> dict[str, dict[str, Column]]:
    result: dict[str, dict[str, Column]] = {}
    position = header.size
    for element in header.elements:
        lengths = _first_lengths(element, data, position)
        fields: list[Any] = []
        for column, length in zip(element.properties, lengths, strict=True):
            if column.count_dtype:
                fields.append((f"{column.name}.count", column.count_dtype))
            fields.append((column.name, column.dtype, (length,) if column.count_dtype else ()))
        layout = np.dtype(fields)
        if element.count and position + element.count * layout.itemsize <= len(data):
            table = np.frombuffer(data, layout, element.count, position)
            if all(
                (table[f"{c.name}.count"] == n).all() for c, n in zip(element.properties, lengths, strict=True) if c.count_dtype
            ):
                result[element.name] = {
                    c.name: ListColumn(table[c.name].reshape(-1), np.full(element.count, n)) if c.count_dtype else table[c.name]
                    for c, n in zip(element.properties, lengths, strict=True)
                }
                position += element.count * layout.itemsize
                continue
        result[element.name], position = _walk_binary(element, data, position)
    return result


def _first_lengths(element: Element, data: bytes, position: int) -> list[int]:
    """Return how long each list of the first record is: nearly always all records have the same."""
    lengths = []
    for column in element.properties if element.count else ():
        length = 1
        if column.count_dtype:
            length = int(np.frombuffer(data, column.count_dtype, 1, position)[0])
            position += np.dtype(column.count_dtype).itemsize
        position += length * np.dtype(column.dtype).itemsize
        lengths.append(length)
    return lengths or [0] * len(element.properties)


def _walk_binary(element: Element, data: bytes, position: int) -> tuple[dict[str, Column], int]:
    """Read records one by one, where their lists differ in length."""
    parts: dict[str, list[NDArray[Any]]] = {column.name: [] for column in element.properties}
    for _ in range(element.count):
        for column in element.properties:
            length = 1
            if column.count_dtype:
                length = int(np.frombuffer(data, column.count_dtype, 1, position)[0])
                position += np.dtype(column.count_dtype).itemsize
            parts[column.name].append(
                np.frombuffer(data, column.dtype, length, position) if length else np.zeros(0, column.dtype)
            )
            position += length * np.dtype(column.dtype).itemsize
    return _columns(element, parts), position


def _columns(element: Element, parts: dict[str, list[NDArray[Any]]]) -> dict[str, Column]:
    result: dict[str, Column] = {}
    for column in element.properties:
        pieces = parts[column.name]
        values = np.concatenate(pieces) if pieces else np.zeros(0, column.dtype)
        result[column.name] = ListColumn(values, np.array([len(p) for p in pieces], np.int64)) if column.count_dtype else values
    return result


def _read_ascii(header: Header, text: NDArray[np.uint8], path: Path) -> dict[str, dict[str, Column]]:
    values = parse_numbers(text, np.float64)
    if values is None:
        raise MeshError("expected only numbers behind the header", path)
    result: dict[str, dict[str, Column]] = {}
    position = 0
    for element in header.elements:
        lengths, width = [], 0
        for column in element.properties if element.count else ():
            lengths.append(int(values[position + width]) if column.count_dtype else 1)
            width += lengths[-1] + bool(column.count_dtype)
        end = position + element.count * width
        table = values[position:end].reshape(element.count, width) if end <= len(values) else None
        columns = None if table is None else _split_ascii(element, table, lengths)
        if columns is None:
            columns, end = _walk_ascii(element, values, position)
        result[element.name], position = columns, end
    return result


def _split_ascii(element: Element, table: NDArray[np.float64], lengths: list[int]) -> dict[str, Column] | None:
    """Return the columns of records that all look like the first, or None if they do not."""
    result: dict[str, Column] = {}
    start = 0
    for column, length in zip(element.properties, lengths or [0] * len(element.properties), strict=True):
        if column.count_dtype:
            if (table[:, start] != length).any():
                return None
            start += 1
        values = _cast(table[:, start : start + length].reshape(-1), column)
        result[column.name] = ListColumn(values, np.full(len(table), length)) if column.count_dtype else values
        start += length
    return result


def _cast(values: NDArray[np.float64], column: Property) -> NDArray[Any]:
    return values.astype(column.dtype)


def _walk_ascii(element: Element, values: NDArray[np.float64], position: int) -> tuple[dict[str, Column], int]:
    parts: dict[str, list[NDArray[Any]]] = {column.name: [] for column in element.properties}
    for _ in range(element.count):
        for column in element.properties:
            length = 1
            if column.count_dtype:
                length = int(values[position])
                position += 1
            if length < 0 or position + length > len(values):
                raise ValueError("too few numbers")
            parts[column.name].append(_cast(values[position : position + length], column))
            position += length
    return _columns(element, parts), position
