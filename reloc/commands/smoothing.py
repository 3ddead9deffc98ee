"""The second pass of `reloc track --smooth`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from reloc.build import CONFIG, SMOOTH
from reloc.commands.progress import counting_bar
from reloc.config import RelocConfig
from reloc.frame import RawFrame
from reloc.motion import MotionModel
from reloc.smooth.files import SmoothCounts, write_smoothed
from reloc.smooth.second_pass import second_pass
from reloc.smooth.seen import Seen
from reloc.smooth.walk import MakeRelocalizer
from reloc.sources.derived import DerivedSource
from reloc.sources.source import FrameSource

OpenSource = Callable[[], AbstractContextManager[FrameSource]]


def smooth_run(
    out: Path, frames: Sequence[Seen], open_again: OpenSource, make: MakeRelocalizer, config: RelocConfig
) -> SmoothCounts:
    """Write the smoothed run of a run that has ended beside its files, and return what it brought."""

    @contextmanager
    def reopen(what: str) -> Iterator[FrameSource]:
        with open_again() as source, counting_bar(len(frames), what) as progress:
            yield DerivedSource(source, lambda inner: _counted(inner, progress))

    passed = second_pass(frames, reopen, make, MotionModel(config.motion), config.assess.nis, config.smooth)
    counts = write_smoothed(out, out / SMOOTH, passed.found, passed.smoothed, config.smooth)
    shutil.copyfile(out / CONFIG, out / SMOOTH / CONFIG)
    return counts


def _counted(source: FrameSource, progress: Callable[[int], None]) -> Iterator[RawFrame]:
    """Yield the frames of a source and say how many have come."""
    for count, raw in enumerate(source, start=1):
        progress(count)
        yield raw
