"""What happens to files: bits flip, disks lose pieces, editors and programs write nonsense, and some mean harm."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from zlib import crc32

import numpy as np

Mutation = Callable[[bytearray, np.random.Generator], None]

_MOST_MUTATIONS = 4
_LONGEST_PIECE = 64
_NUMBER = re.compile(rb"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"

_ODD_NUMBERS = (
    *(b"0", b"-0", b"-1", b"1", b"255", b"256", b"65535", b"65536", b"2147483647", b"2147483648", b"-2147483649", b"4294967296"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"1" * 30, b"1" * 5000),
    *(
        b"nan",
        b"NaN",
        b"inf",
        b"-inf",
        b"1e308",
        b"1e309",
        b"-1e309",
        b"1e-400",
        b"1e999999999",
        b"0x10",
        b"1_0",
        b"1.2.3",
        b".",
        b"-",
    ),
    "１２".encode(),
)
_ODD_TEXTS = (
    *(b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"\r", b"\r\n", b"\n\n", b"\t", b" " * 300, b"#", b"%", b"\\", b"/"),
    *(b"{", b"}", b"[" * 3000, b"{a: " * 3000, b"&a [*a]", b"!!python/object/apply:os.system [true]", b"- a: &b [*b]", b"<<: *a"),
    *(
        b"../../../../etc/passwd",
        b"/dev/zero",
        b"/dev/stdin",
        b"~",
        b"*" * 100,
        b"A" * 100_000,
        b'"',
        b"'",
        b"null",
        b"true",
        b"[]",
    ),
    *(b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c]\n",),
    *("é".encode(), "\u2028".encode(), "𝟙".encode(), b"1" * 5000),
)
_ODD_INTEGERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x10000,
    0xFFFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**40,
    2**63,
    2**64 - 1,
)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes that differ from `data` in one to four places; most get the checksums and lengths that belong to them."""
    result = bytearray(data)
    kinds = _kinds(data)
    for _ in range(1 if rng.random() < 0.5 else rng.integers(2, _MOST_MUTATIONS, endpoint=True)):
        kinds[rng.integers(len(kinds))](result, rng)
    return sealed(bytes(result)) if rng.random() < 0.75 else bytes(result)


def sealed(data: bytes) -> bytes:
    """Return a PNG, GLB or archive with checksums and lengths that fit, since they would hide what is behind them."""
    if data.startswith(_PNG_MAGIC):
        return _sealed_png(data)
    if data.startswith(b"glTF"):
        return _sealed_glb(data)
    return _sealed_zip(data) if data.startswith(_ZIP_MAGIC) else data


