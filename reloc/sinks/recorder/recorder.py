"""The recorder: takes frames, writes a recording folder in a thread of its own, and never makes a tracker wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reloc.errors import OutputError
from reloc.files import json_document, write_atomically
from reloc.frame import RawFrame
from reloc.geometry.calibration import save_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.trajectory import TUM_HEADER
from reloc.sinks.disk import RESERVE_BYTES, RoomCheck
from reloc.sinks.lines import LineFile
from reloc.sinks.recorder.format import FrameFiles, RecordFormat, frame_files
from reloc.sinks.summary import versions
from reloc.sinks.worker import Worker
from reloc.sources.source import SourceInfo

QUEUE_BYTES = 128 * 2**20
"""Images that may wait for the disk: four seconds of 640×480 in colour at 30 Hz."""

_HEADER = "# timestamp image"
_SUMMARY_INTERVAL_S = 5.0
_CLOSE_TIMEOUT_S = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Item:
    raw: RawFrame
    pose_line: str | None


class Recorder:
    """Writes `camera.yaml`, `timestamps.txt`, the frames, `trajectory.txt` and `recording.json` into a new folder.

    A frame is listed in timestamps.txt once its picture is on disk, so that a recording can be read whenever its writer is
    killed. Where the disk is too slow, frames are left out and counted; where it is full, recording stops. Neither raises.
    """

    def __init__(
        self,
        folder: Path,
        *,
        form: RecordFormat = RecordFormat.PNG,
        waits: bool | None = None,
        queue_bytes: int = QUEUE_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        make_files: Callable[[RecordFormat, Path], FrameFiles] = frame_files,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Record into `folder`.

        With `waits`, `put` waits for a slow disk instead of leaving frames out; by default it does so for sources that are not
        live.
        """
        self.folder = folder
        self._form, self._waits, self._queue_bytes = form, waits, queue_bytes
        self._make_files, self._clock = make_files, clock
        self._check_room = RoomCheck(folder, reserve_bytes, clock)
        self._written = self._unordered = 0
        self._latest_ns: int | None = None
        self._summary_s = -_SUMMARY_INTERVAL_S
        self._worker: Worker[_Item] | None = None
        self._poses: LineFile | None = None
        self._closed = False

    @property
    def written(self) -> int:
        """How many frames are on the disk."""
        return self._written

    @property
    def dropped(self) -> int:
        """How many frames were left out: the disk was too slow or full, or their time was not later than the one before."""
        return self._unordered + (0 if self._worker is None else self._worker.refused)

    @property
    def failure(self) -> OutputError | None:
        """Why recording stopped, if it did."""
        error = None if self._worker is None else self._worker.failure
        return error if error is None or isinstance(error, OutputError) else OutputError(f"recording broke: {error}", self.folder)

    def open(self, info: SourceInfo, lens: LensCamera | None) -> None:
        """Make the folder and begin; `lens` is written as its calibration.

        Raises `OutputError` where the folder cannot be written or holds a recording already.
        """
        if (self.folder / "timestamps.txt").exists():
            raise OutputError("the folder holds a recording already; choose another one", self.folder)
        self._head = {
            "format": self._form.value,
            "source": info.name,
            "live": info.live,
            "clock": info.clock,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "reloc": versions()["reloc"],
        }
        if lens is not None:
            save_calibration(lens, self.folder / "camera.yaml")
        if info.groundtruth is not None and info.groundtruth.is_file():
            write_atomically(self.folder / "groundtruth.txt", info.groundtruth.read_bytes())
        self._save_summary(complete=False)
        self._timestamps = LineFile(self.folder / "timestamps.txt")
        self._timestamps.open()
        self._timestamps.write(_HEADER)
        self._files = self._make_files(self._form, self.folder)
        self._worker = Worker(
            "reloc-recorder",
            self._write,
            weigh=lambda item: item.raw.image.nbytes,
            capacity=self._queue_bytes,
            waits=not info.live if self._waits is None else self._waits,
        )

    def put(self, raw: RawFrame, pose_line: str | None = None) -> bool:
        """Leave a frame, and the line of trajectory.txt that belongs to it; return false if it was left out."""
        if self._worker is None:
            raise ValueError("the recorder is not open")
        # A list of times that do not increase could not be read back.
        if self._latest_ns is not None and raw.timestamp_ns <= self._latest_ns:
            self._unordered += 1
            return False
        self._latest_ns = raw.timestamp_ns
        return self._worker.put(_Item(raw, pose_line))

    def close(self) -> None:
        """Write what is waiting, close the files, and say in the log how it went. May be called twice."""
        if self._worker is None or self._closed:
            return
        self._closed = True
        if not self._worker.close(_CLOSE_TIMEOUT_S):
            logger.error("the disk does not take the end of the recording; it is left as it is [%s]", self.folder)
            return
        failure = self._finish() or self.failure
        if failure is not None:
            logger.error("recording stopped after %d frames: %s", self._written, failure)
        elif self.dropped:
            logger.warning("%d of %d frames were left out of the recording", self.dropped, self.dropped + self._written)

    def _finish(self) -> OutputError | None:
        """Close all files, whatever each of them does; return what went wrong first."""
        errors = [_error_of(lambda: self._list(self._files.close()))]
        errors.append(_error_of(lambda: self._save_summary(complete=self.failure is None)))
        self._timestamps.close()
        if self._poses is not None:
            self._poses.close()
        return next((error for error in errors if error is not None), None)

    def _write(self, item: _Item) -> None:
        """Write a frame; called by the thread."""
        self._check_room()
        self._list(self._files.write(item.raw))
        if item.pose_line is not None:
            self._write_pose(item.pose_line)
        now_s = self._clock()
        if now_s - self._summary_s >= _SUMMARY_INTERVAL_S:
            self._summary_s = now_s
            self._save_summary(complete=False)

    def _list(self, lines: list[str]) -> None:
        for line in lines:
            self._timestamps.write(line)
            self._written += 1

    def _write_pose(self, line: str) -> None:
        if self._poses is None:
            self._poses = LineFile(self.folder / "trajectory.txt")
            self._poses.open()
            self._poses.write(TUM_HEADER)
        self._poses.write(line)

    def _save_summary(self, *, complete: bool) -> None:
        figures: dict[str, Any] = {"frames": self._written, "dropped": self.dropped, "complete": complete}
        stopped = {} if self.failure is None else {"stopped": str(self.failure)}
        write_atomically(self.folder / "recording.json", json_document({**self._head, **figures, **stopped}))


def free_folder(wanted: Path) -> Path:
    """Return `wanted`, or with `_1`, `_2`, … behind it the first that does not exist: no recording is written over."""
    folder, number = wanted, 0
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}_{number}")
    return folder


def _error_of(act: Callable[[], None]) -> OutputError | None:
    try:
        act()
    except OutputError as error:
        return error
    return None
