from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.mesh.write import write_obj
from tests.tolerances import FLOAT32_INTENSITY


def _mesh(textures: int, side: int = 64) -> TexturedMesh:
    """Two triangles of a unit square a texture; uv cuts a corner of each texture, so that a turned-over v shows."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32) / 3
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(max(textures, 1))]).astype(np.int32)
    square = np.array([[0.1, 0.3], [0.6, 0.3], [0.6, 0.05], [0.1, 0.05]], np.float32)
    smooth = np.linspace(0, 255, side, dtype=np.uint8)
    pictures = tuple(
        np.stack([np.tile(smooth, (side, 1)), np.tile(smooth[:, None], side), np.full((side, side), 40 * i, np.uint8)], axis=2)
        for i in range(textures)
    )
    return TexturedMesh(
        vertices=np.concatenate([corners + i for i in range(max(textures, 1))]),
        faces=faces,
        uv=np.concatenate([square[[[0, 1, 2], [0, 2, 3]]]] * textures) if textures else np.zeros((0, 3, 2), np.float32),
        material=np.repeat(np.arange(max(textures, 1), dtype=np.int16), 2),
        textures=pictures,
        vertex_colors=None if textures else np.array([[255, 0, 10], [0, 80, 0], [9, 9, 9], [255, 255, 255]], np.uint8),
    )


@pytest.mark.parametrize("textures", [1, 3])
def test_our_loader_gives_the_same_mesh_back(tmp_path: Path, textures: int) -> None:
    mesh = _mesh(textures)
    loaded = load_mesh(write_obj(mesh, tmp_path / "a b"), cache=False)
    np.testing.assert_array_equal(loaded.vertices[loaded.faces], mesh.vertices[mesh.faces])
    np.testing.assert_allclose(loaded.uv, mesh.uv, atol=FLOAT32_INTENSITY)
    for face in range(len(mesh.faces)):
        ours, theirs = mesh.textures[mesh.material[face]], loaded.textures[loaded.material[face]]
        assert np.abs(ours.astype(int) - theirs).mean() < 3  # what JPEG loses


def test_trimesh_finds_our_colours_at_the_corners(tmp_path: Path) -> None:
    mesh = _mesh(1)
    oracle = trimesh.load(write_obj(mesh, tmp_path), process=False, force="mesh")
    seen = oracle.visual.to_color().vertex_colors[:, :3].astype(int)
    pixels = np.rint(mesh.uv * 64 - 0.5).astype(int)
    expected = {
        tuple(v): mesh.textures[0][y, x].astype(int)
        for v, (x, y) in zip(mesh.vertices[mesh.faces].reshape(-1, 3).tolist(), pixels.reshape(-1, 2).tolist(), strict=True)
    }
    for vertex, color in zip(oracle.vertices.astype(np.float32).tolist(), seen, strict=True):
        assert np.abs(color - expected[tuple(vertex)]).max() < 12  # JPEG, and half a texel of the ramp


def test_colours_at_vertices_survive(tmp_path: Path) -> None:
    mesh = _mesh(0)
    loaded = load_mesh(write_obj(mesh, tmp_path), cache=False)
    assert loaded.vertex_colors is not None
    np.testing.assert_array_equal(loaded.vertex_colors[loaded.faces], mesh.vertex_colors[mesh.faces])
    assert not (tmp_path / "mesh.mtl").exists()
