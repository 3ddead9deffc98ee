"""Bags in MCAP files, also in those whose writer was killed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from reloc.errors import ConfigError
from reloc.sources.rosbag.bag import Topic
from reloc.sources.rosbag.mcap_records import (
    CHANNEL,
    MESSAGE,
    SCHEMA,
    STATISTICS,
    BrokenOffError,
    Cursor,
    Record,
    read_records,
    read_summary,
)

_MESSAGE_HEAD = struct.Struct("<HIQQ")


class McapBag:
    """The messages of one or several MCAP files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Take the files in their order. Raises `ConfigError` where what unpacks them is not installed."""
        if find_spec("lz4") is None or find_spec("zstandard") is None:
            raise ConfigError("MCAP files need the package mcap; install it with: pip install 'reloc[ros]'")
        self._paths = tuple(paths)

    def topics(self) -> Mapping[str, Topic]:
        """Return the topics; from the index at the end of a file, or by reading the whole of one that has none."""
        found: dict[str, Topic] = {}
        for path in self._paths:
            summary = read_summary(path)
            for name, topic in _topics(read_records(path) if summary is None else summary).items():
                found[name] = Topic(topic.kind, topic.count + (found[name].count if name in found else 0))
        return found

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """Yield (time of recording in nanoseconds, CDR bytes) in the order of the files."""
        for path in self._paths:
            wanted: set[int] = set()
            for record in read_records(path):
                if record.opcode == CHANNEL:
                    channel = _channel(record)
                    wanted |= {channel.number} if channel is not None and channel.topic == topic else set()
                elif record.opcode == MESSAGE and int.from_bytes(record.content[:2], "little") in wanted:
                    yield from _message(record)


class _Channel:
    def __init__(self, content: Cursor) -> None:
        self.number, self.schema, self.topic, self.encoding = content.number(2), content.number(2), content.text(), content.text()


def _channel(record: Record) -> _Channel | None:
    """Return a channel with messages in ROS 2's format."""
    try:
        channel = _Channel(Cursor(record.content))
    except BrokenOffError:
        return None
    return channel if channel.encoding == "cdr" else None


def _message(record: Record) -> Iterator[tuple[int, bytes]]:
    if len(record.content) >= _MESSAGE_HEAD.size:
        _, _, log_time_ns, _ = _MESSAGE_HEAD.unpack_from(record.content)
        yield log_time_ns, record.content[_MESSAGE_HEAD.size :]


def _topics(records: Iterable[Record]) -> dict[str, Topic]:
    """Return the topics by name, and how many messages the records hold or the statistics state."""
    channels: dict[int, _Channel] = {}
    kinds: dict[int, str] = {}
    counts: dict[int, int] = {}
    for record in records:
        if record.opcode == CHANNEL and (channel := _channel(record)) is not None:
            channels[channel.number] = channel
        elif record.opcode == SCHEMA:
            kinds |= _kind(record)
        elif record.opcode == MESSAGE:
            number = int.from_bytes(record.content[:2], "little")
            counts[number] = counts.get(number, 0) + 1
        elif record.opcode == STATISTICS:
            counts |= _stated_counts(record)
    found: dict[str, Topic] = {}
    for number, channel in channels.items():
        before = found[channel.topic].count if channel.topic in found else 0
        found[channel.topic] = Topic(kinds.get(channel.schema, ""), before + counts.get(number, 0))
    return found


def _kind(record: Record) -> dict[int, str]:
    try:
        cursor = Cursor(record.content)
        return {cursor.number(2): cursor.text()}
    except BrokenOffError:
        return {}


def _stated_counts(record: Record) -> dict[int, int]:
    try:
        cursor = Cursor(record.content)
        cursor.take(8 + 2 + 4 + 4 + 4 + 4 + 8 + 8)
        pairs = Cursor(cursor.take(cursor.number(4)))
        counts = {}
        while not pairs.is_at_end:
            number = pairs.number(2)
            counts[number] = pairs.number(8)
    except BrokenOffError:
        return {}
    return counts
