from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from rich.text import Text

from reloc.commands.live_line import FrameRate, LiveLine, live_line
from reloc.estimate import Verdict
from reloc.live import CameraState, CameraStatus
from tests.unit.live.scripted import Clock
from tests.unit.sinks.estimates import estimate

STREAMING = CameraStatus(CameraState.STREAMING, 3.0, 10, 0, 0, "", dropped=2)


def _plain(line: LiveLine) -> str:
    return Text.from_markup(line.text()).plain


def test_the_rate_is_that_of_the_last_two_seconds() -> None:
    clock = Clock()
    rate = FrameRate(clock)
    assert rate.hz() == 0.0
    for _ in range(100):
        clock.now_s += 0.1
        rate.tick()
    assert rate.hz() == pytest.approx(10.0)
    clock.now_s += 1.0
    assert rate.hz() == pytest.approx(5.0)
    clock.now_s += 5.0
    assert rate.hz() == 0.0


def test_at_the_beginning_the_rate_is_that_since_then() -> None:
    clock = Clock()
    rate = FrameRate(clock)
    for _ in range(10):
        rate.tick()
        clock.now_s += 0.05
    assert rate.hz() == pytest.approx(20.0)


def test_the_line_says_what_matters_about_the_latest_frame() -> None:
    clock = Clock()
    line = LiveLine(lambda: STREAMING, FrameRate(clock))
    line.show(estimate(0, milliseconds={"total": 7.0, "latency": 12.4}))
    clock.now_s += 0.5
    assert _plain(line) == "TRACKED  score 0.90  2.0 fps  latency 12 ms  2 dropped"


def test_it_says_what_is_wrong_with_frame_and_camera() -> None:
    silent = replace(STREAMING, state=CameraState.SILENT, state_s=4.2)
    line = LiveLine(lambda: silent)
    line.show(estimate(0, verdict=Verdict.LOST, reason="too dark [0.1]"))
    assert _plain(line).startswith("camera SILENT 4 s  LOST")
    assert _plain(line).endswith("too dark [0.1]")


def test_before_the_first_frame_it_says_that_the_camera_is_starting() -> None:
    starting = replace(STREAMING, state=CameraState.STARTING, state_s=0.6, dropped=0)
    assert _plain(LiveLine(lambda: starting)) == "camera STARTING 1 s  0 dropped"


def test_where_there_is_no_terminal_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with live_line(lambda: STREAMING) as show:
        show(estimate(0))
    assert capsys.readouterr() == ("", "")


def test_at_a_terminal_it_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with live_line(lambda: STREAMING) as show:
        show(estimate(0))
    assert "TRACKED" in capsys.readouterr().err
