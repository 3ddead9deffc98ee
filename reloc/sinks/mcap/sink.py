"""The sink that writes a run as MCAP."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from reloc.errors import OutputError
from reloc.estimate import Estimate
from reloc.frame import RawFrame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.ros.camera_info import camera_info_fields
from reloc.ros.messages import header
from reloc.ros.topics import CAMERA_INFO, COMPRESSED_IMAGE, camera_info_topic
from reloc.sinks.disk import RESERVE_BYTES, RoomCheck
from reloc.sinks.mcap.file import McapFile
from reloc.sinks.recorder.images import encode_image
from reloc.sinks.ros_messages import EstimateMessages, Message, RosNames
from reloc.sinks.worker import Worker
from reloc.sources.source import SourceInfo

IMAGE_TOPIC = "/camera/image_raw/compressed"

_FLUSH_S = 1.0
_CLOSE_TIMEOUT_S = 60.0

logger = logging.getLogger(__name__)


class McapSink:
    """Writes poses, transforms, diagnostics, images and calibration to `path`, and after an hour to `NAME_1.mcap` and so on.

    A thread does it; where the disk is too slow, frames of a live camera are left out and counted. Every second what has come is
    complete on disk: a killed process costs no more. `write` raises `OutputError` once the disk is full or fails.
    """

    def __init__(
        self,
        path: Path,
        *,
        names: RosNames | None = None,
        images: Literal["jpg", "png", "none"] = "jpg",
        jpeg_quality: int = 85,
        lens: LensCamera | None = None,
        longest_file_s: float = 3600.0,
        queue_bytes: int = 64 * 2**20,
        reserve_bytes: int = RESERVE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `path`.

        Args:
            path: The first file, in place of one that is there.
            names: Frames and topics.
            images: How they are packed; PNG keeps every bit.
            jpeg_quality: 1 to 100.
            lens: The calibration in use where the source brings none.
            longest_file_s: When to begin another file: the index of one is kept in memory until its end.
            queue_bytes: Images that may wait for the disk.
            reserve_bytes: What to leave free on the disk.
            clock: Seconds that go on evenly.
        """
        self._path, self._names, self._lens = path, names or RosNames(), lens
        self._images, self._jpeg_quality, self._queue_bytes, self._longest_file_s = (
            images,
            jpeg_quality,
            queue_bytes,
            longest_file_s,
        )
        self._check_room, self._clock = RoomCheck(path.parent, reserve_bytes, clock), clock
        self._files = 0
        self._worker: Worker[Estimate] | None = None
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many frames were left out because the disk was too slow or full."""
        return 0 if self._worker is None else self._worker.refused

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Begin the file. Raises `OutputError` where it cannot be written, `ConfigError` where a package is missing."""
        self._lens = self._lens or info.camera
        self._messages = EstimateMessages(self._names, info.name)
        self._begin()
        self._worker = Worker(
            "reloc-mcap", self._write, weigh=_weight, capacity=self._queue_bytes, waits=not info.live, idle=self._flush_if_due
        )

    def write(self, estimate: Estimate) -> None:
        """Leave the estimate for the thread."""
        if self._worker is None:
            raise ValueError("the sink is not open")
        if self._worker.failure is not None:
            raise OutputError(f"the MCAP file has ended: {self._worker.failure}") from self._worker.failure
        self._worker.put(estimate)

    def close(self) -> None:
        """Write what is waiting and finish the file."""
        if self._worker is None or self._closed:
            return
        self._closed = True
        if not self._worker.close(_CLOSE_TIMEOUT_S):
            logger.error("the disk does not take the end of an MCAP file; it is left as it is [%s]", self._path)
            return
        if self._worker.failure is not None:
            self._file.abandon()
            return
        self._file.close()
        if self._worker.refused:
            logger.warning("%d frames were left out of the MCAP file", self._worker.refused)

    def _begin(self) -> None:
        path = self._path if self._files == 0 else self._path.with_stem(f"{self._path.stem}_{self._files}")
        self._file, self._files = McapFile(path), self._files + 1
        self._begun_s = self._flushed_s = self._clock()

    def _write(self, estimate: Estimate) -> None:
        """Write the messages of a frame; called by the thread."""
        self._check_room()
        if self._clock() - self._begun_s >= self._longest_file_s:
            self._file.close()
            self._begin()
        raw = estimate.frame.raw
        for message in [*self._pictures(raw), *self._messages.of(estimate)]:
            self._file.write(message, raw.timestamp_ns)
        self._flush_if_due()

    def _pictures(self, raw: RawFrame) -> Iterator[Message]:
        """Yield the image and its calibration."""
        if self._images == "none":
            return
        head = header(raw.timestamp_ns, self._names.camera_frame)
        image, form = raw.image, "png"
        if self._images == "jpg":
            # JPEG has 8 bits.
            image, form = (image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)), "jpeg"
        data = encode_image(image, f".{self._images}", self._jpeg_quality)
        yield Message(IMAGE_TOPIC, COMPRESSED_IMAGE, {"header": head, "format": form, "data": data})
        if self._lens is not None:
            fields = {"header": head, **camera_info_fields(self._lens)}
            yield Message(camera_info_topic(IMAGE_TOPIC), CAMERA_INFO, fields)

    def _flush_if_due(self) -> None:
        now_s = self._clock()
        if now_s - self._flushed_s >= _FLUSH_S:
            self._flushed_s = now_s
            self._file.flush()


def _weight(estimate: Estimate) -> int:
    return estimate.frame.raw.image.nbytes
