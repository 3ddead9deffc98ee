from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from reloc.errors import OutputError, SourceError
from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.camera import PinholeCamera
from reloc.node import RunResult, run, stop_on_signals
from reloc.sources.source import SourceInfo
from tests.unit.sinks.estimates import CAMERA, estimate
from tests.unit.sources.made import ListSource, frames


@dataclass
class Scripted:
    """A relocalizer that gives each frame the next of some verdicts, then TRACKED."""

    verdicts: Sequence[Verdict] = ()
    fails_at: int = -1
    seen: list[int] = field(default_factory=list)
    full_camera: PinholeCamera = CAMERA

    @property
    def undistorter(self) -> Scripted:
        return self

    def step(self, raw: RawFrame) -> Estimate:
        self.seen.append(raw.index)
        assert raw.index != self.fails_at
        verdict = [*self.verdicts, *[Verdict.TRACKED] * 100][len(self.seen) - 1]
        return estimate(raw.index, verdict=verdict)


@dataclass
class Listing:
    """A sink that notes what happens to it."""

    fails_at: int = -1
    refuses: bool = False
    events: list[Any] = field(default_factory=list)

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        self.events.append(("open", info.name, camera))
        if self.refuses:
            raise OutputError("no")

    def write(self, one: Estimate) -> None:
        if one.frame.index == self.fails_at:
            raise OSError("disk full")
        self.events.append(one.frame.index)

    def close(self) -> None:
        self.events.append("close")


def _run(relocalizer: Scripted, sinks: Sequence[Listing], source: ListSource | None = None, **options: Any) -> RunResult:
    return run(source or ListSource(frames(5, height=2, width=2)), relocalizer, sinks, **options)  # type: ignore[arg-type]


def test_every_frame_goes_to_every_sink_in_order() -> None:
    sinks, watched = [Listing(), Listing()], []
    relocalizer = Scripted([Verdict.COASTING])
    result = _run(relocalizer, sinks, progress=lambda one: watched.append(one.frame.index))
    assert relocalizer.seen == watched == [0, 1, 2, 3, 4]
    assert [sink.events for sink in sinks] == [[("open", "made", CAMERA), 0, 1, 2, 3, 4, "close"]] * 2
    assert result == RunResult({Verdict.COASTING: 1, Verdict.TRACKED: 4}, Verdict.TRACKED, stopped=False, failed_sinks=())
    assert result.frames == 5


@pytest.mark.parametrize("live", [False, True])
def test_asked_to_stop_it_stops_before_the_next_frame_and_closes_all(live: bool) -> None:
    sink, relocalizer = Listing(), Scripted()
    result = _run(
        relocalizer, [sink], ListSource(frames(5, height=2, width=2), live=live), stop=lambda: len(relocalizer.seen) == 2
    )
    assert relocalizer.seen == [0, 1]
    assert sink.events[1:] == [0, 1, "close"]
    assert result.stopped
    assert result.frames == 2


def test_a_live_source_is_not_read_ahead() -> None:
    source = ListSource(frames(9, height=2, width=2), live=True)
    _run(Scripted(), [], source, stop=lambda: len(source.read) == 3)
    assert source.read == [0, 1, 2]


def test_when_the_source_breaks_off_the_files_are_closed_and_the_error_comes_out() -> None:
    sink = Listing()
    with pytest.raises(SourceError, match="broken"):
        _run(Scripted(), [sink], ListSource(frames(3, height=2, width=2), error=SourceError("broken")))
    assert sink.events[1:] == [0, 1, 2, "close"]


def test_when_the_relocalizer_breaks_the_files_are_closed() -> None:
    sink = Listing()
    with pytest.raises(AssertionError):
        _run(Scripted(fails_at=2), [sink])
    assert sink.events[1:] == [0, 1, "close"]


def test_when_the_relocalizer_breaks_the_thread_that_reads_ahead_ends_though_the_error_lives_on() -> None:
    before = set(threading.enumerate())
    with pytest.raises(AssertionError) as held:
        _run(Scripted(fails_at=2), [])
    assert set(threading.enumerate()) <= before
    assert held.value is not None


def test_a_sink_that_breaks_is_named_and_the_others_go_on() -> None:
    good = Listing()
    result = _run(Scripted(), [Listing(fails_at=1), good])
    assert good.events[1:] == [0, 1, 2, 3, 4, "close"]
    assert result.failed_sinks == ("Listing",)


def test_a_sink_that_cannot_be_opened_stops_the_run_before_it_begins() -> None:
    relocalizer, first = Scripted(), Listing()
    with pytest.raises(OutputError):
        _run(relocalizer, [first, Listing(refuses=True)])
    assert relocalizer.seen == []
    assert first.events[-1] == "close"


T, N, C, R, L = Verdict.TRACKED, Verdict.LIMITED, Verdict.COASTING, Verdict.RELOCALISING, Verdict.LOST


@pytest.mark.parametrize(
    ("verdicts", "lost"),
    [
        ([T, T, T], False),
        ([L, T, T], False),
        ([T, T, T, L], True),
        ([T, T, C], False),
        ([T, C, C, T], False),
        ([T, C, C], True),
        ([N, N, N], False),
        ([T, T, T, R], True),
        ([N, T, C, C], False),
        ([N, C, C], True),
    ],
)
def test_lost_is_what_ends_lost_or_was_tracked_in_less_than_half(verdicts: list[Verdict], lost: bool) -> None:
    source = ListSource(frames(len(verdicts), height=2, width=2))
    assert _run(Scripted(verdicts), [], source).is_lost is lost


def test_a_source_without_a_frame_is_lost() -> None:
    result = _run(Scripted(), [], ListSource([]))
    assert (result.frames, result.last, result.is_lost) == (0, None, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_sets_the_flag_and_the_old_handlers_come_back(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert (stop(), stop.exit_code) == (False, 0)
        signal.raise_signal(number)
        assert (stop(), stop.exit_code) == (True, code)
    assert signal.getsignal(number) is before


def test_the_second_signal_interrupts_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.exit_code == 143
    assert signal.getsignal(signal.SIGINT) is before
