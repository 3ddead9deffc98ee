"""Bags through the package rosbags: SQLite files, and what rosbag2 has compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from reloc.errors import ConfigError, RelocError, SourceError
from reloc.sources.rosbag.bag import Topic

T = TypeVar("T")


class RosbagsBag:
    """The messages of a rosbag2 folder, or of several SQLite files in their order."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Take a folder, or files. Raises `ConfigError` where rosbags is not installed."""
        try:
            from rosbags.rosbag2 import Reader
        except ImportError as error:
            raise ConfigError(f"bags need the package rosbags ({error}); install it with: pip install 'reloc[ros]'") from error
        self._reader: Any = Reader
        self._paths = tuple(paths)

    def topics(self) -> Mapping[str, Topic]:
        """Return the topics; raises `SourceError` where a bag cannot be read."""
        found: dict[str, Topic] = {}
        for path in self._paths:
            for name, topic in _guarded(lambda path=path: self._topics(path), path):  # type: ignore[misc]
                before = found[name].count if name in found else 0
                found[name] = Topic(topic.kind, before + topic.count)
        return found

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """Yield (time of recording in nanoseconds, CDR bytes); raises `SourceError` where a bag breaks off."""
        for path in self._paths:
            reader = self._opened(path)
            try:
                connections = [connection for connection in reader.connections if connection.topic == topic]
                messages = reader.messages(connections) if connections else iter(())
                while (message := _guarded(lambda messages=messages: next(messages, None), path)) is not None:  # type: ignore[misc]
                    _, time_ns, data = message
                    yield time_ns, bytes(data)
            finally:
                reader.close()

    def _topics(self, path: Path) -> list[tuple[str, Topic]]:
        reader = self._opened(path)
        try:
            # rosbags hands on whatever metadata.yaml holds.
            return [(str(one.topic), Topic(str(one.msgtype), int(one.msgcount))) for one in reader.connections]
        finally:
            reader.close()

    def _opened(self, path: Path) -> Any:
        reader = _guarded(lambda: self._reader(path), path)
        _guarded(reader.open, path)
        return reader


def _guarded(read: Callable[[], T], path: Path) -> T:
    """Return what `read` returns; whatever else goes wrong in a foreign file is a `SourceError`."""
    try:
        return read()
    except RelocError:
        raise
    except Exception as error:  # rosbags and SQLite raise all there is when a byte is wrong
        raise SourceError(
            f"A bag cannot be read: {type(error).__name__}: {str(error)[:200] or 'no more is known'}", path
        ) from error
