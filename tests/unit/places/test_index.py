from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from reloc.geometry.se3 import SE3
from reloc.places.features import detect
from reloc.places.index import FEATURES_PER_VIEW, build_index
from reloc.places.views import VIEW_CAMERA, View, rendered_view
from tests.oracles.ray_caster import RayCaster
from tests.scenes import room
from tests.unit.places.known_room import SECONDS_APART, VIEWS, index, mesh, pose_at


def test_every_view_keeps_its_pose_picture_depth_and_features() -> None:
    known = index()
    assert len(known) == VIEWS
    for number in range(VIEWS):
        np.testing.assert_allclose(known.pose(number).matrix, pose_at(SECONDS_APART * number).matrix, atol=1e-12)
        descriptors, points = known.features_of(number)
        assert len(descriptors) == len(points) > 100
    assert len(known.points) == sum(len(known.features_of(number)[1]) for number in range(VIEWS))
    seen = rendered_view(room(), known.pose(2))
    np.testing.assert_array_equal(known.depths[2], seen.depth[3::6, 3::6])
    assert np.corrcoef(known.pictures[2].ravel(), seen.image[1::3, 1::3].ravel())[0, 1] > 0.95


def test_every_point_is_the_surface_that_its_view_sees_there() -> None:
    known = index()
    for number in (0, 5):
        points = known.features_of(number)[1].astype(np.float64)
        seen = RayCaster(mesh().vertices, mesh().faces, known.pose(number)).view(VIEW_CAMERA)
        in_camera = known.pose(number).apply(points)
        column, row = np.rint(VIEW_CAMERA.project(in_camera)).astype(int).T
        # Depths are those of the nearest pixel centre; at silhouettes half a pixel decides between near and far.
        flat = ~seen.silhouettes[row, column] & (seen.cosine[row, column] > 0.3)
        assert flat.sum() > 80
        np.testing.assert_allclose(in_camera[flat, 2], seen.depth[row, column][flat], rtol=0.01)


def test_views_are_made_when_their_turn_comes_and_counted() -> None:
    made: list[int] = []
    done: list[int] = []

    def view(number: int) -> View:
        made.append(number)
        # The last is at most two workers' worth of views behind.
        assert number <= len(done) + 4
        return rendered_view(room(), pose_at(0.1 * number), VIEW_CAMERA.area_scaled(120, 90))

    known = build_index([partial(view, number) for number in range(12)], done.append)
    assert sorted(made) == list(range(12))
    assert done == list(range(1, 13))
    assert len(known) == 12


def test_a_view_of_nothing_has_no_features() -> None:
    away = SE3.exp([1000.0, 0, 0, 0, 0, 0]) @ pose_at(0)
    known = build_index([partial(rendered_view, room(), pose) for pose in (away, pose_at(0))])
    assert len(known.features_of(0)[0]) == 0
    assert len(known.features_of(1)[0]) > 100
    assert not known.pictures[0].any()


def test_the_features_of_a_view_are_seen_where_they_were_found() -> None:
    view = rendered_view(room(), pose_at(0))
    kernel = np.ones((5, 5), np.uint8)
    inside = cv2.erode((view.valid & (view.depth > 0)).astype(np.uint8), kernel) > 0
    found = detect(view.image, FEATURES_PER_VIEW, inside).pixels
    seen = index().pixels_of(0, view.camera.width, view.camera.height)
    assert len(seen) == len(found) > 100
    # The points are kept in single precision, and the index sorts them by cell.
    apart = np.linalg.norm(seen[:, None] - found, axis=2).min(axis=1)
    assert apart.max() < 0.01
