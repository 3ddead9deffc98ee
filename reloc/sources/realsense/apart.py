"""A RealSense recording read by a process of its own: librealsense ends the process that it runs in where a file is damaged.

The other process is `python -m reloc.sources.realsense.apart PATH DEPTH`. It writes messages to its standard output: the sizes of
what follows, JSON, and the bytes of a frame's arrays.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import struct
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from reloc.errors import CalibrationError, RelocError, SourceError
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.sources.source import SourceInfo

_SIZE = struct.Struct("<I")
# Between two frames; the library is given 20 s to say for itself that it is stuck.
_HANGS_AFTER_S = 60.0

_log = logging.getLogger(__name__)


class ApartRecording:
    """Yields the frames of a recording that another process reads, without losing one.

    Raises `SourceError` if it cannot be read or takes its reader down, `CalibrationError` if its lens is of no known kind.
    """

    def __init__(self, path: Path, *, depth: bool = False) -> None:
        self._path, self._depth = path, depth
        self._reader: _Reader | None = self._begun()
        self._info = _info(self._first_message(self._reader), path)

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        return self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames from the first. A file that breaks off raises `SourceError` after its last good frame."""
        reader, self._reader = self._reader, None
        if reader is None or reader.is_used:
            reader = self._begun()
            self._first_message(reader)
        # Held on to, so that whoever leaves the source ends the reading.
        self._reader, reader.is_used = reader, True
        try:
            while (message := reader.message()) is not None:
                if message["kind"] == "end":
                    return
                frame = _frame(message, reader)
                if frame is None:
                    break
                yield frame
            if not reader.is_ended:
                raise self._died(reader)
        finally:
            reader.end()

    def _begun(self) -> _Reader:
        reader = _Reader([str(self._path), str(int(self._depth))])
        weakref.finalize(self, reader.end)
        return reader

    def _first_message(self, reader: _Reader) -> dict[str, Any]:
        try:
            message = reader.message()
        except RelocError:
            reader.end()
            raise
        if message is None:
            raise self._died(reader)
        return message

    def _died(self, reader: _Reader) -> SourceError:
        return SourceError(
            f"A RealSense recording is damaged: it has ended the process that read it (by {reader.end()}). Record it again, or "
            "repair it with librealsense's tools",
            self._path,
        )

    def __enter__(self) -> Self:
        """Do nothing: a process is reading already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the process that reads, also where another thread waits for a frame: that one then ends."""
        if self._reader is not None:
            self._reader.end()


class _Reader:
    """The other process and what it says."""

    def __init__(self, arguments: list[str]) -> None:
        self.is_used = self.is_ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def message(self) -> dict[str, Any] | None:
        """Return the next message that is not for the log; None where none comes. Raises the `RelocError` that it tells of."""
        while (head := self._taken(_SIZE.size)) is not None:
            text = self._taken(_SIZE.unpack(head)[0])
            if text is None:
                return None
            message: dict[str, Any] = json.loads(text)
            if message["kind"] == "error":
                raise (CalibrationError if message["is_calibration"] else SourceError)(message["text"])
            if message["kind"] != "log":
                return message
            _log.log(message["level"], "%s", message["text"])
        return None

    def fill(self, array: NDArray[Any]) -> bool:
        """Read the bytes of an array; return false where they do not come."""
        view = array.data.cast("B")
        done = 0
        while done < len(view):
            count = self._pipe.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                return False
            done += count
        return True

    def end(self) -> str:
        """End the process if it is still there; return what it ended by."""
        self.is_ended = True
        self._process.kill()
        code = self._process.wait()
        self._pipe.close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    @property
    def _pipe(self) -> BinaryIO:
        assert self._process.stdout is not None
        return self._process.stdout  # type: ignore[return-value]

    def _taken(self, size: int) -> bytes | None:
        try:
            data = self._pipe.read(size)
        except ValueError:  # closed by whoever has left the source
            return None
        return data if len(data) == size else None


def _info(message: dict[str, Any], path: Path) -> SourceInfo:
    lens = message["lens"]
    camera = None if lens is None else LensCamera(**{**lens, "model": LensModel(lens["model"])})
    return SourceInfo(path.name, live=False, length=None, camera=camera, clock=message["clock"], kind=message["source"])


def _frame(message: dict[str, Any], reader: _Reader) -> RawFrame | None:
    """Return the frame that a message announces; None where it does not come."""
    image = np.empty(message["shape"], message["dtype"])
    depth = np.empty(image.shape[:2], np.float32) if message["depth"] else None
    if not (reader.fill(image) and (depth is None or reader.fill(depth))):
        return None
    return RawFrame(message["index"], message["timestamp_ns"], image, message["name"], depth=depth)


class _Out(logging.Handler):
    """The other end: what is written, as messages."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream

    def say(self, kind: str, *arrays: NDArray[Any], **content: Any) -> None:
        """Write a message."""
        text = json.dumps({"kind": kind, **content}).encode()
        self._stream.write(_SIZE.pack(len(text)) + text)
        for array in arrays:
            self._stream.write(np.ascontiguousarray(array).data)
        self._stream.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on what is logged."""
        self.say("log", level=record.levelno, text=record.getMessage())


def main() -> None:
    """Read the recording that the arguments name, and write it to the standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever reads us
    out = _Out(os.fdopen(os.dup(1), "wb", buffering=1 << 20))
    os.dup2(2, 1)  # the library prints as it likes
    logging.getLogger("reloc").addHandler(out)
    logging.getLogger("reloc").setLevel(logging.INFO)
    try:
        _read(Path(sys.argv[1]), sys.argv[2] == "1", out)
    except RelocError as error:
        out.say("error", text=str(error), is_calibration=isinstance(error, CalibrationError))
    except BrokenPipeError:
        pass  # whoever read us is gone, and with them whom we could tell
    # librealsense's threads may hang when it is unloaded.
    os._exit(0)


def _read(path: Path, depth: bool, out: _Out) -> None:
    from reloc.sources.options import CameraOptions
    from reloc.sources.realsense.recording import load_recording
    from reloc.sources.realsense.source import RealSenseSource

    faulthandler.dump_traceback_later(_HANGS_AFTER_S, exit=True)
    source = RealSenseSource(lambda: load_recording(path), CameraOptions(depth=depth), None)
    info = source.info
    out.say("info", clock=info.clock, lens=None if info.camera is None else asdict(info.camera), source=info.kind)
    for frame in source:
        faulthandler.cancel_dump_traceback_later()
        _say_frame(frame, out)
        faulthandler.dump_traceback_later(_HANGS_AFTER_S, exit=True)
    out.say("end")


def _say_frame(frame: RawFrame, out: _Out) -> None:
    image = np.ascontiguousarray(frame.image)
    arrays = [image] if frame.depth is None else [image, frame.depth]
    out.say(
        "frame",
        *arrays,
        index=frame.index,
        timestamp_ns=frame.timestamp_ns,
        name=frame.name,
        shape=image.shape,
        dtype=image.dtype.str,
        depth=frame.depth is not None,
    )


if __name__ == "__main__":
    main()
