"""The protocol of a source of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.geometry.rig import Rig


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source before its first frame."""

    name: str
    live: bool
    """Whether time goes on when nobody reads: a camera rather than a file."""
    length: int | None
    """How many frames will come, where that is known."""
    camera: LensCamera | None
    """The calibration that came with the source, if it brings one."""
    clock: str = "source"
    """What the timestamps count from, for people: `recording`, `video`, `device`, `host`, ..."""
    groundtruth: Path | None = None
    """What `--init` and `--groundtruth` take for the poses that came with it: a TUM trajectory, or the dataset itself."""
    replayed: bool = False
    """Whether it is a recording that is played as if it were live: it has an end, and cannot be opened again in its middle."""
    rig: Rig | None = None
    """The cameras, where there are several: a frame is the first one's, and brings `others` along."""
    kind: str = ""
    """What it is, for people: `recording`, `images`, `video`, a kind of dataset; empty for a camera."""
    files: tuple[Path, ...] = field(default=(), repr=False)
    """What the images are read from: image files or videos, each once; empty where that is not known before they are read."""


@runtime_checkable
class FrameSource(Protocol):
    """An iterable of frames in order of time; a context manager that lets go of the device or file."""

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        ...

    def __iter__(self) -> Iterator[RawFrame]:
        """Yield the frames. A file that breaks off in the middle raises `SourceError` after its last good frame."""
        ...

    def __enter__(self) -> Self:
        """Open the device or file."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the device or file."""
        ...
