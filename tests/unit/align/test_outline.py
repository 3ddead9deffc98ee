from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from reloc.align.outline import Outline, nearest_rim, outline_of_mask, outward_normals, overlap, rim_points
from tests.tolerances import ALGEBRA, NEAREST_PX, OUTLINE_PX

EVERYWHERE = np.ones((90, 120), bool)
CENTER, RADIUS = np.array([58.3, 44.6]), 25.0


def from_center() -> np.ndarray:
    v, u = np.mgrid[:90, :120]
    return np.hypot(u - CENTER[0], v - CENTER[1])


def disc() -> Outline:
    return Outline(from_center() <= RADIUS, EVERYWHERE)


def test_the_distance_is_that_to_a_circle() -> None:
    far = np.abs(from_center() - RADIUS) < 15  # at the centre the distance has a kink, which the smoothing rounds off
    assert np.abs(disc().distance - (from_center() - RADIUS))[far].max() < OUTLINE_PX
    # What is left is the staircase of the pixels: it averages out.
    assert abs((disc().distance - (from_center() - RADIUS))[far].mean()) < OUTLINE_PX / 8


def test_the_rim_is_the_outermost_row_inside_and_never_where_the_image_ends() -> None:
    inside = np.zeros((8, 10), bool)
    inside[3:, 4:7] = True  # runs out of the image at the bottom
    known = np.ones_like(inside)
    known[:, 6:] = False  # and into what is not known on the right
    rows, columns = Outline(inside, known).rim
    expected = {(3, 4), (3, 5), (4, 4), (5, 4), (6, 4), (7, 4)}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected


def test_a_region_without_an_outline_is_infinitely_far_or_deep() -> None:
    assert np.isposinf(Outline(~EVERYWHERE, EVERYWHERE).distance).all()
    assert np.isneginf(Outline(EVERYWHERE, EVERYWHERE).distance).all()
    assert len(rim_points(Outline(EVERYWHERE, EVERYWHERE), 100).pixel) == 0


def test_a_pixel_is_inside_where_half_of_it_is_covered() -> None:
    assert outline_of_mask(np.array([[0.0, 0.49, 0.51, 1.0]], np.float32), np.ones((1, 4), bool)).inside.tolist() == [
        [False, False, True, True]
    ]


def test_rim_points_are_thinned_evenly() -> None:
    everything, some = rim_points(disc(), 10_000).pixel, rim_points(disc(), 50).pixel
    assert 25 <= len(some) <= 50
    assert np.array_equal(some, everything[:: -(-len(everything) // 50)])


def test_the_nearest_pixel_of_the_rim_is_that_of_a_search_tree() -> None:
    pixels = np.random.default_rng(3).integers([0, 0], [120, 90], (300, 2)).astype(float)
    rows, columns = disc().rim
    distance, _ = cKDTree(np.column_stack([columns, rows])).query(pixels)
    found = nearest_rim(disc(), pixels)
    assert set(map(tuple, found)) <= set(zip(columns.tolist(), rows.tolist(), strict=True))
    assert (np.linalg.norm(found - pixels, axis=1) - distance).max() < NEAREST_PX


def test_normals_of_a_circle_point_away_from_its_centre() -> None:
    pixel = rim_points(disc(), 1000).pixel
    outwards = (pixel - CENTER) / np.linalg.norm(pixel - CENTER, axis=1, keepdims=True)
    normals = outward_normals(disc(), pixel)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=ALGEBRA)
    assert (np.sum(normals * outwards, axis=1) > 0.97).all()


def test_overlap_is_intersection_over_union_where_both_are_known() -> None:
    a, b, known = np.zeros((4, 6), bool), np.zeros((4, 6), bool), np.ones((4, 6), bool)
    a[:, :3], b[:, 2:4], known[:, 0] = True, True, False
    assert overlap(Outline(a, known), Outline(b, np.ones_like(known))) == 1 / 3
    assert overlap(Outline(~known & False, known), Outline(~known & False, known)) == 0.0
