from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.errors import ConfigError, MeshError
from reloc.geometry.se3 import rotation_angle
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from reloc.places.cache import load_cached_index
from reloc.places.index_file import load_index


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))


def _index(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("map"), ["map", "index", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def test_views_are_kept_where_they_are_found_again(made_recording: Path) -> None:
    result = _index(made_recording, "--views", 4)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    mesh_file = made_recording / "map" / "mesh.obj"
    assert first.startswith(f"{mesh_file}: 4 rendered views, 0 photographs, ")
    assert "MiB, made in " in second
    found = load_cached_index(load_mesh(mesh_file))
    assert found is not None
    assert len(found) == 4


def test_views_around_a_trajectory_in_a_file_of_ones_own(made_recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "room.npz"
    _index(made_recording, "--views", 3, "--poses", made_recording, "--out", out)
    mesh = load_mesh(made_recording / "map" / "mesh.obj")
    assert load_cached_index(mesh) is None
    found, truth = load_index(out, mesh), load_tum(made_recording / "groundtruth.txt")
    for number in range(len(found)):
        pose = found.pose(number).inverse()
        apart = [np.linalg.norm(pose.translation - truth.pose(k).translation) for k in range(len(truth))]
        angles = [rotation_angle(pose, truth.pose(k)) for k in range(len(truth))]
        assert min(apart) < 1.5
        assert min(angles) < 0.7


def test_how_high_and_how_far_can_be_said(made_recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "room.npz"
    wishes = ("--up", 0, 0, 1, "--heights", 1.0, 1.5, "--distances", 1.0, 2.0, "--clearance", 0.4)
    _index(made_recording, "--views", 4, *wishes, "--out", out)
    mesh = load_mesh(made_recording / "map" / "mesh.obj")
    found = load_index(out, mesh)
    floor = np.percentile(mesh.vertices[:, 2], 1)
    heights = [found.pose(number).inverse().translation[2] - floor for number in range(len(found))]
    assert 1.0 <= min(heights) <= max(heights) <= 1.5


def test_what_cannot_be_done_is_said(made_recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--heights needs to know what is up"):
        _index(made_recording, "--heights", 1, 2)
    with pytest.raises(ConfigError, match=r"no COLMAP model: expected images and cameras"):
        _index(made_recording, "--colmap", tmp_path)
    with pytest.raises(MeshError, match="holds no mesh"):
        _index(tmp_path)
    with pytest.raises(ConfigError, match="no camera pose was found"):
        _index(made_recording, "--views", 1, "--distances", 100, 200)


def test_the_second_word_is_needed() -> None:
    result = CliRunner().invoke(make_app("map"), ["map", "idex", "x"])
    assert result.exit_code == 2
    assert "No such command 'idex'" in result.output
