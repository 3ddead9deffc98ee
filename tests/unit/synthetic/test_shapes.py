from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from reloc.synthetic.atlas import GUTTER, atlas_uv, draw, pack
from reloc.synthetic.paint import cloud, plain
from reloc.synthetic.shapes import Patch, box, curtain, cylinder, grid, rectangle, sphere

_PAINT = plain((0.5, 0.5, 0.5))


def _solid(patches: list[Patch]) -> trimesh.Trimesh:
    parts = [trimesh.Trimesh(*grid(patch)[:2], process=False) for patch in patches]
    solid = trimesh.util.concatenate(parts)
    solid.merge_vertices(digits_vertex=6)
    solid.update_faces(solid.nondegenerate_faces())
    return solid


def test_a_box_is_closed_and_faces_outwards() -> None:
    solid = _solid(box((1, 2, 3), (1.5, 3.0, 4.2), _PAINT, bottom=True))
    assert solid.is_watertight
    assert solid.volume == pytest.approx(0.5 * 1.0 * 1.2)  # a face turned inwards would make it smaller
    np.testing.assert_allclose(solid.bounds, [[1, 2, 3], [1.5, 3.0, 4.2]])


def test_a_sphere_is_closed_round_and_faces_outwards() -> None:
    solid = _solid([sphere((1, 2, 3), 0.5, _PAINT, cells=(60, 40))])
    np.testing.assert_allclose(np.linalg.norm(solid.vertices - [1, 2, 3], axis=1), 0.5)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.01)


def test_a_cylinder_has_its_area_and_faces_outwards() -> None:
    mantle, lid = cylinder((1, 1, 0), 0.3, 0.8, _PAINT, cells=64)
    assert _solid([mantle]).area == pytest.approx(2 * np.pi * 0.3 * 0.8, rel=0.01)
    assert _solid([lid]).area == pytest.approx(np.pi * 0.09, rel=0.02)
    assert (_solid([lid]).face_normals[:, 2] > 0.99).all()
    outwards = _solid([mantle]).triangles_center[:, :2] - 1
    assert ((_solid([mantle]).face_normals[:, :2] * outwards).sum(axis=1) > 0).all()


def test_a_rectangle_faces_whoever_sees_right_at_the_right_and_down_below() -> None:
    vertices, faces, st_corners = grid(rectangle((0, 0, 2), (3, 0, 0), (0, 0, -2), _PAINT))
    solid = trimesh.Trimesh(vertices, faces)
    np.testing.assert_allclose(solid.face_normals, np.tile([0.0, -1.0, 0.0], (len(faces), 1)), atol=1e-12)
    np.testing.assert_allclose(
        vertices[faces], np.stack([3 * st_corners[..., 0], 0 * st_corners[..., 0], 2 - 2 * st_corners[..., 1]], -1)
    )


def test_a_curtain_hangs_in_folds_around_its_line() -> None:
    vertices, _, _ = grid(curtain((4, 3, 2), (0, -1, 0), 2.0, _PAINT, folds=5, depth=0.05))
    np.testing.assert_allclose([vertices.min(axis=0), vertices.max(axis=0)], [[3.95, 2, 0], [4.05, 3, 2]], atol=2e-3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0.05, 5), st.floats(0.05, 5)), min_size=1, max_size=30))
def test_packed_rectangles_keep_their_distance_and_shape(sizes: list[tuple[float, float]]) -> None:
    places, scale = pack(sizes, 512)
    taken = np.zeros((512, 512), dtype=int)
    for (x, y, width, height), (wide, high) in zip(places, sizes, strict=True):
        assert x >= GUTTER
        assert y >= GUTTER
        assert x + width + GUTTER <= 512
        assert y + height + GUTTER <= 512
        assert (width, height) == (max(4, round(wide * scale)), max(4, round(high * scale)))
        taken[y - GUTTER : y + height + GUTTER, x - GUTTER : x + width + GUTTER] += 1
    assert taken.max() == 1


def test_packing_wastes_little_and_gives_up_where_it_must() -> None:
    rng = np.random.default_rng(0)
    sizes = [tuple(size) for size in rng.uniform(0.2, 2, (60, 2)).tolist()]
    places, _ = pack(sizes, 2048)
    assert sum(width * height for _, _, width, height in places) > 0.6 * 2048**2
    with pytest.raises(ValueError, match="do not fit"):
        pack(sizes, 64)


def test_a_picture_is_found_where_its_uv_says_and_its_rim_is_repeated() -> None:
    atlas = np.zeros((64, 128, 3), np.uint8)
    picture = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    draw(atlas, (40, 12, 30, 20), picture)
    centers = np.stack(np.meshgrid((np.arange(30) + 0.5) / 30, (np.arange(20) + 0.5) / 20), axis=-1)
    texels = atlas_uv(centers, (40, 12, 30, 20), 128) * 128 - 0.5
    columns, rows = np.rint(texels).astype(int).transpose(2, 0, 1)
    np.testing.assert_allclose(texels, np.rint(texels), atol=1e-9)
    np.testing.assert_array_equal(atlas[rows, columns], np.rint(255 * picture))
    np.testing.assert_array_equal(atlas[12 - GUTTER, 40:70], atlas[12, 40:70])


def test_a_cloud_has_detail_at_every_scale() -> None:
    noise = cloud(np.random.default_rng(0), 256, 256)
    assert noise.mean() == pytest.approx(0, abs=1e-5)
    assert noise.std() == pytest.approx(1, abs=1e-5)
    coarse = [noise.reshape(256 // n, n, 256 // n, n).mean(axis=(1, 3)) for n in (1, 2, 4, 8, 16, 32)]
    lost = [before.var() - after.var() for before, after in pairwise(coarse)]
    assert min(lost) > 0.01  # of a variance of 1: what averaging over the next larger squares takes away
