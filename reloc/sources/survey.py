"""What the frames of a source are like: how many, how large, how evenly timed, and which of them are not new."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.sources.source import FrameSource

# Frames that come half an interval late may only be jittered; a whole one more is a frame that is missing.
_GAP_INTERVALS = 1.75


@dataclass(frozen=True)
class ImageForm:
    """What images have in common."""

    width: int
    height: int
    channels: int
    bits: int


@dataclass(frozen=True)
class Gap:
    """A longer wait than usual between two frames."""

    after: str
    """Name of the frame before it."""
    seconds: float


@dataclass(frozen=True, eq=False)
class Survey:
    """All frames of a source, seen once."""

    forms: dict[ImageForm, int]
    """Which forms images have, and how many each; the most frequent one first."""
    timestamps_ns: NDArray[np.int64]
    """(N,) of the frames that could be read."""
    gaps: tuple[Gap, ...]
    """The longest first."""
    repeated: tuple[str, ...]
    """Names of the frames whose image is that of the frame before, to the last bit."""
    broken_off: str | None
    """Why the source ended before its end, if it did."""

    @property
    def frames(self) -> int:
        """How many frames could be read."""
        return len(self.timestamps_ns)

    @property
    def interval_s(self) -> float:
        """Median time between two frames, in seconds; NaN for fewer than two."""
        return float(np.median(np.diff(self.timestamps_ns))) / NANOSECONDS_PER_SECOND if self.frames > 1 else float("nan")


def survey(source: FrameSource, progress: Callable[[], None] = lambda: None) -> Survey:
    """Read every frame of an open source, telling `progress` of each, and return what they are like."""
    names, times, repeated = [], [], []
    forms: Counter[ImageForm] = Counter()
    broken_off, before = None, b""
    try:
        for frame in source:
            forms[_form(frame)] += 1
            digest = _digest(frame)
            if digest == before:
                repeated.append(frame.name)
            before = digest
            names.append(frame.name)
            times.append(frame.timestamp_ns)
            progress()
    except SourceError as error:
        broken_off = str(error)
    return Survey(
        dict(forms.most_common()),
        np.array(times, dtype=np.int64),
        _gaps(names, times),
        tuple(repeated),
        broken_off,
    )


def _form(frame: RawFrame) -> ImageForm:
    height, width = frame.image.shape[:2]
    channels = 1 if frame.image.ndim == 2 else frame.image.shape[2]
    return ImageForm(width, height, channels, 8 * frame.image.dtype.itemsize)


def _digest(frame: RawFrame) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(frame.image).data, digest_size=16).digest()


def _gaps(names: list[str], times: list[int]) -> tuple[Gap, ...]:
    steps = [after - before for before, after in pairwise(times)]
    if not steps:
        return ()
    longest = _GAP_INTERVALS * float(np.median(steps))
    found = [Gap(name, step / NANOSECONDS_PER_SECOND) for name, step in zip(names, steps, strict=False) if step > longest]
    return tuple(sorted(found, key=lambda gap: -gap.seconds))
