from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import trimesh
from trimesh.ray.ray_pyembree import RayMeshIntersector

from reloc.geometry.se3 import rotation_angle
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.synthetic.handheld import HandHeld, look_at
from reloc.synthetic.scene import ROOM_M, make_room
from tests.tolerances import ALGEBRA


@pytest.fixture(scope="module")
def room() -> TexturedMesh:
    return make_room(0)


@pytest.fixture(scope="module")
def caster(room: TexturedMesh) -> RayMeshIntersector:
    return RayMeshIntersector(trimesh.Trimesh(room.vertices, room.faces, process=False))


def _directions(count: int) -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_room_is_a_room(room: TexturedMesh) -> None:
    assert 5_000 < len(room.faces) < 20_000
    assert room.textures[0].shape == (2048, 2048, 3)
    np.testing.assert_allclose(room.bounds, [[0, 0, 0], ROOM_M], atol=1e-6)
    assert room.uv.min() > 0
    assert room.uv.max() < 1
    assert room.faces.max() == len(room.vertices) - 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_room(room: TexturedMesh) -> None:
    again, other = make_room(0), make_room(1)
    for name in ("vertices", "faces", "uv"):
        assert getattr(room, name).tobytes() == getattr(again, name).tobytes()
    assert room.textures[0].tobytes() == again.textures[0].tobytes()
    assert (room.textures[0] != other.textures[0]).mean() > 0.3


def test_wherever_the_camera_goes_it_sees_fronts_only_and_no_cracks(room: TexturedMesh, caster: RayMeshIntersector) -> None:
    path, directions = HandHeld(0), _directions(4000)
    for time_s in range(0, 60, 6):
        origins = np.tile(path.world_from_camera(time_s).translation, (len(directions), 1))
        hit = caster.intersects_first(origins, directions)
        assert (hit >= 0).all()
        a, b, c = room.vertices[room.faces[hit]].transpose(1, 0, 2).astype(np.float64)
        facing = -(np.cross(b - a, c - a) * directions).sum(axis=1)
        assert (facing < 0).mean() < 0.002  # the undersides of boxes that stand on something are left out


def test_uv_is_never_mirrored_and_evenly_spread(room: TexturedMesh) -> None:
    a, b, c = room.uv.astype(np.float64).transpose(1, 0, 2) * 2048
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    doubled = ux * vy - uy * vx
    assert (doubled < 0).all()  # counter-clockwise in space, v down in the texture
    p, q, r = room.vertices[room.faces].astype(np.float64).transpose(1, 0, 2)
    texels_per_m = np.sqrt(-doubled / np.linalg.norm(np.cross(q - p, r - p), axis=1))
    assert 100 < np.median(texels_per_m) < 400


def test_one_wall_is_plain_and_the_others_are_rich(room: TexturedMesh) -> None:
    plain_wall = (room.vertices[room.faces][:, :, 0] == 0).all(axis=1)
    opposite = (room.vertices[room.faces][:, :, 0] == np.float32(ROOM_M[0])).all(axis=1)
    deviations = [_gradient(room, which) for which in (plain_wall, opposite)]
    assert deviations[0] < 1.5
    assert deviations[1] > 3


def _gradient(room: TexturedMesh, which: np.ndarray) -> float:
    """Median over the faces of the mean step between neighbouring texels, in grey levels."""
    grey = room.textures[0].mean(axis=2)
    steps = []
    for uv in room.uv[which]:
        (left, top), (right, bottom) = np.floor(uv.min(axis=0) * 2048).astype(int), np.ceil(uv.max(axis=0) * 2048).astype(int)
        steps.append(np.abs(np.diff(grey[top:bottom, left:right], axis=1)).mean())
    return float(np.median(steps))


@pytest.mark.parametrize("seed", range(4))
def test_the_hand_keeps_clear_of_everything_and_moves_smoothly(caster: RayMeshIntersector, seed: int) -> None:
    path, directions = HandHeld(seed), _directions(300)
    times = np.arange(0, 90, 1 / 30)
    poses = [path.world_from_camera(time) for time in times]
    for pose in poses[::60]:
        origins = np.tile(pose.translation, (len(directions), 1))
        points, rays, _ = caster.intersects_location(origins, directions, multiple_hits=False)
        assert np.linalg.norm(points - origins[rays], axis=1).min() > 0.3
    speeds = [np.linalg.norm(b.translation - a.translation) * 30 for a, b in pairwise(poses)]
    turns = [rotation_angle(a, b) * 30 for a, b in pairwise(poses)]
    assert 0.2 < np.median(speeds) < max(speeds) < 1.2
    assert np.deg2rad(5) < np.median(turns) < max(turns) < np.deg2rad(90)
    assert np.abs(np.diff(speeds)).max() * 30 < 3  # m/s²: no jerk that a hand does not make


def test_hands_differ_by_seed_and_repeat_themselves() -> None:
    assert HandHeld(3).world_from_camera(1.5) == HandHeld(3).world_from_camera(1.5)
    assert HandHeld(3).world_from_camera(1.5) != HandHeld(4).world_from_camera(1.5)


def test_look_at_puts_the_target_in_the_middle_and_up_at_the_top() -> None:
    position, target = np.array([1.0, 2.0, 1.5]), np.array([4.0, 1.0, 0.5])
    camera_from_world = look_at(position, target).inverse()
    x, y, z = camera_from_world.apply(target)
    np.testing.assert_allclose([x, y, z], [0, 0, np.sqrt(11)], atol=ALGEBRA)
    assert camera_from_world.apply(target + np.array([0, 0, 0.1]))[1] < 0  # up in the world is a smaller row
    assert np.linalg.det(camera_from_world.rotation) == pytest.approx(1)
