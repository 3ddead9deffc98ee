from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from reloc.geometry.calibration import load_calibration
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import NO_FACE, Rendering
from reloc.render.software import SoftwareRenderer
from reloc.synthetic.scene import ROOM_M
from tests.oracles.ray_caster import RayCaster, View
from tests.scenes import bare_mesh, room
from tests.tolerances import DEPTH_SHARE, OTHER_FACE_SHARE, SAME_DEPTH_SHARE, WEIGHED_POINT_M

# The renderer's near plane, as a share of the map's diagonal: its only freedom that a ray caster must know of.
NEAR_SHARE = 1e-3

CAMERA = PinholeCamera(96, 72, 60.0, 62.0, 46.3, 37.2)
WIDE = PinholeCamera(96, 72, 25.0, 25.0, 47.5, 35.5)


def near_plane(mesh: TexturedMesh) -> float:
    return NEAR_SHARE * float(np.linalg.norm(mesh.bounds[1] - mesh.bounds[0]))


def ray_cast(mesh: TexturedMesh, camera: PinholeCamera, camera_from_world: SE3) -> View:
    return RayCaster(mesh.vertices, mesh.faces, camera_from_world).view(camera, near_plane(mesh))


def assert_same_view(rendering: Rendering, view: View) -> None:
    """Hold a rendering against what the ray caster sees: the same face, or one at the same depth; the same depth where it is."""
    other = rendering.face_id != view.face_id
    hit = rendering.covered & (view.face_id >= 0)
    error = np.abs(rendering.depth - view.depth) / np.maximum(view.depth, 1e-9) * view.cosine
    unexplained = other & ~(hit & (error < SAME_DEPTH_SHARE))
    assert np.count_nonzero(unexplained & ~view.silhouettes) == 0
    assert other.mean() <= OTHER_FACE_SHARE
    assert error[hit & ~other].max(initial=0) < DEPTH_SHARE
    assert (rendering.depth[~rendering.covered] == 0).all()


def assert_seen_as_by_the_ray_caster(mesh: TexturedMesh, full: PinholeCamera, poses: list[SE3], coverage: float) -> None:
    renderer = SoftwareRenderer(mesh)
    for pose in poses:
        caster = RayCaster(mesh.vertices, mesh.faces, pose)
        for shrink in (2, 6):
            camera = full.area_scaled(full.width // shrink, full.height // shrink)
            rendering = renderer.render(camera, pose)
            assert rendering.coverage > coverage
            assert_same_view(rendering, caster.view(camera, near_plane(mesh)))


def test_kitchen_as_the_ray_caster_sees_it(kitchen: Path) -> None:
    mesh, full = load_mesh(kitchen / "map" / "mesh.obj"), load_calibration(kitchen / "query" / "camera.yaml").pinhole
    truth = load_tum(kitchen / "query" / "groundtruth.txt")
    assert_seen_as_by_the_ray_caster(mesh, full, [truth.pose(i).inverse() for i in (0, 74, 149, 224, 299)], 0.85)


def test_castle_as_the_ray_caster_sees_it(castle: Path) -> None:
    mesh, full = load_mesh(castle / "map" / "mesh.obj"), load_calibration(castle / "camera.yaml").pinhole
    truth = load_tum(castle / "groundtruth.txt")
    assert_seen_as_by_the_ray_caster(mesh, full, [truth.pose(i).inverse() for i in (0, 1)], 0.4)


def test_kitchen_from_anywhere_in_it(kitchen: Path) -> None:
    # Mostly views of walls and furniture from close by, from behind, and through the holes of the scan.
    mesh = load_mesh(kitchen / "map" / "mesh.obj")
    renderer, rng = SoftwareRenderer(mesh), np.random.default_rng(0)
    low, high = mesh.bounds.astype(float)
    for turn in Rotation.random(6, rng=rng):
        pose = SE3(turn.as_matrix(), rng.uniform(low, high)).inverse()
        assert_same_view(renderer.render(CAMERA, pose), ray_cast(mesh, CAMERA, pose))


def test_a_closed_room_is_closed_from_every_place_in_it() -> None:
    renderer, rng = room(), np.random.default_rng(1)
    for turn in Rotation.random(8, rng=rng):
        pose = SE3(turn.as_matrix(), rng.uniform(np.full(3, 0.1), np.array(ROOM_M) - 0.1)).inverse()
        rendering = renderer.render(WIDE, pose)
        assert rendering.coverage == 1.0
        assert_same_view(rendering, ray_cast(renderer.mesh, WIDE, pose))


# Clipping


def triangle_soup(rng: np.random.Generator, count: int) -> TexturedMesh:
    """Return triangles as long as the space around the camera is wide: most cross a side of the view, many the near plane."""
    middles = rng.uniform(-2, 2, (count, 1, 3))
    return bare_mesh((middles + rng.uniform(-2.5, 2.5, (count, 3, 3))).reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))


