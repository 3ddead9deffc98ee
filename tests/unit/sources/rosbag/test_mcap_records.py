"""Files written by the package mcap, whole, cut, damaged and lying."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import pytest
from mcap.writer import CompressionType, Writer

from reloc.errors import SourceError
from reloc.sources.rosbag.bag import Topic
from reloc.sources.rosbag.mcap_bag import McapBag

COUNT = 12
# Where the numbers of a chunk are, from the first byte of its record: opcode and length take nine.
UNCOMPRESSED_SIZE = 9 + 16
CHUNK = b"\x06"


def _written(compression: CompressionType = CompressionType.NONE, **options: object) -> tuple[bytes, list[int]]:
    """Return a file of three chunks with four messages each, and where the chunks begin."""
    stream, chunks = BytesIO(), []
    writer = Writer(stream, compression=compression, chunk_size=10**9, **options)  # type: ignore[arg-type]
    writer.start(profile="ros2")
    schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", b"uint8[] data")
    image, other = (writer.register_channel(topic, "cdr", schema) for topic in ("/image", "/other"))
    protobuf = writer.register_channel("/protobuf", "protobuf", schema)
    for i in range(COUNT):
        if i % 4 == 0:
            writer.flush()
            chunks.append(stream.tell())
        writer.add_message(image, log_time=i, data=_content(i), publish_time=i)
        writer.add_message(other if i % 2 else protobuf, log_time=i, data=b"else", publish_time=i)
    writer.finish()
    return stream.getvalue(), chunks


def _content(number: int) -> bytes:
    return bytes([number]) * 100


def _read(data: bytes, path: Path) -> list[int]:
    """Return the numbers of the messages that are read; what they hold must be right."""
    path.write_bytes(data)
    found = list(McapBag([path]).messages("/image"))
    assert all(content == _content(number) for number, content in found)
    return [number for number, _ in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.mcap"


@pytest.mark.parametrize("compression", list(CompressionType))
@pytest.mark.parametrize("chunked", [True, False])
def test_messages_and_topics_are_found(path: Path, compression: CompressionType, chunked: bool) -> None:
    data, _ = _written(compression, use_chunking=chunked)
    assert _read(data, path) == list(range(COUNT))
    kind = "sensor_msgs/msg/Image"
    assert McapBag([path]).topics() == {"/image": Topic(kind, COUNT), "/other": Topic(kind, COUNT // 2)}
    assert McapBag([path, path]).topics()["/image"].count == 2 * COUNT


def test_without_an_index_the_topics_are_counted(path: Path) -> None:
    data, chunks = _written()
    path.write_bytes(data[: chunks[2]])
    assert McapBag([path]).topics()["/image"] == Topic("sensor_msgs/msg/Image", 8)


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_file_cut_anywhere_gives_its_whole_chunks_and_nothing_else(path: Path, compression: CompressionType) -> None:
    data, chunks = _written(compression)
    for cut in range(8, len(data), 7):
        # A chunk is whole where the next record begins, or before.
        sure, most = sum(cut >= begin for begin in chunks[1:]) * 4, sum(cut > begin for begin in chunks) * 4
        found = _read(data[:cut], path)
        assert found == list(range(len(found)))
        assert sure <= len(found) <= most


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_damaged_chunk_is_left_out_with_a_warning(
    path: Path, compression: CompressionType, caplog: pytest.LogCaptureFixture
) -> None:
    data, chunks = _written(compression)
    damaged = bytearray(data)
    middle = (chunks[1] + 60 + data.index(b"\x07", chunks[1] + 60)) // 2
    damaged[middle] ^= 0xFF
    assert _read(bytes(damaged), path) == [0, 1, 2, 3, 8, 9, 10, 11]
    assert "A damaged piece of a bag is left out" in caplog.text


@pytest.mark.parametrize("compression", list(CompressionType))
@pytest.mark.parametrize("stated", [0, 10, 10_000, 2**40, 2**64 - 1])
def test_a_chunk_that_lies_about_its_size_is_left_out(path: Path, compression: CompressionType, stated: int) -> None:
    data, chunks = _written(compression, enable_crcs=False)
    lying = bytearray(data)
    struct.pack_into("<Q", lying, chunks[1] + UNCOMPRESSED_SIZE, stated)
    assert _read(bytes(lying), path) == [0, 1, 2, 3, 8, 9, 10, 11]


def test_compression_that_is_not_known_is_left_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, _ = _written(CompressionType.ZSTD)
    assert _read(data.replace(b"zstd", b"gzip"), path) == []
    assert "compressed by 'gzip', which is not known" in caplog.text


@pytest.mark.parametrize("start", [0, 3, 2**63, -40, -37])
def test_an_index_that_lies_elsewhere_is_not_believed(path: Path, start: int) -> None:
    data, _ = _written()
    lying = bytearray(data)
    struct.pack_into("<Q", lying, len(data) - 28, start % len(data) if start < 0 else start)
    path.write_bytes(lying)
    assert McapBag([path]).topics()["/image"].count == COUNT


def test_a_record_that_is_longer_than_the_file_ends_it(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, chunks = _written()
    lying = bytearray(data)
    struct.pack_into("<Q", lying, chunks[1] + 1, 2**62)
    assert _read(bytes(lying), path) == [0, 1, 2, 3]
    assert "A bag breaks off" in caplog.text


def test_what_is_no_mcap_file_is_refused(path: Path) -> None:
    for content in (b"", b"\x89MCAP", b"something else"):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="no MCAP file"):
            McapBag([path]).topics()
    path.unlink()
    with pytest.raises(SourceError, match="could not be read"):
        McapBag([path]).topics()
