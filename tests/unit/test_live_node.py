from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from reloc.build import make_relocalizer, make_renderer, make_undistorter
from reloc.config import RelocConfig
from reloc.errors import CalibrationError, OutputError, SourceError
from reloc.estimate import Estimate, Verdict
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.trajectory import load_tum
from reloc.live import LiveCamera
from reloc.live_node import LiveTracker, run_live, warm_up
from reloc.mesh.load import load_mesh
from reloc.node import RunResult
from reloc.sinks.queued import QueuedSink
from reloc.sources.source import SourceInfo
from tests.unit.sinks.estimates import CAMERA, estimate
from tests.unit.sources.made import ListSource, frames

PATIENCE_S = 30.0


class Listing:
    """A sink that notes what happens to it."""

    def __init__(self, *, refuses: bool = False, fails: bool = False, gate: Event | None = None) -> None:
        self.refuses, self.fails, self.gate = refuses, fails, gate
        self.events: list[str] = []
        self.estimates: list[Estimate] = []

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        self.events.append(f"open {info.name}")
        if self.refuses:
            raise OutputError("no")

    def write(self, one: Estimate) -> None:
        if self.fails:
            raise OSError("disk full")
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_S)
        self.estimates.append(one)

    def close(self) -> None:
        self.events.append("close")


class Scripted:
    """Stands for a relocalizer: raises what it is told to at some frames."""

    def __init__(self, faults: dict[int, Exception] | None = None) -> None:
        self.faults = faults or {}

    def step(self, raw: RawFrame) -> Estimate:
        if raw.index in self.faults:
            raise self.faults[raw.index]
        made = estimate(raw.index)
        return replace(made, frame=replace(made.frame, raw=raw))


