"""Keeps the tests of this room out of the user's own cache, and makes small meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.mesh.textured_mesh import TexturedMesh


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RELOC_CACHE", str(folder))
    return folder


def textured(*textures: np.ndarray) -> TexturedMesh:
    """A triangle for each texture, over the whole of its lower left half."""
    count = len(textures)
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    faces = np.tile(np.arange(3, dtype=np.int32), (count, 1))
    uv = np.tile(np.array([[0, 1], [1, 1], [0, 0]], np.float32), (count, 1, 1))
    return TexturedMesh(vertices, faces, uv, np.arange(count, dtype=np.int16), tuple(textures))
