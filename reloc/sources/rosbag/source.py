"""The images of a bag as a source."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reloc.errors import RelocError, SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.geometry.lens import LensCamera
from reloc.ros import cdr
from reloc.ros.camera_info import lens_from_camera_info
from reloc.ros.encoding import image_from_message
from reloc.ros.topics import CAMERA_INFO, COMPRESSED_IMAGE, camera_info_topic, is_picture, is_rectified
from reloc.sources.decode import Image, decode_image
from reloc.sources.folder import natural_order
from reloc.sources.rosbag.bag import Bag, Topic
from reloc.sources.rosbag.mcap_bag import McapBag
from reloc.sources.rosbag.rosbags_bag import RosbagsBag
from reloc.sources.source import SourceInfo

_log = logging.getLogger(__name__)
_METADATA = "metadata.yaml"


class RosbagSource:
    """Yields the images of one topic, with the times of their headers and the CameraInfo that is sent beside them.

    Images that are damaged, or not later than the one before, are skipped with a warning and leave gaps in the indices.
    """

    def __init__(self, bag: Bag, path: Path, topic: str | None = None) -> None:
        """Take the images of `topic`, or of the only topic with images; raises `SourceError` that lists them otherwise."""
        self._bag, self._path = bag, path
        topics = bag.topics()
        self._topic = _chosen(topics, topic, path)
        self._kind = topics[self._topic].kind
        self._skipped = 0
        lens = self._find_lens(topics)
        length = topics[self._topic].count or None
        self._info = SourceInfo(
            f"{path.name}#{self._topic}", live=False, length=length, camera=lens, clock="ROS header", kind="ROS 2 bag"
        )

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        return self._info

    @property
    def skipped(self) -> int:
        """How many images the latest reading has skipped so far."""
        return self._skipped

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames from the first. Raises `SourceError` at the end if not one could be read."""
        self._skipped, latest_ns, index = 0, None, -1
        for index, (log_time_ns, data) in enumerate(self._bag.messages(self._topic)):
            try:
                timestamp_ns, image = self._decoded(data, log_time_ns)
                if latest_ns is not None and timestamp_ns <= latest_ns:
                    raise SourceError(f"its time, {timestamp_ns} ns, is not later than that of the image before")
            except SourceError as error:
                self._skipped += 1
                _log.warning("Image %d of %s is skipped: %s", index, self._topic, error)
            else:
                latest_ns = timestamp_ns
                yield RawFrame(index, timestamp_ns, image, f"{index:06d}")
        if latest_ns is None:
            raise SourceError(f"None of {index + 1} images of {self._topic} could be read", self._path)

    def _decoded(self, data: bytes, log_time_ns: int) -> tuple[int, Image]:
        """Return time and picture; the time of recording stands in for a header that nobody has filled in."""
        message = _deserialized(self._kind, data)
        stamp = message.header.stamp
        timestamp_ns = stamp.sec * NANOSECONDS_PER_SECOND + stamp.nanosec
        packed = self._kind == COMPRESSED_IMAGE
        image = decode_image(bytes(message.data), self._path) if packed else image_from_message(message)
        return timestamp_ns or log_time_ns, image

    def _find_lens(self, topics: Mapping[str, Topic]) -> LensCamera | None:
        """Return the calibration that comes with the images, if one does that can be used."""
        beside = camera_info_topic(self._topic)
        if beside not in topics or topics[beside].kind != CAMERA_INFO:
            return None
        try:
            for _, data in self._bag.messages(beside):
                message = _deserialized(CAMERA_INFO, data)
                return lens_from_camera_info(message, rectified=is_rectified(self._topic))
        except RelocError as error:
            _log.warning("The calibration in %s is not used: %s", beside, error)
        return None

    def __enter__(self) -> Self:
        """Do nothing: each reading opens the files for itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: the iterator closes the files."""


def open_bag(path: Path, topic: str | None = None) -> RosbagSource:
    """Return the images of a bag: a rosbag2 folder, or a .mcap or .db3 file.

    `topic` may be left out where only one has images. Raises `SourceError` for what is no bag or leaves the choice open, and
    `ConfigError` where a package is missing.
    """
    return RosbagSource(_bag(path), path, topic)


def holds_bag(folder: Path) -> bool:
    """Tell whether a folder holds a bag."""
    return (folder / _METADATA).is_file() or bool(_files(folder, ".mcap") or _files(folder, ".db3"))


def _bag(path: Path) -> Bag:
    if not path.is_dir():
        return McapBag([path]) if path.suffix.lower() == ".mcap" else RosbagsBag([path])
    # rosbag2 writes metadata.yaml last: a recording that was killed has none, and its files are read nevertheless.
    if mcap := _files(path, ".mcap"):
        return McapBag(mcap)
    if (path / _METADATA).is_file():
        return RosbagsBag([path])
    if databases := _files(path, ".db3"):
        return RosbagsBag(databases)
    raise SourceError("A folder holds no bag: metadata.yaml, *.mcap or *.db3 was expected", path)


def _files(folder: Path, suffix: str) -> list[Path]:
    return natural_order(child for child in folder.glob(f"*{suffix}") if not child.name.startswith("."))


def _chosen(topics: Mapping[str, Topic], topic: str | None, path: Path) -> str:
    """Return the topic that is asked for, or the only one there is."""
    pictures = {name: found for name, found in sorted(topics.items()) if is_picture(name, found.kind)}
    if not pictures:
        listed = ", ".join(sorted(topics)[:20]) or "none"
        raise SourceError(f"A bag holds no images; its topics are: {listed}", path)
    listed = ", ".join(f"{name} ({found.count})" for name, found in pictures.items())
    if topic is not None and topic not in pictures:
        raise SourceError(f"A bag has no images in the topic {topic!r}; those with images are: {listed}", path)
    if topic is None and len(pictures) > 1:
        example = max(pictures, key=lambda name: pictures[name].count)
        raise SourceError(f"A bag has several topics with images, so say which, as in “{path}#{example}”: {listed}", path)
    return topic if topic is not None else next(iter(pictures))


def _deserialized(kind: str, data: bytes) -> Any:
    try:
        return cdr.deserialize(kind, data)
    except RelocError:
        raise
    except Exception as error:  # the decoder raises all there is when a byte is wrong
        raise SourceError(f"a message of {kind} is damaged ({type(error).__name__})") from error