@pytest.mark.parametrize("count", [1, 2, 5, 63, 64, 65, 200])
@pytest.mark.parametrize("camera", [CAMERA, WIDE])
def test_triangles_across_all_sides_of_the_view(count: int, camera: PinholeCamera) -> None:
    rng = np.random.default_rng(count)
    for turn in Rotation.random(10, rng=rng):
        mesh = triangle_soup(rng, count)
        pose = SE3(turn.as_matrix(), rng.uniform(-0.5, 0.5, 3))
        assert_same_view(SoftwareRenderer(mesh).render(camera, pose), ray_cast(mesh, camera, pose))


def test_the_soup_does_cross_the_near_plane_in_sight() -> None:
    # The test above would say nothing of clipping if no triangle that is seen began behind the camera.
    rng, clipped = np.random.default_rng(200), 0
    for turn in Rotation.random(10, rng=rng):
        mesh = triangle_soup(rng, 200)
        pose = SE3(turn.as_matrix(), rng.uniform(-0.5, 0.5, 3))
        seen = np.unique(ray_cast(mesh, WIDE, pose).face_id)
        z = pose.apply(mesh.vertices[mesh.faces[seen[seen >= 0]]].astype(float))[..., 2]
        clipped += np.count_nonzero((z < near_plane(mesh)).any(axis=1))
    assert clipped > 50


def test_an_endless_floor_reaches_the_horizon_from_below_the_camera() -> None:
    # One corner of each triangle lies behind the camera; the horizon is the row cy, and depth is height · fy / (v − cy).
    far = 1e4
    floor = bare_mesh(np.array([[-far, 1.5, -far], [far, 1.5, -far], [far, 1.5, far], [-far, 1.5, far]]), [[0, 3, 2], [0, 2, 1]])
    rendering = SoftwareRenderer(floor).render(CAMERA, SE3.identity())
    rows = np.arange(CAMERA.height)
    expected = 1.5 * CAMERA.fy / np.maximum(rows - CAMERA.cy, 1e-9)
    below = expected < 0.9 * far
    # The floor is near the plane only where its depth is less than a thousandth of the scene.
    beyond = expected > near_plane(floor)
    assert (rendering.face_id[rows < CAMERA.cy] == NO_FACE).all()
    assert rendering.covered[below & beyond].all()
    np.testing.assert_allclose(
        rendering.depth[below & beyond], np.repeat(expected[below & beyond, None], CAMERA.width, 1), rtol=DEPTH_SHARE
    )


# Barycentric weights


def ray_points(rendering: Rendering) -> np.ndarray:
    """The points (H, W, 3) in camera space at the depth of every pixel."""
    camera = rendering.camera
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u, dtype=float)], axis=-1)
    return rays * rendering.depth[..., None]


@pytest.mark.parametrize("camera", [CAMERA, WIDE])
def test_the_weights_of_the_corners_lead_to_the_point_seen(camera: PinholeCamera) -> None:
    # Most of these triangles begin behind the camera or beyond a side of the view.
    rng = np.random.default_rng(8)
    for turn in Rotation.random(10, rng=rng):
        mesh = triangle_soup(rng, 20)
        pose = SE3(turn.as_matrix(), rng.uniform(-0.5, 0.5, 3))
        rendering = SoftwareRenderer(mesh).render(camera, pose)
        seen = rendering.covered
        corners = pose.apply(mesh.vertices[mesh.faces[rendering.face_id[seen]]].astype(float))
        w1, w2 = rendering.weights[seen].astype(float).T
        led_to = (np.stack([1 - w1 - w2, w1, w2], axis=1)[..., None] * corners).sum(axis=1)
        np.testing.assert_allclose(led_to, ray_points(rendering)[seen], rtol=0, atol=WEIGHED_POINT_M)
        assert (rendering.weights[~seen] == 0).all()


def test_the_weights_of_a_triangle_that_is_seen_whole() -> None:
    # Corners at pixels (10, 10), (50, 10) and (10, 50), at depths 1, 2 and 4: by hand, at (20, 20) the image's own weights are
    # 1/2, 1/4, 1/4, those of the surface (1/2, 1/8, 1/16) over their sum.
    pixels, depths = np.array([[10.0, 10], [50, 10], [10, 50]]), np.array([1.0, 2, 4])
    mesh = bare_mesh(CAMERA.unproject(pixels) * depths[:, None], [[0, 1, 2]])
    rendering = SoftwareRenderer(mesh).render(CAMERA, SE3.identity())
    np.testing.assert_allclose(rendering.weights[20, 20], [2 / 11, 1 / 11], rtol=1e-5)
    assert rendering.depth[20, 20] == pytest.approx(16 / 11, rel=DEPTH_SHARE)