class Paced(ListSource):
    """A recording whose frames come only when the one before was tracked, so that none is dropped."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        super().__init__(frames(count, height=2, width=2), error=error, live=True)
        self.tracked = Event()

    def __iter__(self) -> Iterator[RawFrame]:
        for frame in super().__iter__():
            yield frame
            assert self.tracked.wait(PATIENCE_S)
            self.tracked.clear()


def _run(source: Paced, sinks: list[Listing | QueuedSink], relocalizer: Scripted | None = None, **options: object) -> RunResult:
    tracker = relocalizer or Scripted()
    return run_live(
        LiveCamera(source, None),
        lambda raw: tracker,  # type: ignore[arg-type, return-value]
        sinks,
        CAMERA,
        progress=lambda one: source.tracked.set(),
        **options,  # type: ignore[arg-type]
    )


def test_every_frame_goes_to_every_sink_and_all_are_closed() -> None:
    sinks = [Listing(), Listing()]
    source = Paced(5)
    result = _run(source, [*sinks])
    for sink in sinks:
        assert [one.frame.index for one in sink.estimates] == [0, 1, 2, 3, 4]
        assert sink.events == ["open made", "close"]
    assert result == RunResult({Verdict.TRACKED: 5}, Verdict.TRACKED, stopped=False, failed_sinks=())
    assert source.closed == 1


def test_the_camera_starts_when_the_sinks_are_open_and_all_is_ready() -> None:
    sink, source, seen = Listing(), Paced(1), []
    _run(source, [sink], ready=lambda: seen.append((list(sink.events), source.opened)))
    assert seen == [(["open made"], 0)]


def test_asked_to_stop_it_stops_and_closes_all() -> None:
    sink, source = Listing(), Paced(5)
    result = _run(source, [sink], stop=lambda: len(sink.estimates) == 2)
    assert [one.frame.index for one in sink.estimates] == [0, 1]
    assert sink.events[-1] == "close"
    assert result.stopped
    source.tracked.set()


def test_a_recording_that_breaks_off_is_an_error_with_all_files_closed() -> None:
    sink = Listing()
    with pytest.raises(SourceError, match="broken"):
        _run(Paced(2, SourceError("broken")), [sink])
    assert len(sink.estimates) == 2
    assert sink.events[-1] == "close"


def test_a_sink_that_cannot_be_opened_is_an_error_and_the_camera_is_not_started() -> None:
    source = Paced(2)
    with pytest.raises(OutputError):
        _run(source, [Listing(refuses=True)])
    assert source.opened == 0


def test_sinks_that_fail_are_named_and_the_others_go_on() -> None:
    class Good(Listing):
        pass

    class Other(Listing):
        pass

    good = Good()
    result = _run(Paced(3), [QueuedSink(Listing(fails=True)), Other(fails=True), good])
    assert len(good.estimates) == 3
    assert result.failed_sinks == ("Other", "Listing")


def test_sinks_behind_queues_end_together_and_not_one_after_the_other() -> None:
    gates = [Event(), Event()]
    slow = [Listing(gate=gate) for gate in gates]

    class Opens(Listing):
        """Lets the second go on only when the first is told the end, which is before it is waited for."""

        def close(self) -> None:
            assert not any(one.events[-1] == "close" for one in slow)
            for gate in gates:
                gate.set()

    result = _run(Paced(2), [Opens(), *(QueuedSink(one, close_timeout_s=PATIENCE_S) for one in slow)])
    assert [one.events[-1] for one in slow] == ["close", "close"]
    assert result.failed_sinks == ()


def test_where_no_frame_comes_somebody_is_told_many_times_a_second() -> None:
    idle: list[int] = []
    source = Paced(2)
    camera = LiveCamera(source, None)
    tracker = Scripted()
    # Nobody says that the first frame is tracked, so there is no second one, until it is time to leave.

    def enough() -> bool:
        return len(idle) == 3 and not source.tracked.set()  # type: ignore[func-returns-value]

    result = run_live(camera, lambda raw: tracker, [], CAMERA, idle=lambda: idle.append(1), stop=enough)  # type: ignore[arg-type, return-value]
    assert (len(idle), result.frames) == (3, 1)


# The tracker.


def _raw(index: int, host_ns: int | None = 7_000_000) -> RawFrame:
    return RawFrame(index, index, np.zeros((2, 2), np.uint8), host_ns=host_ns)


def _tracker(faults: dict[int, Exception] | None = None) -> LiveTracker:
    return LiveTracker(lambda raw: Scripted(faults), now_ns=lambda: 19_500_000)  # type: ignore[arg-type, return-value]


def test_the_latency_is_from_exposure_to_pose() -> None:
    found = _tracker().step(_raw(0))
    assert found is not None
    assert found.milliseconds == {"align": 4.0, "total": 7.0, "latency": 12.5}


def test_without_a_time_of_exposure_there_is_no_latency() -> None:
    found = _tracker().step(_raw(0, host_ns=None))
    assert found is not None
    assert "latency" not in found.milliseconds


def test_the_relocalizer_is_made_once_from_the_first_frame() -> None:
    seen: list[int] = []
    tracker = LiveTracker(lambda raw: (seen.append(raw.index), Scripted())[1])  # type: ignore[arg-type, return-value, func-returns-value]
    for index in (3, 4, 5):
        tracker.step(_raw(index))
    assert seen == [3]


def test_a_first_frame_that_cannot_be_used_is_an_error() -> None:
    with pytest.raises(CalibrationError):
        _tracker({0: CalibrationError("another shape")}).step(_raw(0))


def test_later_ones_are_left_out_and_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    fault = CalibrationError("another shape")
    tracker = _tracker({1: fault, 2: fault, 4: fault})
    with caplog.at_level(logging.WARNING):
        found = [tracker.step(_raw(index)) is not None for index in range(6)]
    assert found == [True, False, False, True, False, True]
    assert caplog.text.count("another shape") == 2


def test_a_fault_of_ours_is_not_hidden() -> None:
    tracker = _tracker({1: ZeroDivisionError()})
    tracker.step(_raw(0))
    with pytest.raises(ZeroDivisionError):
        tracker.step(_raw(1))


def test_warming_up_leaves_nothing_for_the_first_frame_to_prepare(made_recording: Path) -> None:
    config, lens = RelocConfig(), load_calibration(made_recording / "camera.yaml")
    mesh = load_mesh(made_recording / "map" / "mesh.obj")
    renderer, undistorter = make_renderer(config, mesh), make_undistorter(config, lens)
    start = load_tum(made_recording / "groundtruth.txt").pose(0)
    made = []

    def make() -> object:
        made.append(make_relocalizer(config, mesh, lens, start, renderer=renderer, undistorter=undistorter))
        return made[-1]

    warm_up(make, renderer, lens, start)  # type: ignore[arg-type]
    assert len(made) == 1
    assert made[0].undistorter is undistorter
