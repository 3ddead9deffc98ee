from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from reloc.commands.check import check
from reloc.errors import MeshError
from tests.unit.mesh.small import write_obj

FACES = "usemtl a\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\nf 1/1 1/1 2/2\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(check)
    return app


def test_a_table_for_people(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(write_obj(tmp_path, FACES))])
    assert result.exit_code == 0
    for words in ("2, 4", "1 × 1 × 0 m", "8 × 8 texture", "8 texels per metre", "1 rims of 4 edges", "MiB"):
        assert words in result.output
    assert "! 1 faces without an area were dropped." in result.output
    assert "! 2 faces are few" in result.output


def test_json_for_programs(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--json", str(write_obj(tmp_path, FACES))])
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert (report["faces"], report["extent_m"], report["textures"]) == (2, [1, 1, 0], [[8, 8]])
    assert "1 faces without an area were dropped." in report["warnings"]


def test_a_missing_texture_is_a_warning(app: typer.Typer, tmp_path: Path) -> None:
    path = write_obj(tmp_path, FACES)
    (tmp_path / "t.png").unlink()
    result = CliRunner().invoke(app, [str(path)])
    assert result.exit_code == 0
    assert "The texture 't.png' is missing" in result.output
    assert "serves for silhouettes only" in result.output


def test_what_is_no_map_is_left_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="there is no such mesh file"):
        check(tmp_path / "mesh.obj")


def test_a_real_map(app: typer.Typer, kitchen: Path) -> None:
    report = json.loads(CliRunner().invoke(app, ["--json", str(kitchen / "map" / "mesh_20k.obj")]).output)
    assert report["looks"] == "inwards"
    assert 2 < max(report["extent_m"]) < 10
    assert not any("millimetres" in warning for warning in report["warnings"])
