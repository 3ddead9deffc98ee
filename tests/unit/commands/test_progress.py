from __future__ import annotations

import io
import sys

import pytest

from reloc.commands.progress import progress_bar
from reloc.estimate import Verdict
from tests.unit.sinks.estimates import estimate


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nobody_looks_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar(3) as advance:
        advance(estimate())
    assert stderr.getvalue() == ""


def test_a_terminal_shows_verdicts_and_score(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar(3) as advance:
        for verdict in (Verdict.TRACKED, Verdict.LOST, Verdict.TRACKED):
            advance(estimate(verdict=verdict, score=0.75))
    assert "2 TRACKED" in stderr.getvalue()
    assert "1 LOST" in stderr.getvalue()
    assert "score 0.75" in stderr.getvalue()
    assert "3/3" in stderr.getvalue()
