from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.renderer import NO_FACE, Rendering
from reloc.render.visibility import (
    SurfaceRule,
    away_from_rims,
    cell_size,
    points_in_world,
    strongest_in_cells,
    usable_surface,
)
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA

CAMERA = PinholeCamera(40, 30, 35.0, 36.0, 19.2, 14.9)
RULE = SurfaceRule(grazing_cosine=0.2, depth_step=0.1, two_sided=False)


def rendering_of(depth: np.ndarray) -> Rendering:
    face_id = np.where(depth > 0, 0, NO_FACE).astype(np.int32)
    return Rendering(CAMERA, SE3.identity(), face_id, depth.astype(np.float32), np.zeros((*depth.shape, 2), np.float32))


def flat(depth: float = 2.0) -> np.ndarray:
    return np.full((30, 40), depth)


def facing(cosine: float = 1.0) -> np.ndarray:
    return np.full((30, 40), cosine, np.float32)


# Usable surface


def test_an_even_wall_is_usable_everywhere() -> None:
    assert usable_surface(rendering_of(flat()), facing(), RULE).all()


def test_both_sides_of_an_occluding_edge_are_left_out() -> None:
    depth = flat()
    depth[:, 20:] = 2.5
    usable = usable_surface(rendering_of(depth), facing(), RULE)
    np.testing.assert_array_equal(np.flatnonzero(~usable.all(axis=0)), [19, 20])
    np.testing.assert_array_equal(np.flatnonzero(~usable.any(axis=0)), [19, 20])


def test_a_step_within_the_share_is_usable() -> None:
    depth = flat()
    depth[:, 20:] = 2.15
    assert usable_surface(rendering_of(depth), facing(), RULE).all()


def test_a_hole_and_its_eight_neighbours_are_left_out() -> None:
    depth = flat()
    depth[10, 15] = 0.0
    usable = usable_surface(rendering_of(depth), facing(), RULE)
    expected = np.ones((30, 40), bool)
    expected[9:12, 14:17] = False
    np.testing.assert_array_equal(usable, expected)


@pytest.mark.parametrize(
    ("cosine", "two_sided", "usable"),
    [(0.21, False, True), (0.19, False, False), (-0.9, False, False), (-0.9, True, True), (-0.19, True, False)],
)
def test_grazing_surface_and_surface_from_behind(cosine: float, two_sided: bool, usable: bool) -> None:
    rule = SurfaceRule(0.2, 0.1, two_sided)
    assert usable_surface(rendering_of(flat()), facing(cosine), rule).all() == usable
    assert usable_surface(rendering_of(flat()), facing(cosine), rule).any() == usable


# Rims


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("rim_px", [0, 1, 2])
def test_rims_keep_their_distance_on_every_level(level: int, rim_px: int) -> None:
    usable = np.ones((61, 80), bool)
    usable[20, 33] = usable[50, 70] = False
    radius = rim_px * max(2**level // 2, 1)
    # The chessboard distance to the nearest pixel that is not usable, by scipy.
    far = ndimage.distance_transform_cdt(usable, "chessboard") > radius
    np.testing.assert_array_equal(away_from_rims(usable, level, rim_px), far[:: 2**level, :: 2**level])


def test_the_border_of_the_image_is_no_rim() -> None:
    assert away_from_rims(np.ones((30, 40), bool), 0, 3).all()


# The strongest of each cell


def slow_strongest(values: np.ndarray, allowed: np.ndarray, cell: int) -> set[tuple[int, int]]:
    """The twin: the largest squared central difference, summed over the channels, of each cell."""
    along_u, along_v = np.zeros_like(values), np.zeros_like(values)
    along_u[:, 1:-1] = values[:, 2:] - values[:, :-2]
    along_v[1:-1] = values[2:] - values[:-2]
    strength = np.where(allowed, np.nan_to_num((along_u**2 + along_v**2).sum(axis=2)), 0)
    strength[[0, -1]] = 0
    strength[:, [0, -1]] = 0
    chosen = set()
    for top in range(0, values.shape[0], cell):
        for left in range(0, values.shape[1], cell):
            block = strength[top : top + cell, left : left + cell]
            v, u = np.unravel_index(np.argmax(block), block.shape)
            chosen |= {(top + int(v), left + int(u))} & set(zip(*(axis.tolist() for axis in np.nonzero(strength)), strict=True))
    return chosen


@pytest.mark.parametrize("cell", [1, 3, 7, 50])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_cell_gives_its_steepest_allowed_pixel(cell: int, channels: int) -> None:
    rng = np.random.default_rng(cell)
    values = rng.random((30, 40, channels)).astype(np.float32)
    values[12:18, 5:9] = np.nan
    allowed = rng.random((30, 40)) < 0.6
    rows, columns = strongest_in_cells(values, allowed, cell)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == slow_strongest(values, allowed, cell)
    assert len(rows) == len(slow_strongest(values, allowed, cell))


def test_a_blank_cell_gives_nothing() -> None:
    values = np.zeros((30, 40, 1), np.float32)
    values[:, 20:] = np.random.default_rng(0).random((30, 20, 1))
    rows, columns = strongest_in_cells(values, np.ones((30, 40), bool), 10)
    assert (columns >= 19).all()
    assert len(rows) <= 9


@given(st.integers(1, 300_000), st.integers(100, 5000))
def test_cells_are_as_many_as_points_are_wanted(usable: int, points: int) -> None:
    side = cell_size(usable, points)
    # The next smaller cell would give more points than wanted.
    assert usable / side**2 <= points
    assert side == 1 or usable / (side - 1) ** 2 > points


def test_points_project_back_onto_their_pixels() -> None:
    rng = np.random.default_rng(3)
    rows, columns, depth = rng.integers(0, 30, 50), rng.integers(0, 40, 50), rng.uniform(0.5, 4, 50)
    points = points_in_world(CAMERA, ANYWHERE, rows, columns, depth.astype(np.float32))
    in_camera = points @ ANYWHERE.rotation.T + ANYWHERE.translation
    pixels = in_camera @ CAMERA.matrix.T
    np.testing.assert_allclose(in_camera[:, 2], depth.astype(np.float32), rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], np.stack([columns, rows], axis=1), rtol=0, atol=ALGEBRA * 100)
