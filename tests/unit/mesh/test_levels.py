from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from reloc.mesh.levels import TextureLevels, level_tables, texel_count, texture_levels
from reloc.mesh.textured_mesh import TexturedMesh
from tests import tolerances
from tests.unit.mesh.small import textured

SIZES = [(64, 64), (37, 21), (5, 1), (1, 1), (8, 130), (33, 32), (2, 2)]


def grey_rgb(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.repeat(values.astype(np.uint8)[..., None], 3, axis=2))


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sample(levels: TextureLevels, level: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The documented lookup, through scipy: texel centres at (i + 0.5) / size."""
    image = levels.image(0, level).astype(np.float64)
    rows, columns = v * image.shape[0] - 0.5, u * image.shape[1] - 0.5
    return map_coordinates(image, [rows, columns], order=1, mode="nearest")


def area_average(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Slow twin: weights are the overlaps of old and new texels in 0..1."""

    def overlaps(old: int, new: int) -> np.ndarray:
        low = np.maximum.outer(np.arange(new) / new, np.arange(old) / old)
        high = np.minimum.outer((np.arange(new) + 1) / new, (np.arange(old) + 1) / old)
        return np.clip(high - low, 0, None) * new

    return np.einsum("ij,jk...,lk->il...", overlaps(image.shape[0], height), image, overlaps(image.shape[1], width))


@pytest.mark.parametrize("upright", [False, True])
def test_a_ramp_has_the_same_value_at_the_same_uv_on_every_level(upright: bool) -> None:
    along = np.broadcast_to(2 * np.arange(64), (64, 64))  # even steps: every average is a whole number
    levels = texture_levels(textured(grey_rgb(along.T if upright else along)), grey=True)
    inner, middle = np.linspace(0.1, 0.9, 41), np.full(41, 0.5)
    u, v = (middle, inner) if upright else (inner, middle)
    for level in range(levels.offset.shape[1]):
        np.testing.assert_allclose(sample(levels, level, u, v), 2 * (64 * inner - 0.5), atol=tolerances.ALGEBRA)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grey", [True, False])
def test_every_level_is_the_area_average_of_the_finest(size: tuple[int, int], grey: bool) -> None:
    texture = noise(*size)
    levels = texture_levels(textured(texture), grey=grey)
    exact = (cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY) if grey else texture).astype(np.float64)
    exact = area_average(exact, *levels.image(0, 0).shape[:2])
    for level in range(levels.offset.shape[1]):
        image = levels.image(0, level)
        exact = area_average(exact, *image.shape[:2])
        np.testing.assert_allclose(image, exact, atol=tolerances.GREY_ROUNDING)


@pytest.mark.parametrize("size", SIZES)
def test_the_mean_is_the_same_on_every_level(size: tuple[int, int]) -> None:
    levels = texture_levels(textured(noise(*size)), grey=True)
    means = [levels.image(0, level).mean() for level in range(levels.offset.shape[1])]
    np.testing.assert_allclose(means, means[0], atol=tolerances.GREY_ROUNDING)


def test_rounding_does_not_brighten_the_coarse_levels() -> None:
    levels = texture_levels(textured(noise(1024, 1024)), grey=True)
    means = [levels.image(0, level).mean() for level in range(5)]
    np.testing.assert_allclose(means, means[0], atol=tolerances.GREY_MEAN)


def test_bands_of_rows_do_not_show() -> None:
    texture = noise(16, 3000)
    levels = texture_levels(textured(texture), grey=False)
    expected = cv2.resize(texture.astype(np.float32), (8, 1500), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(levels.image(0, 1), np.rint(expected).astype(np.uint8))


def test_the_finest_level_is_the_texture_itself() -> None:
    texture = noise(37, 21)
    np.testing.assert_array_equal(texture_levels(textured(texture), grey=False).image(0, 0), texture)
    grey = texture_levels(textured(texture), grey=True).image(0, 0)
    np.testing.assert_array_equal(grey, cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY))


