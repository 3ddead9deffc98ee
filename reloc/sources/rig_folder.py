"""The recording of a rig: a folder with rig.yaml and one recording for each camera, of the camera's name.

Images that were taken within a few milliseconds of one another belong to one instant. A camera may miss some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from reloc.errors import SourceError
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_rig
from reloc.geometry.rig import Rig
from reloc.sources.decode import read_image
from reloc.sources.folder import open_folder
from reloc.sources.images import ImageFile, ImageSequence, distinct_paths
from reloc.sources.source import SourceInfo

RIG_FILE = "rig.yaml"
_SAME_INSTANT_NS = 5_000_000
"""Cameras that are triggered together differ by less, and two images of one camera by more."""


@dataclass(frozen=True)
class _Instant:
    """The image files of one instant, by camera."""

    timestamp_ns: int
    files: dict[str, ImageFile]


class RigFolder:
    """Reads the images of all cameras, instant by instant. A frame is that of the first camera, with those of the `others`.

    Where the first camera missed an instant, its frame is black and to be ignored altogether.
    """

    def __init__(self, folder: Path) -> None:
        self._rig: Rig = load_rig(folder / RIG_FILE)
        self._instants = _instants({name: _files(folder / name) for name in self._rig.names})
        first, groundtruth = self._rig.cameras[0], folder / "groundtruth.txt"
        self._blank = np.zeros((first.lens.height, first.lens.width), dtype=np.uint8)
        self._nothing = np.ones_like(self._blank, dtype=np.bool_)
        self._info = SourceInfo(
            folder.resolve().name,
            live=False,
            length=len(self._instants),
            camera=first.lens,
            clock="recording",
            groundtruth=groundtruth if groundtruth.is_file() else None,
            rig=self._rig,
            kind="rig",
            files=distinct_paths(file for instant in self._instants for file in instant.files.values()),
        )

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame; `camera` is the first one."""
        return self._info

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the instants in order of time. Raises `SourceError` for an image that cannot be read."""
        for index, instant in enumerate(self._instants):
            frames = {name: self._frame(index, instant.timestamp_ns, file) for name, file in instant.files.items()}
            first = frames.pop(self._rig.names[0], None)
            if first is None:
                first = RawFrame(index, instant.timestamp_ns, self._blank, "missing", ignore=self._nothing)
            yield replace(first, others=frames)

    def _frame(self, index: int, timestamp_ns: int, file: ImageFile) -> RawFrame:
        return RawFrame(index, timestamp_ns, read_image(file.path), f"{file.path.parent.parent.name}/{file.path.name}")

    def __enter__(self) -> Self:
        """Do nothing: files are opened one at a time."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Do nothing: no file stays open."""


def _files(folder: Path) -> tuple[ImageFile, ...]:
    if not folder.is_dir():
        raise SourceError(f"A rig's recording has a folder for each camera of {RIG_FILE}; this one is missing", folder)
    source = open_folder(folder)
    if not isinstance(source, ImageSequence):
        raise SourceError("The cameras of a rig are recorded as images; convert the videos into images first", folder)
    return source.files


def _instants(files: dict[str, tuple[ImageFile, ...]]) -> list[_Instant]:
    """Group the images of all cameras by the time of their exposure."""
    in_time = sorted(((file.timestamp_ns, name, file) for name, some in files.items() for file in some), key=lambda one: one[:2])
    result: list[_Instant] = []
    for timestamp_ns, name, file in in_time:
        last = result[-1] if result else None
        if last is not None and timestamp_ns - last.timestamp_ns <= _SAME_INSTANT_NS and name not in last.files:
            last.files[name] = file
        else:
            result.append(_Instant(timestamp_ns, {name: file}))
    return result
