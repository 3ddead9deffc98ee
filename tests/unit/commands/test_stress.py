from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.errors import ConfigError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def _stress(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("stress"), ["stress", *map(str, arguments)])
    if isinstance(result.exception, Exception):  # not SystemExit, which is how a command ends
        raise result.exception
    return result


def test_a_recording_with_its_map_and_truth_needs_nothing_else(made_recording: Path, tmp_path: Path) -> None:
    only = ("--only", "none", "--only", "noise", "--only", "every_8")
    result = _stress(made_recording, *only, "--json", "--out", tmp_path)
    assert result.exit_code == 0
    none, noisy, eighth = json.loads(result.stdout)
    assert json.loads((tmp_path / "stress.json").read_text()) == [none, noisy, eighth]
    assert (none["name"], none["frames"], none["tracked"], none["within"], none["bluffs"]) == ("none", 8, 1.0, 1.0, 0)
    assert none["p95_m"] < 0.01
    assert (noisy["tracked"], noisy["limited"]) == (1.0, 0.0)
    assert eighth["frames"] == 1
    frames = [json.loads(line) for line in (tmp_path / "noise_0.jsonl").read_text().splitlines()]
    assert [frame["verdict"] for frame in frames] == ["TRACKED"] * 8


def test_the_table_is_for_people(made_recording: Path) -> None:
    result = _stress(made_recording, "--only", "gain_half")
    lines = result.stdout.splitlines()
    assert lines[1].split()[:4] == ["gain_half", "8", "100.0", "0.0"]
    assert "gain_half: half the light: gain 0.5" in result.stdout


def test_incidents_are_tried_as_often_as_asked_and_what_lasts_once(made_recording: Path) -> None:
    nowhere = ("--set", "places.use=never")
    result = _stress(made_recording, "--only", "kidnapped", "--only", "none", "--trials", 2, "--every", 4, "--json", *nowhere)
    assert [(one["name"], one["trials"]) for one in json.loads(result.stdout)] == [("kidnapped", 2), ("none", 1)]
    assert "known views" not in result.stderr


def test_where_a_camera_is_carried_elsewhere_the_map_is_indexed_once(
    made_recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))  # the others' may hold an index of this map
    few = ("--set", "places.views=4", "--every", 2, "--json", "--out", tmp_path)
    first, second = (_stress(made_recording, "--only", "kidnapped", *few) for _ in range(2))
    assert "4 known views" in first.stderr
    assert "known views" not in second.stderr
    assert "known views" not in _stress(made_recording, "--only", "none", *few).stderr


def test_without_a_ground_truth_the_verdicts_are_counted(made_recording: Path) -> None:
    first = (made_recording / "groundtruth.txt").read_text().splitlines()[1].split(" ", 1)[1]
    result = _stress(
        made_recording / "images", "--map", made_recording / "map", "--camera", made_recording / "camera.yaml", "--init", first,
        "--only", "none", "--json",
    )  # fmt: skip
    (found,) = json.loads(result.stdout)
    assert (found["tracked"], found["within"], found["median_m"]) == (1.0, None, None)


def test_a_name_that_is_not_known_is_refused_with_those_that_are(made_recording: Path) -> None:
    with pytest.raises(ConfigError, match="no disturbance darkness; known are none, gamma_half"):
        _stress(made_recording, "--only", "darkness")
