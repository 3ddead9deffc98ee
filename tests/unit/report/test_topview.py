from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.report.topview import TopView, top_view, up_direction
from tests.scenes import bare_mesh
from tests.unit.evaluate.trajectories import quaternions_of

# A camera that looks along the world's x with z up: its z axis is x, its y axis is −z.
LEVEL = Rotation.from_matrix(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]))
TILTED = Rotation.from_rotvec([0.4, -0.7, 0.2])
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (40, 40, 220), (250, 250, 250)


def cameras(yaw_deg: np.ndarray, pitch_deg: np.ndarray, roll_deg: np.ndarray, world: Rotation) -> np.ndarray:
    """Quaternions of cameras that are turned about the vertical, then pitched down, then rolled; z is up before `world`."""
    local = Rotation.from_euler("YXZ", np.stack([yaw_deg, -pitch_deg, roll_deg], axis=1), degrees=True)
    return quaternions_of(world * LEVEL * local)


@pytest.mark.parametrize("pitch", [-20.0, 0.0, 35.0, 80.0])
@pytest.mark.parametrize("spread", [30.0, 180.0])
def test_up_is_found_however_the_cameras_are_pitched(pitch: float, spread: float) -> None:
    rng = np.random.default_rng(1)
    yaw = rng.uniform(-spread, spread, 200)
    quaternions = cameras(yaw, np.full(200, pitch), rng.normal(0, 2, 200), TILTED)
    off = np.degrees(np.arccos(up_direction(quaternions) @ TILTED.apply([0.0, 0.0, 1.0])))
    assert off < 3.0


def test_where_all_look_one_way_their_own_up_is_levelled() -> None:
    quaternions = cameras(np.zeros(5), np.full(5, 30.0), np.zeros(5), TILTED)
    up = up_direction(quaternions)
    off = np.degrees(np.arccos(up @ TILTED.apply([0.0, 0.0, 1.0])))
    assert off == pytest.approx(30.0, abs=1e-6)
    assert up @ TILTED.apply(LEVEL.apply([1.0, 0.0, 0.0])) == pytest.approx(0.0, abs=1e-9)


def box_room() -> TexturedMesh:
    """A floor of 4 × 2 m in four colours, white below a ceiling that faces down, beside a roof that faces up, z up."""
    quads, colors = [], []
    for x, y, color in ((0, 0, RED), (2, 0, GREEN), (0, 1, BLUE), (2, 1, WHITE)):
        quads.append([[x, y, 0], [x + 2, y, 0], [x + 2, y + 1, 0], [x, y + 1, 0]])
        colors += [color] * 4
    quads.append([[0, 0, 2], [0, 2, 2], [4, 2, 2], [4, 0, 2]])
    colors += [(0, 0, 0)] * 4
    vertices = np.array(quads, np.float32).reshape(-1, 3)
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(len(quads))])
    return bare_mesh(vertices, faces, np.array(colors))


def color_at(view: TopView, point: tuple[float, float, float]) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(view.webp, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.shape[:2] == (view.camera.height, view.camera.width)
    x, y = np.rint(view.pixels(np.array([point]))[0]).astype(int)
    return image[y, x][[2, 1, 0, 3]].astype(int)


PATH = np.array([[0.5, 0.5, 1.0], [3.5, 0.5, 1.0], [3.5, 1.5, 1.2]])
UP = np.array([0.0, 0.0, 1.0])


def test_the_floor_is_where_points_on_it_are_drawn() -> None:
    view = top_view(box_room(), PATH, UP)
    for point, color in (((1, 0.5, 0), RED), ((3, 0.5, 0), GREEN), ((1, 1.5, 0), BLUE), ((3, 1.5, 0), WHITE)):
        np.testing.assert_allclose(color_at(view, point), [*color, 255], atol=12)
    assert color_at(view, (4.1, 1.0, 0))[3] == 0


def test_a_ceiling_is_looked_through_and_a_roof_is_not() -> None:
    view = top_view(box_room(), PATH, UP)
    np.testing.assert_allclose(color_at(view, (1, 0.5, 0)), [*RED, 255], atol=12)
    room = box_room()
    roof = replace(room, faces=room.faces[:, ::-1].copy())
    np.testing.assert_allclose(color_at(top_view(roof, PATH, UP), (1, 0.5, 2)), [0, 0, 0, 255], atol=12)


def test_lengths_are_the_same_at_all_heights_and_in_all_directions() -> None:
    view = top_view(box_room(), PATH, UP)
    for height in (0.0, 1.0, 2.0):
        a, b, c = view.pixels(np.array([[0.5, 0.5, height], [1.5, 0.5, height], [0.5, 1.5, height]]))
        assert view.metres_per_px * np.linalg.norm(b - a) == pytest.approx(1.0, rel=0.03)
        assert view.metres_per_px * np.linalg.norm(c - a) == pytest.approx(1.0, rel=0.03)


def test_it_is_no_mirror_image() -> None:
    view = top_view(box_room(), PATH, UP)
    a, b, c = view.pixels(np.array([[0.0, 0, 0], [1.0, 0, 0], [0.0, 1, 0]]))
    # From above, y is to the left of x: on an image whose own y points down, that is a negative turn.
    assert np.linalg.det([b - a, c - a]) < 0


@pytest.mark.parametrize("up", [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.5, -0.5, 0.7]])
def test_pages_are_wider_than_high_and_the_whole_path_is_shown(up: list[float]) -> None:
    direction = np.array(up) / np.linalg.norm(up)
    view = top_view(box_room(), PATH, direction)
    assert view.camera.width >= view.camera.height
    pixels = view.pixels(PATH)
    assert (pixels > 0).all()
    assert (pixels < [view.camera.width, view.camera.height]).all()


def test_a_stray_point_far_away_and_a_camera_that_stands_still_do_no_harm() -> None:
    room = box_room()
    vertices = np.concatenate([np.repeat(room.vertices, 40, axis=0), [[900, 900, 900]]]).astype(np.float32)
    colors = np.concatenate([np.repeat(room.vertex_colors, 40, axis=0), [[0, 0, 0]]]).astype(np.uint8)
    view = top_view(replace(room, vertices=vertices, vertex_colors=colors, faces=room.faces * 40), PATH[:1], UP)
    np.testing.assert_allclose(color_at(view, (1, 0.5, 0)), [*RED, 255], atol=12)
    assert view.metres_per_px < 0.02


def test_of_a_map_without_a_face_that_looks_up_all_is_shown() -> None:
    room = box_room()
    ceiling = replace(room, faces=room.faces[-2:], material=room.material[-2:])
    assert color_at(top_view(ceiling, PATH, UP), (1, 0.5, 2))[3] == 255


def test_a_trajectory_of_one_pose_has_an_up() -> None:
    one = Trajectory.from_poses([0], [SE3.identity()])
    np.testing.assert_allclose(up_direction(one.quaternions), [0, -1, 0], atol=1e-12)
