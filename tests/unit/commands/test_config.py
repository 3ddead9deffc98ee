from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from reloc.cli import make_app
from reloc.config import RelocConfig, load_config


def _config(*arguments: str) -> str:
    result = CliRunner().invoke(make_app("config"), ["config", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_defaults_are_printed_with_explanations(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(_config())
    assert load_config(tmp_path / "all.yaml") == RelocConfig()
    assert "# " in _config()


def test_a_file_and_settings_are_printed_resolved(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("align: {iterations: 3}\n")
    (tmp_path / "all.yaml").write_text(_config(str(tmp_path / "some.yaml"), "--set", "viewer.mode=save"))
    resolved = load_config(tmp_path / "all.yaml")
    assert (resolved.align.iterations, resolved.viewer.mode) == (3, "save")
    assert "  rate_hz: 10.0\n" in (tmp_path / "all.yaml").read_text()
