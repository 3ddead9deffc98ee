from __future__ import annotations

import logging

import pytest

from reloc.errors import OutputError
from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.sinks.sink import FanOut, Sink
from reloc.sources.source import SourceInfo
from tests.unit.sinks.estimates import CAMERA, INFO, estimate


class Spy:
    """Notes what it is asked to do, and raises at the steps in `broken`."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.asked: list[str] = []

    def _do(self, step: str) -> None:
        self.asked.append(step)
        for each in set(self.broken) & {step}:
            raise {"open": OutputError, "write": RuntimeError, "close": KeyError}[each](f"{each} broke")

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        self._do("open")

    def write(self, estimate: Estimate) -> None:
        self._do("write")

    def close(self) -> None:
        self._do("close")


def test_all_receive_everything() -> None:
    spies = [Spy(), Spy()]
    fan = FanOut(spies)
    assert isinstance(fan, Sink)
    fan.open(INFO, CAMERA)
    fan.write(estimate())
    fan.write(estimate())
    fan.close()
    fan.close()
    assert [spy.asked for spy in spies] == [["open", "write", "write", "close"]] * 2
    assert fan.failed == ()


def test_a_sink_that_breaks_is_logged_once_closed_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    good, bad, worse = Spy(), Spy("write"), Spy("write", "close")
    fan = FanOut([bad, worse, good])
    fan.open(INFO, CAMERA)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            fan.write(estimate())
        fan.close()
    assert good.asked == ["open", "write", "write", "write", "close"]
    assert bad.asked == worse.asked == ["open", "write", "close"]
    assert fan.failed == ("Spy", "Spy")
    assert [record.message for record in caplog.records] == [
        "Spy failed and is left out from now on; the others go on: RuntimeError: write broke"
    ] * 2


def test_a_sink_that_breaks_on_closing_does_not_keep_the_others_open(caplog: pytest.LogCaptureFixture) -> None:
    spies = [Spy("close"), Spy()]
    fan = FanOut(spies)
    fan.open(INFO, CAMERA)
    fan.close()
    assert [spy.asked for spy in spies] == [["open", "close"]] * 2
    assert len(caplog.records) == 1


def test_a_sink_that_cannot_be_opened_stops_the_run_and_the_others_are_let_go() -> None:
    spies = [Spy("close"), Spy("open"), Spy()]
    fan = FanOut(spies)
    with pytest.raises(OutputError, match="open broke"):
        fan.open(INFO, CAMERA)
    assert [spy.asked for spy in spies] == [["open", "close"], ["open", "close"], []]
    fan.close()
    assert spies[0].asked == ["open", "close"]


def test_a_wish_to_stop_is_not_taken_for_a_broken_sink() -> None:
    class Interrupted(Spy):
        def write(self, estimate: Estimate) -> None:
            raise KeyboardInterrupt

    fan = FanOut([Interrupted()])
    fan.open(INFO, CAMERA)
    with pytest.raises(KeyboardInterrupt):
        fan.write(estimate())
