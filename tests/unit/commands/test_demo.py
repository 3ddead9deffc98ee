from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from reloc.cli import make_app


def test_the_demo_makes_tracks_evaluates_and_says_where_everything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "demo"
    arguments = ["demo", "--out", str(out), "--frames", "3", "--viewer", "none"]
    result = CliRunner().invoke(make_app("demo"), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "3 frames: 3 TRACKED" in result.stdout
    assert "3 of 3 ground-truth frames have a pose" in result.stdout
    places = dict(line.split() for line in result.stdout.splitlines()[-2:])
    assert places == {"recording": str(out / "recording"), "results": str(out / "run")}
    assert (out / "recording" / "map" / "mesh.obj").is_file()
    assert (out / "run" / "trajectory.txt").read_text().count("\n") == 4
