"""Runs a source through a relocalizer into sinks, until the source ends or somebody asks to stop."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.sinks.sink import FanOut, Sink
from reloc.sources.config import InputConfig
from reloc.sources.prefetch import prefetched
from reloc.sources.source import FrameSource
from reloc.undistort import Undistorter


class Tracker(Protocol):
    """Says of every frame where the camera was: `Relocalizer`, or `RigRelocalizer` for several cameras."""

    @property
    def undistorter(self) -> Undistorter:
        """What turns raw frames into frames."""
        ...

    def step(self, raw: RawFrame) -> Estimate:
        """Return where the camera was at this frame."""
        ...


@dataclass(frozen=True)
class RunResult:
    """How a run went."""

    verdicts: Mapping[Verdict, int]
    """How many frames got which verdict."""
    last: Verdict | None
    """The verdict of the last frame; None where there was no frame."""
    stopped: bool
    """Whether somebody asked to stop before the end of the source."""
    failed_sinks: tuple[str, ...]
    """The names of the sinks that broke on the way."""

    @property
    def frames(self) -> int:
        """How many frames were given to the relocalizer."""
        return sum(self.verdicts.values())

    @property
    def is_lost(self) -> bool:
        """Whether the run ended lost, or fewer than half of its frames were TRACKED or LIMITED, or there were none."""
        believed = sum(count for verdict, count in self.verdicts.items() if verdict.is_believed)
        return self.last is None or self.last.is_lost or 2 * believed < self.frames


_READ_AHEAD = InputConfig().read_ahead


def _nobody(estimate: Estimate) -> None:
    """Watch nothing."""


def _never() -> bool:
    return False


def run(
    source: FrameSource,
    relocalizer: Tracker,
    sinks: Sequence[Sink],
    *,
    progress: Callable[[Estimate], None] = _nobody,
    stop: Callable[[], bool] = _never,
    read_ahead: int = _READ_AHEAD,
) -> RunResult:
    """Track every frame of an open source and hand each estimate to the sinks and to `progress`.

    `stop` is asked before each frame. Of a recording, `read_ahead` images are decoded in advance by a thread, or none. The sinks
    are opened and, whatever happens, closed; one that fails is left out. What the source raises comes out when all files are
    closed.
    """
    outputs = FanOut(sinks)
    outputs.open(source.info, relocalizer.undistorter.full_camera)
    verdicts: Counter[Verdict] = Counter()
    last, stopped = None, False
    try:
        # Closed here: an error would keep the iterator, and with it the thread that reads ahead, for as long as itself.
        with closing(_frames(source, read_ahead)) as frames:
            for raw in frames:
                if stop():
                    stopped = True
                    break
                estimate = relocalizer.step(raw)
                outputs.write(estimate)
                last = estimate.verdict
                verdicts[last] += 1
                progress(estimate)
    finally:
        outputs.close()
    return RunResult(dict(verdicts), last, stopped, outputs.failed)


def _frames(source: FrameSource, read_ahead: int) -> Generator[RawFrame, None, None]:
    """Yield the frames of a source. Recordings are read ahead; a live camera is paced by its own policy."""
    yield from source if source.info.live or not read_ahead else prefetched(source, read_ahead)


class StopFlag:
    """Set by the first signal; the second one interrupts at once."""

    def __init__(self) -> None:
        self._signal: int | None = None

    def __call__(self) -> bool:
        """Return whether somebody asked to stop."""
        return self._signal is not None

    @property
    def exit_code(self) -> int:
        """The exit code that shells expect after a signal: 128 and its number; 0 without one."""
        return 0 if self._signal is None else 128 + self._signal

    def take(self, number: int, _frame: FrameType | None = None) -> None:
        """Note a signal."""
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Turn Ctrl-C and a request to terminate into a flag, so that the frame in work is finished and all files are closed."""
    flag = StopFlag()
    previous = {number: signal.signal(number, flag.take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