def _sealed_png(data: bytes) -> bytes:
    result, position = bytearray(data), len(_PNG_MAGIC)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            break
        result[end : end + 4] = crc32(data[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(result)


def _sealed_glb(data: bytes) -> bytes:
    """Write the length of the whole, and of the two chunks that it then has."""
    binary = data.find(b"BIN\0")
    if binary < 24:
        return data
    json, rest = data[20 : binary - 4], data[binary + 4 :]
    json += b" " * (-len(json) % 4)
    rest += b"\0" * (-len(rest) % 4)
    chunks = struct.pack("<I4s", len(json), b"JSON") + json + struct.pack("<I4s", len(rest), b"BIN\0") + rest
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _sealed_zip(data: bytes) -> bytes:
    """Write the checksum of each member where it belongs, in front of it and in the table at the end."""
    result = bytearray(data)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            places = [(one.header_offset, one.compress_size) for one in archive.infolist()]
            directory = archive.start_dir
        for offset, size in places:
            begin = offset + 30 + sum(struct.unpack_from("<HH", data, offset + 26))
            checksum = crc32(data[begin : begin + size]).to_bytes(4, "little")
            result[offset + 14 : offset + 18] = checksum
            result[directory + 16 : directory + 20] = checksum
            directory += 46 + sum(struct.unpack_from("<HHH", data, directory + 28))
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OSError):
        return data
    return bytes(result[: len(data)])


def _kinds(data: bytes) -> tuple[Mutation, ...]:
    if data.startswith(b"glTF"):  # JSON with numbers behind it: a wrong number gets further than a wrong byte
        return (*_BINARY_MUTATIONS, *(_odd_number,) * len(_BINARY_MUTATIONS))
    return _BINARY_MUTATIONS if b"\0" in data[:4096] or not data else _TEXT_MUTATIONS


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """Return a place in the data, as often as not near their beginning, where headers are."""
    most = max(len(data), 1)
    return int(rng.integers(min(most, 256)) if rng.random() < 0.5 else rng.integers(most))


def _piece(data: bytearray, rng: np.random.Generator) -> slice:
    begin = _place(data, rng)
    longest = _LONGEST_PIECE if rng.random() < 0.7 else max(len(data), 1)
    return slice(begin, begin + int(rng.integers(1, longest, endpoint=True)))


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(max(len(data), 1), size=rng.integers(1, 9)):
        data[place : place + 1] = bytes(byte ^ (1 << int(rng.integers(8))) for byte in data[place : place + 1])


def _overwrite(data: bytearray, rng: np.random.Generator) -> None:
    piece = _piece(data, rng)
    data[piece] = rng.bytes(len(data[piece]))


def _fill(data: bytearray, rng: np.random.Generator) -> None:
    piece = _piece(data, rng)
    data[piece] = bytes([rng.choice([0, 0x20, 0x30, 0xFF])]) * len(data[piece])


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[_place(data, rng) :]


def _lose(data: bytearray, rng: np.random.Generator) -> None:
    del data[_piece(data, rng)]


def _double(data: bytearray, rng: np.random.Generator) -> None:
    piece = _piece(data, rng)
    data[piece.start : piece.start] = data[piece] * int(rng.integers(1, 20))


def _move(data: bytearray, rng: np.random.Generator) -> None:
    taken = data[_piece(data, rng)]
    place = _place(data, rng)
    data[place : place + len(taken)] = taken


def _grow(data: bytearray, rng: np.random.Generator) -> None:
    place = _place(data, rng)
    data[place:place] = rng.bytes(int(rng.integers(1, _LONGEST_PIECE)))


def _odd_integer(data: bytearray, rng: np.random.Generator) -> None:
    size, order = int(rng.choice([1, 2, 4, 8])), "little" if rng.random() < 0.7 else "big"
    value = _ODD_INTEGERS[rng.integers(len(_ODD_INTEGERS))] % (1 << 8 * size)
    place = _place(data, rng) // size * size if rng.random() < 0.5 else _place(data, rng)
    data[place : place + size] = value.to_bytes(size, order)  # type: ignore[arg-type]


def _odd_number(data: bytearray, rng: np.random.Generator) -> None:
    if found := list(_NUMBER.finditer(data[:200_000])):
        one = found[rng.integers(len(found))]
        data[one.start() : one.end()] = _ODD_NUMBERS[rng.integers(len(_ODD_NUMBERS))]


def _odd_text(data: bytearray, rng: np.random.Generator) -> None:
    place = _place(data, rng)
    data[place : place + int(rng.integers(0, 3))] = _ODD_TEXTS[rng.integers(len(_ODD_TEXTS))]


def _odd_word(data: bytearray, rng: np.random.Generator) -> None:
    if found := list(re.finditer(rb"[^\s,:\[\]{}]+", data[:200_000])):
        one = found[rng.integers(len(found))]
        data[one.start() : one.end()] = _ODD_TEXTS[rng.integers(len(_ODD_TEXTS))]


def _exchange_lines(data: bytearray, rng: np.random.Generator) -> None:
    lines = bytes(data).split(b"\n")
    a, b = rng.integers(len(lines), size=2)
    lines[a], lines[b] = lines[b], lines[a]
    data[:] = b"\n".join(lines)


def _repeat_line(data: bytearray, rng: np.random.Generator) -> None:
    lines = bytes(data).split(b"\n")
    one = rng.integers(len(lines))
    lines[one:one] = [lines[one]] * int(rng.choice([1, 2, 50]))
    data[:] = b"\n".join(lines)


_BINARY_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _flip, _overwrite, _fill, _cut, _lose, _double, _move, _grow),
    *(_odd_integer, _odd_integer, _odd_integer, _odd_number, _odd_text),
)
_TEXT_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _overwrite, _fill, _cut, _lose, _double, _move, _grow, _odd_text, _odd_text),
    *(_odd_number, _odd_number, _odd_number, _odd_word, _odd_word, _exchange_lines, _repeat_line),
)
