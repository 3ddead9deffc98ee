"""MCAP files, record by record from the front, after the specification at https://mcap.dev/spec.

The readers of the packages `mcap` and `rosbags` want the index at the end, which a killed writer has not written, and believe
the sizes that a file states. Here a file is read as far as it goes, and no size is believed before it is checked.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from reloc.errors import SourceError

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, STATISTICS = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0B

_WANTED = (SCHEMA, CHANNEL, MESSAGE, CHUNK, STATISTICS)
_HEAD = struct.Struct("<BQ")
_FOOTER_BYTES = _HEAD.size + 20 + len(MAGIC)
# Writers close a chunk after a megabyte or a few, or after one message that is larger.
_LARGEST_CHUNK = 256 * 2**20
_LARGEST_RECORD = _LARGEST_CHUNK + 2**20

_log = logging.getLogger(__name__)


class BrokenOffError(Exception):
    """A record says more than it holds. Never leaves this package."""


@dataclass(frozen=True)
class Record:
    """A record: what kind it is, and its content, which is left empty for kinds that nobody wants."""

    opcode: int
    content: bytes


class Cursor:
    """Reads one field after another from bytes; raises `BrokenOffError` where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def number(self, size: int) -> int:
        """Return an unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        """Return a text with its length before it."""
        return self.take(self.number(4)).decode("utf-8", "replace")

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if size > len(self._data) - self._position:
            raise BrokenOffError(f"{size} bytes were expected, and {len(self._data) - self._position} are left")
        self._position += size
        return self._data[self._position - size : self._position]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data) - self._position)

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self._position == len(self._data)


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file from the front, those inside of chunks too; a file that breaks off ends with a warning.

    Raises `SourceError` for what cannot be opened or is no MCAP file.
    """
    with open_mcap(path) as stream:
        end = path.stat().st_size
        try:
            while stream.tell() < end:
                record = _next_record(stream, end)
                if record.opcode == FOOTER:
                    return
                yield from _inside(record, path) if record.opcode == CHUNK else (record,)
        except BrokenOffError as error:
            _log.warning("A bag breaks off; what comes before is used (%s) [%s]", error, path)


def read_summary(path: Path) -> list[Record] | None:
    """Return the records of the index at the end of a file; None if it has none, as when its writer was killed."""
    with open_mcap(path) as stream:
        end = path.stat().st_size
        if end < len(MAGIC) + _FOOTER_BYTES:
            return None
        stream.seek(end - _FOOTER_BYTES)
        opcode, _, start = struct.unpack("<BQQ", stream.read(17))
        stream.seek(end - len(MAGIC))
        if opcode != FOOTER or stream.read() != MAGIC or not len(MAGIC) <= start < end - _FOOTER_BYTES:
            return None
        stream.seek(start)
        try:
            return list(_until(stream, end - _FOOTER_BYTES))
        except BrokenOffError:
            return None


def open_mcap(path: Path) -> BinaryIO:
    """Open a file behind its magic bytes."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise SourceError(f"A bag could not be read: {error.strerror or error}", path) from error
    if stream.read(len(MAGIC)) != MAGIC:
        stream.close()
        raise SourceError("A file is no MCAP file: it does not begin as one", path)
    return stream


def _until(stream: BinaryIO, end: int) -> Iterator[Record]:
    while stream.tell() < end:
        yield _next_record(stream, end)


def _next_record(stream: BinaryIO, end: int) -> Record:
    position = stream.tell()
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise BrokenOffError(f"a record at byte {position} has no length")
    opcode, size = _HEAD.unpack(head)
    left = end - stream.tell()
    if size > left or (opcode in _WANTED and size > _LARGEST_RECORD):
        raise BrokenOffError(
            f"a record at byte {position} states {size} bytes, and {left} are left or {_LARGEST_RECORD} are read"
        )
    if opcode in _WANTED:
        return Record(opcode, stream.read(size))
    stream.seek(size, SEEK_CUR)
    return Record(opcode, b"")


def _inside(chunk: Record, path: Path) -> list[Record]:
    """Return the records of a chunk; none if it is damaged."""
    try:
        data = _unpacked(Cursor(chunk.content))
    except BrokenOffError as error:
        _log.warning("A damaged piece of a bag is left out (%s) [%s]", error, path)
        return []
    records, cursor = [], Cursor(data)
    try:
        while not cursor.is_at_end:
            records.append(Record(cursor.number(1), cursor.take(cursor.number(8))))
    except BrokenOffError as error:
        _log.warning("The end of a damaged piece of a bag is left out (%s) [%s]", error, path)
    return records


def _unpacked(chunk: Cursor) -> bytes:
    """Return the bytes of a chunk, decompressed and compared with their checksum."""
    chunk.take(16)  # first and last time
    size, checksum, compression = chunk.number(8), chunk.number(4), chunk.text()
    packed = chunk.take(chunk.number(8))
    if size > _LARGEST_CHUNK:
        raise BrokenOffError(f"it states {size} bytes, and at most {_LARGEST_CHUNK} are read at once")
    data = _decompressed(packed, compression, size)
    if len(data) != size:
        raise BrokenOffError(f"it states {size} bytes and holds {len(data)} or more")
    if checksum and crc32(data) != checksum:
        raise BrokenOffError("its checksum differs")
    return data


def _decompressed(packed: bytes, compression: str, size: int) -> bytes:
    """Return at most one byte more than `size`, whatever the compressed data would make."""
    import lz4.frame
    import zstandard

    try:
        if compression == "lz4":
            return bytes(lz4.frame.LZ4FrameDecompressor().decompress(packed, max_length=size + 1))
        if compression == "zstd":
            with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
                return bytes(reader.read(size + 1))
    except (RuntimeError, EOFError, zstandard.ZstdError) as error:
        raise BrokenOffError(f"its {compression} data are damaged: {error}") from error
    if compression:
        raise BrokenOffError(f"it is compressed by {compression[:20]!r}, which is not known")
    return packed
