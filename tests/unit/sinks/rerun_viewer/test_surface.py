from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from reloc.mesh.textured_mesh import TexturedMesh
from reloc.sinks.rerun_viewer import surface
from reloc.sinks.rerun_viewer.surface import Surface, surfaces_of
from tests.tolerances import GREY_ROUNDING

RNG = np.random.default_rng(11)


def grid(side: int, materials: int, textures: tuple[np.ndarray, ...]) -> TexturedMesh:
    """Return a grid of triangles whose neighbours share vertices, with seams in the texture between its materials."""
    v, u = np.mgrid[: side + 1, : side + 1]
    vertices = np.stack([u, v, 0.1 * u * v], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).ravel()
    quads = np.stack([corner, corner + 1, corner + side + 2, corner + side + 1], axis=1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    material = (np.arange(len(faces)) % materials).astype(np.int16)
    uv = (vertices[faces][..., :2] / side * 0.9 + 0.01 * material[:, None, None]).astype(np.float32)
    return TexturedMesh(vertices, faces, uv, material, textures)


def texture(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def corners(found: Surface) -> np.ndarray:
    assert found.uv is not None
    return np.concatenate([found.vertices[found.triangles], found.uv[found.triangles]], axis=-1)


@pytest.mark.parametrize("materials", [1, 3])
def test_every_corner_keeps_its_place_and_its_texel(materials: int) -> None:
    mesh = grid(9, materials, tuple(texture(8, 8) for _ in range(materials)))
    found = surfaces_of(mesh)
    assert len(found) == materials
    for number, each in enumerate(found):
        chosen = mesh.material == number
        expected = np.concatenate([mesh.vertices[mesh.faces[chosen]], mesh.uv[chosen]], axis=-1)
        np.testing.assert_array_equal(corners(each), expected)
        np.testing.assert_array_equal(each.texture, mesh.textures[number])


def test_a_vertex_on_a_seam_within_one_texture_stands_on_either_side() -> None:
    made = grid(9, 2, (texture(8, 8),) * 2)
    mesh = replace(made, material=np.zeros_like(made.material), textures=made.textures[:1])
    (found,) = surfaces_of(mesh)
    np.testing.assert_array_equal(corners(found), np.concatenate([mesh.vertices[mesh.faces], mesh.uv], axis=-1))
    assert len(mesh.vertices) < len(found.vertices) < 3 * len(mesh.faces)


def test_vertices_off_the_seams_are_not_copied() -> None:
    mesh = grid(9, 1, (texture(8, 8),))
    assert len(surfaces_of(mesh)[0].vertices) == len(mesh.vertices)


def test_a_material_without_faces_is_left_out() -> None:
    mesh = grid(3, 1, (texture(8, 8), texture(8, 8)))
    assert len(surfaces_of(mesh)) == 1


def test_colours_at_the_vertices_stay_there() -> None:
    made = grid(3, 1, ())
    colors = RNG.integers(0, 256, (len(made.vertices), 3), dtype=np.uint8)
    mesh = TexturedMesh(made.vertices, made.faces, np.zeros((0, 3, 2), np.float32), made.material, (), colors)
    (found,) = surfaces_of(mesh)
    np.testing.assert_array_equal(found.vertices, mesh.vertices)
    np.testing.assert_array_equal(found.triangles, mesh.faces)
    assert found.vertex_colors is colors
    assert found.texture is found.uv is None


def test_textures_are_halved_by_averages_until_they_fit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(surface, "MOST_TEXELS", 64 * 48 // 4)
    made = texture(48, 64)
    with caplog.at_level(logging.INFO):
        (found,) = surfaces_of(grid(3, 1, (made,)))
    assert found.texture is not None
    assert np.abs(found.texture - made.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))).max() <= GREY_ROUNDING
    assert "from 64 to 32 pixels" in caplog.text


@pytest.mark.parametrize(("most_texels", "longest_side"), [(3000, 4096), (5000, 4096), (10**9, 60), (200, 30), (10**9, 4096)])
def test_textures_keep_to_both_bounds(monkeypatch: pytest.MonkeyPatch, most_texels: int, longest_side: int) -> None:
    monkeypatch.setattr(surface, "MOST_TEXELS", most_texels)
    monkeypatch.setattr(surface, "LONGEST_SIDE_PX", longest_side)
    found = surfaces_of(grid(3, 2, (texture(48, 64), texture(100, 40))))
    shapes = [each.texture.shape[:2] for each in found if each.texture is not None]
    assert sum(height * width for height, width in shapes) <= most_texels
    assert max(max(shape) for shape in shapes) <= longest_side


def test_textures_that_fit_are_not_touched(caplog: pytest.LogCaptureFixture) -> None:
    made = texture(48, 64)
    with caplog.at_level(logging.INFO):
        (found,) = surfaces_of(grid(3, 1, (made,)))
    assert found.texture is made
    assert caplog.text == ""