def test_triangles_all_but_edge_on_do_no_harm() -> None:
    # Their edges run along the rows, or cross them further away than an integer can say.
    rng = np.random.default_rng(9)
    for slope in (0.0, 1e-300, 1e-25, 1e-18, 1e-12, 1e-9):
        corners = rng.uniform(-1, 1, (300, 3)) * [1.0, slope, 1.0] + [0.0, 0.01, 2.0]
        mesh = bare_mesh(corners, np.arange(300).reshape(-1, 3))
        rendering = SoftwareRenderer(mesh).render(CAMERA, SE3.identity())
        assert rendering.coverage < 1 / CAMERA.height + 1e-9


# Covering


@pytest.mark.parametrize("subdivisions", [0, 2, 5])
def test_a_closed_sphere_has_no_cracks_from_inside(subdivisions: int) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions, radius=2.0)
    renderer = SoftwareRenderer(bare_mesh(sphere.vertices, sphere.faces))
    rng = np.random.default_rng(2)
    for turn in Rotation.random(10, rng=rng):
        pose = SE3(turn.as_matrix(), rng.uniform(-0.8, 0.8, 3))
        assert renderer.render(WIDE, pose).covered.all()


def test_pixel_centres_on_shared_edges_are_covered() -> None:
    # Every corner and every edge of this grid runs through pixel centres.
    camera = PinholeCamera(33, 33, 16.0, 16.0, 16.0, 16.0)
    x, y = np.meshgrid(np.arange(-17, 18) / 16.0, np.arange(-17, 18) / 16.0)
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, d, c], axis=1), np.stack([a, c, b], axis=1)])
    mesh = bare_mesh(np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3), faces)
    assert SoftwareRenderer(mesh).render(camera, SE3.identity()).covered.all()


def test_a_camera_that_looks_away_sees_nothing() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=1.0)
    renderer = SoftwareRenderer(bare_mesh(sphere.vertices, sphere.faces))
    towards = SE3(np.eye(3), np.array([0.0, 0.0, 3.0]))
    away = SE3(Rotation.from_rotvec([0, np.pi, 0]).as_matrix(), np.zeros(3)) @ towards
    assert renderer.render(CAMERA, towards).coverage > 0.1
    assert renderer.render(CAMERA, away).coverage == 0.0
    assert (renderer.render(CAMERA, away).depth == 0).all()


@pytest.mark.parametrize("depths", [(1.0, 2.0), (2.0, 1.0)])
@pytest.mark.parametrize("winding", [slice(None), slice(None, None, -1)])
def test_the_nearer_of_two_walls_hides_the_other_whatever_their_order_and_winding(
    depths: tuple[float, float], winding: slice
) -> None:
    walls = np.concatenate([[[-9.0, -9, z], [9, -9, z], [9, 9, z], [-9, 9, z]] for z in depths])
    faces = np.array([[0, 3, 2], [0, 2, 1], [4, 7, 6], [4, 6, 5]])[:, winding]
    rendering = SoftwareRenderer(bare_mesh(walls, faces)).render(CAMERA, SE3.identity())
    np.testing.assert_allclose(rendering.depth, 1.0, rtol=DEPTH_SHARE)


def test_the_image_is_that_of_the_principal_point_and_the_focal_lengths() -> None:
    # A small square of 1 × 1 at depth 10: its image is where K says, to the pixel.
    corners = np.array([[0.0, 0.0, 10.0], [1.0, 0.0, 10.0], [1.0, 1.0, 10.0], [0.0, 1.0, 10.0]])
    rendering = SoftwareRenderer(bare_mesh(corners, [[0, 3, 2], [0, 2, 1]])).render(CAMERA, SE3.identity())
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    inside = (u >= 46.3) & (u <= 46.3 + 6.0) & (v >= 37.2) & (v <= 37.2 + 6.2)
    np.testing.assert_array_equal(rendering.covered, inside)
    assert rendering.camera is CAMERA


def test_triangles_without_area_are_not_drawn() -> None:
    point, line = [[0, 0, 2.0]] * 3, [[-1, 0, 2.0], [0, 0, 2.0], [1, 0, 2.0]]
    mesh = bare_mesh(np.array(point + line), [[0, 1, 2], [3, 4, 5]])
    assert SoftwareRenderer(mesh).render(PinholeCamera(9, 9, 4.0, 4.0, 4.0, 4.0), SE3.identity()).coverage == 0.0


def test_the_same_view_twice_is_the_same_to_the_bit() -> None:
    mesh = triangle_soup(np.random.default_rng(7), 100)
    first, second = (SoftwareRenderer(mesh).render(CAMERA, SE3.identity()) for _ in range(2))
    np.testing.assert_array_equal(first.face_id, second.face_id)
    np.testing.assert_array_equal(first.depth, second.depth)