def test_textures_of_different_sizes_stand_side_by_side() -> None:
    textures = [noise(64, 32, 1), noise(8, 8, 2), noise(3, 100, 3)]
    levels = texture_levels(textured(*textures), grey=False)
    assert levels.offset.shape == levels.width.shape == levels.height.shape == (3, 5)
    assert levels.offset.dtype == np.int64
    assert levels.width.dtype == levels.height.dtype == np.int32
    assert len(np.unique(levels.offset[1])) == 1  # the small one has no coarser level: its last stands again
    for index, texture in enumerate(textures):
        alone = texture_levels(textured(texture), grey=False)
        for level in range(alone.offset.shape[1]):
            np.testing.assert_array_equal(levels.image(index, level), alone.image(0, level))


@pytest.mark.parametrize("size", SIZES)
def test_sides_halve_upwards_and_never_fall_below_two(size: tuple[int, int]) -> None:
    _, width, height = level_tables([size])
    np.testing.assert_array_equal(width[0, 1:], np.maximum((width[0, :-1] + 1) // 2, 2))
    np.testing.assert_array_equal(height[0, 1:], np.maximum((height[0, :-1] + 1) // 2, 2))
    assert max(width[0, -1], height[0, -1]) <= 8


def test_levels_fill_the_array_without_gap_or_overlap() -> None:
    sizes = [(40, 30), (7, 9)]
    offset, width, height = level_tables(sizes)
    used = np.zeros(texel_count(sizes), int)
    for start, length in {(int(o), int(w * h)) for o, w, h in zip(offset.flat, width.flat, height.flat, strict=True)}:
        used[start : start + length] += 1
    np.testing.assert_array_equal(used, 1)


def test_a_mesh_without_textures_has_empty_tables() -> None:
    colored = TexturedMesh(
        np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32), np.zeros((0, 3, 2), np.float32),
        np.zeros(1, np.int16), (), np.zeros((3, 3), np.uint8),
    )  # fmt: skip
    levels = texture_levels(colored, grey=True)
    assert levels.offset.shape == (0, 1)
    assert levels.texels.size == 0


def test_levels_are_kept_beside_a_cached_mesh_and_taken_from_there(tmp_path: Path) -> None:
    mesh = textured(noise(64, 64))
    kept = TexturedMesh(mesh.vertices, mesh.faces, mesh.uv, mesh.material, mesh.textures, derived=tmp_path)
    first = texture_levels(kept, grey=True)
    (file,) = tmp_path.glob("levels_grey.npy")
    stored = np.load(file)
    np.testing.assert_array_equal(stored, first.texels)
    np.save(file, 255 - stored)
    np.testing.assert_array_equal(texture_levels(kept, grey=True).texels, 255 - stored)


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_damaged_levels_are_made_anew(content: bytes, tmp_path: Path) -> None:
    mesh = textured(noise(64, 64))
    kept = TexturedMesh(mesh.vertices, mesh.faces, mesh.uv, mesh.material, mesh.textures, derived=tmp_path)
    (tmp_path / "levels_grey.npy").write_bytes(content)
    np.testing.assert_array_equal(texture_levels(kept, grey=True).texels, texture_levels(mesh, grey=True).texels)
    assert len(np.load(tmp_path / "levels_grey.npy")) == 64 * 64 + 32 * 32 + 16 * 16 + 8 * 8


def test_levels_of_another_shape_are_made_anew(tmp_path: Path) -> None:
    mesh = textured(noise(64, 64))
    kept = TexturedMesh(mesh.vertices, mesh.faces, mesh.uv, mesh.material, mesh.textures, derived=tmp_path)
    np.save(tmp_path / "levels_grey.npy", np.zeros(7, np.uint8))
    np.testing.assert_array_equal(texture_levels(kept, grey=True).texels, texture_levels(mesh, grey=True).texels)
