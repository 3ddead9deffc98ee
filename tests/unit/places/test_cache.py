from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from reloc.mesh.load import load_mesh
from reloc.mesh.write import write_obj
from reloc.places.cache import cached_path, load_cached_index, store_index
from tests.unit.places.known_room import index, mesh


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))


def test_an_index_is_kept_with_its_mesh_and_goes_when_the_mesh_changes(tmp_path: Path) -> None:
    path = write_obj(mesh(), tmp_path / "map")
    loaded = load_mesh(path)
    assert load_cached_index(loaded) is None
    kept = store_index(loaded, index())
    assert kept is not None
    assert kept == cached_path(loaded)
    found = load_cached_index(load_mesh(path))
    assert found is not None
    assert len(found) == len(index())
    path.write_text(path.read_text().replace("\nv ", "\n# moved\nv ", 1) + "\n")
    changed = load_mesh(path)
    assert load_cached_index(changed) is None
    assert not kept.exists()


def test_a_damaged_index_is_as_good_as_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = replace(mesh(), derived=tmp_path)
    kept = store_index(here, index())
    assert kept is not None
    kept.write_bytes(kept.read_bytes()[:-1000])
    with caplog.at_level(logging.INFO):
        assert load_cached_index(here) is None
    assert "made anew" in caplog.text


def test_where_nothing_can_be_kept_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert store_index(mesh(), index()) is None
    assert cached_path(mesh()) is None
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert store_index(replace(mesh(), derived=tmp_path / "file"), index()) is None
    assert "not kept" in caplog.text
