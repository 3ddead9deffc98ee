from __future__ import annotations

import numpy as np
import pytest

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.picking.session import MOTIONS, VIEW_CAMERA, PickingSession
from tests.oracles.ray_caster import RayCaster
from tests.scenes import room
from tests.unit.places.known_room import mesh, pose_at

CAMERA = PinholeCamera(320, 240, 270.0, 271.0, 158.0, 121.0)
IMAGE = np.full((240, 320, 3), 90, np.uint8)
TRUE = pose_at(0.8)
# Spread over the image of the room; none lies on the rim of anything.
PIXELS = np.array([[40.0, 60.0], [280.0, 50.0], [60.0, 200.0], [250.0, 190.0], [160.0, 120.0]])


def session() -> PickingSession:
    return PickingSession(room(), CAMERA, IMAGE, [pose_at(0.0), pose_at(3.0)])


def points_at(pixels: np.ndarray) -> np.ndarray:
    """Return what of the room is seen at pixels of the image from the true pose, by another ray caster."""
    depth = RayCaster(mesh().vertices, mesh().faces, TRUE).view(CAMERA).depth
    column, row = pixels.astype(int).T
    return TRUE.inverse().apply(CAMERA.unproject(pixels) * depth[row, column][:, None])


def test_a_click_on_the_map_gives_the_point_that_another_ray_caster_finds() -> None:
    picked = session()
    seen = RayCaster(mesh().vertices, mesh().faces, pose_at(0.0)).view(VIEW_CAMERA)
    for u, v in ((100, 90), (320, 240), (600, 400)):
        point = picked.point(u, v)
        in_camera = pose_at(0.0).apply(point)
        np.testing.assert_allclose(in_camera[2], seen.depth[v, u], rtol=1e-4)
        np.testing.assert_allclose(VIEW_CAMERA.project(in_camera[None])[0], [u, v], atol=1e-6)


@pytest.mark.parametrize(("u", "v"), [(-1, 5), (5, -1), (640, 5), (5, 480)])
def test_a_click_beside_the_map_gives_nothing(u: float, v: float) -> None:
    assert session().point(u, v) is None


def test_a_click_where_the_map_has_a_hole_gives_nothing() -> None:
    away = PickingSession(room(), CAMERA, IMAGE, [SE3.exp([0, 0, -1e3, 0, 0, 0]) @ pose_at(0)])
    assert away.point(320, 240) is None


@pytest.mark.parametrize("seed", range(4))
def test_clicks_that_are_off_by_a_pixel_give_the_pose_to_centimetres(seed: int) -> None:
    picked = session()
    clicked = PIXELS + np.random.default_rng(seed).normal(0, 0.7, PIXELS.shape)
    solved = picked.solve(clicked, points_at(PIXELS))
    found, true = solved.camera_from_world.inverse(), TRUE.inverse()
    assert np.linalg.norm(found.translation - true.translation) < 0.08
    assert np.degrees(rotation_angle(found, true)) < 1.5
    assert solved.errors_px.shape == (5,)
    assert picked.solved is solved


def test_exact_clicks_give_the_exact_pose_and_no_error() -> None:
    solved = session().solve(PIXELS[:4], points_at(PIXELS[:4]))
    np.testing.assert_allclose(solved.camera_from_world.matrix, TRUE.matrix, atol=1e-4)
    np.testing.assert_allclose(solved.errors_px, 0, atol=1e-2)


def test_one_wrong_pair_shows_in_the_errors() -> None:
    clicked = PIXELS.copy()
    clicked[2] += [60, -40]
    assert session().solve(clicked, points_at(PIXELS)).errors_px.max() > 5


def test_pairs_that_give_no_pose_are_refused() -> None:
    points = points_at(PIXELS)
    with pytest.raises(ValueError, match="at least 4 pairs are needed, found 3"):
        session().solve(PIXELS[:3], points[:3])
    picked = session()
    with pytest.raises(ValueError, match="no camera sees these points so"):
        picked.solve(PIXELS, np.repeat(points[:1], 5, axis=0))
    assert picked.solved is None


def test_every_motion_has_its_opposite_and_moves_as_it_says() -> None:
    opposites = {
        "forward": "back", "left": "right", "up": "down", "turn left": "turn right", "look up": "look down",
        "roll left": "roll right",
    }  # fmt: skip
    assert set(MOTIONS) == set(opposites) | set(opposites.values()) | {"quarter turn"}
    for there, back in opposites.items():
        picked = session()
        before = picked.point(320, 240)
        picked.move(there)
        assert np.abs(_place(picked, before) - [320, 240]).max() > 3 or there in ("forward", "roll left")
        picked.move(back)
        # The depth in view, in which steps are measured, has changed a little on the way.
        np.testing.assert_allclose(_place(picked, before), [320, 240], atol=12)


def _place(picked: PickingSession, point: np.ndarray) -> np.ndarray:
    return VIEW_CAMERA.project(picked._current().apply(point[None]))[0]


@pytest.mark.parametrize(
    ("motion", "axis", "sign"),
    [("turn right", 0, -1), ("look up", 1, 1), ("right", 0, -1), ("up", 1, 1)],
)
def test_what_is_seen_moves_against_the_camera(motion: str, axis: int, sign: int) -> None:
    picked = session()
    before = picked.point(320, 240)
    picked.move(motion)
    assert sign * (_place(picked, before)[axis] - [320, 240][axis]) > 20


def test_forward_makes_things_nearer_and_a_roll_to_the_right_turns_them_left() -> None:
    picked = session()
    middle, aside = picked.point(320, 240), picked.point(420, 240)
    depth = picked._current().apply(middle[None])[0, 2]
    picked.move("forward")
    assert picked._current().apply(middle[None])[0, 2] < depth
    picked.show(0)
    picked.move("roll right")
    assert _place(picked, aside)[1] < 240 - 10
    picked.show(0)
    for _ in range(4):
        picked.move("quarter turn")
    np.testing.assert_allclose(_place(picked, aside), [420, 240], atol=1e-6)


def test_known_views_are_shown_by_their_number() -> None:
    picked = session()
    first = picked.picture()
    picked.show(1)
    assert first.shape == (480, 640, 3)
    assert np.abs(first.astype(int) - picked.picture()).mean() > 10
    assert picked.thumbnail(1).shape == (120, 160, 3)
    for number in (-1, 2):
        with pytest.raises(ValueError, match="there are 2 views"):
            picked.show(number)
    with pytest.raises(ValueError, match="the motions are forward"):
        picked.move("sideways")


def test_the_overlay_shows_the_edges_of_the_map_on_the_image() -> None:
    picked = session()
    assert picked.overlay() is None
    picked.solve(PIXELS, points_at(PIXELS))
    drawn = picked.overlay()
    assert drawn is not None
    assert drawn.shape == IMAGE.shape
    changed = (drawn == (0, 255, 140)).all(axis=2)
    assert 0.01 < changed.mean() < 0.2
