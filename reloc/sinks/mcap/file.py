"""An MCAP file of ROS 2 messages that grows by chunks, each complete on disk."""

from __future__ import annotations

from pathlib import Path

from reloc.errors import ConfigError, OutputError
from reloc.ros import cdr
from reloc.sinks.ros_messages import Message


class McapFile:
    """Writes messages. What was written before the latest `flush` survives a killed process."""

    def __init__(self, path: Path) -> None:
        """Begin the file, in place of one that is there.

        Raises `OutputError` where that fails, and `ConfigError` where the package mcap is not installed.
        """
        try:
            from mcap.writer import CompressionType, Writer
        except ImportError as error:
            raise ConfigError(f"MCAP files need the package mcap ({error}); install it with: pip install 'reloc[ros]'") from error
        self.path = path
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("wb")
        except OSError as error:
            raise self._error(error) from error
        try:
            # LZ4 costs next to nothing on images, which are compressed already.
            self._writer = Writer(self._stream, compression=CompressionType.LZ4)
            self._writer.start(profile="ros2", library="reloc")
            self._stream.flush()
        except OSError as error:
            self.abandon()
            raise self._error(error) from error

    def write(self, message: Message, time_ns: int) -> None:
        """Add a message; raises `OutputError` where the disk does not take it."""
        data = cdr.serialize(message.kind, message.fields)
        log_time_ns = max(time_ns, 0)  # MCAP counts from 1970 on
        try:
            channel = self._channel(message.topic, message.kind)
            self._writer.add_message(channel, log_time=log_time_ns, data=data, publish_time=log_time_ns)
        except OSError as error:
            raise self._error(error) from error

    def flush(self) -> None:
        """Complete the chunk; raises `OutputError` where the disk does not take it."""
        try:
            self._writer.flush()
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Write the index and close; raises `OutputError` where the disk does not take it."""
        try:
            self._writer.finish()
        except OSError as error:
            raise self._error(error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without an index, whatever the disk says."""
        try:
            self._stream.close()
        except OSError:
            # What was buffered is lost; the file itself is closed all the same.
            return

    def _channel(self, topic: str, kind: str) -> int:
        if topic not in self._channels:
            if kind not in self._schemas:
                self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", cdr.definition(kind).encode())
            self._channels[topic] = self._writer.register_channel(topic, "cdr", self._schemas[kind])
        return self._channels[topic]

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write the MCAP file: {error.strerror or error}; check the folder, rights and space", self.path
        )
