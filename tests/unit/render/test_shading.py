from __future__ import annotations

import cv2
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Rendering
from reloc.render.software import SoftwareRenderer
from reloc.synthetic.scene import ROOM_M
from tests.scenes import ANYWHERE, bare_mesh, filling_quad, quad_corners, room, textured_quads
from tests.tolerances import FLOAT32_TEXEL, LEVEL_ROUNDING, NORMAL

CAMERA = PinholeCamera(64, 48, 50.0, 52.0, 30.7, 25.1)
DEPTH = 1.7


def random_texture(seed: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def block_means(texture: np.ndarray, side: int) -> np.ndarray:
    """The mean of each block of side × side texels, in 0..1."""
    height, width = texture.shape[:2]
    return texture.reshape(height // side, side, width // side, side, -1).mean(axis=(1, 3)) / 255


def picture_of(mesh: TexturedMesh, camera: PinholeCamera, pose: SE3, *, color: bool = True) -> np.ndarray:
    renderer = SoftwareRenderer(mesh)
    return renderer.shade(renderer.render(camera, pose), color=color)


# Half a texel


def test_where_pixels_coincide_with_texels_the_picture_is_the_texture() -> None:
    texture = random_texture(0)
    mesh = textured_quads([(filling_quad(CAMERA, ANYWHERE, DEPTH), texture)])
    np.testing.assert_allclose(picture_of(mesh, CAMERA, ANYWHERE), texture / 255, rtol=0, atol=FLOAT32_TEXEL)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_at_a_fraction_of_the_size_the_picture_is_the_mean_of_the_texels(side: int) -> None:
    texture = random_texture(1)
    mesh = textured_quads([(filling_quad(CAMERA, ANYWHERE, DEPTH), texture)])
    small = CAMERA.area_scaled(CAMERA.width // side, CAMERA.height // side)
    np.testing.assert_allclose(picture_of(mesh, small, ANYWHERE), block_means(texture, side), rtol=0, atol=LEVEL_ROUNDING)


@pytest.mark.parametrize("side", [1, 2, 4])
def test_a_slip_of_half_a_texel_would_show(side: int) -> None:
    # What the three tests above tolerate must be far from what a slip of half a texel of the level would do.
    means = block_means(random_texture(1), side)
    slipped = (means + np.roll(means, 1, axis=1)) / 2
    assert np.abs(slipped - means)[:, 1:].max() > 10 * LEVEL_ROUNDING


def ramp() -> np.ndarray:
    """A texture of 64 × 48 whose red rises by 4 a texel to the right and whose green rises by 4 a texel downwards.

    The mean of any block of 2^l texels is a whole number, so every level holds the same ramp without rounding.
    """
    v, u = np.mgrid[:48, :64]
    return np.stack([4 * u, 4 * v, np.full_like(u, 128)], axis=-1).astype(np.uint8)


def ramp_at(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The ramp, in 0..1, at texture coordinates in 0..1: texel x has its centre at (x + 0.5) / 64."""
    return np.stack([4 * (64 * s - 0.5), 4 * (48 * t - 0.5), np.full_like(s, 128)], axis=-1) / 255


@pytest.mark.parametrize("zoom", [2.0, 1.0, 0.83, 0.5, 0.37, 0.25, 0.21])
def test_a_ramp_stays_where_it_is_at_every_level_and_between_them(zoom: float) -> None:
    corners = filling_quad(CAMERA, ANYWHERE, DEPTH)
    camera = CAMERA.area_scaled(round(CAMERA.width * zoom), round(CAMERA.height * zoom))
    picture = picture_of(textured_quads([(corners, ramp())]), camera, ANYWHERE)
    v, u = np.mgrid[: camera.height, : camera.width]
    s, t = (u + 0.5) / camera.width, (v + 0.5) / camera.height
    expected = ramp_at(s, t)
    # Nearer to the border than half a texel of the coarser level the lookup repeats the border.
    rim = 1.0 / 48 * max(1.0, 1.01 / zoom) * 2
    inner = (np.minimum(s, t) > rim) & (np.maximum(s, t) < 1 - rim)
    assert inner.mean() > 0.25
    np.testing.assert_allclose(picture[inner], expected[inner], rtol=0, atol=FLOAT32_TEXEL)


# Perspective


def hit_coordinates(rendering: Rendering, origin: np.ndarray, right: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, ...]:
    """Solve origin + s · right + t · down = λ · ray in camera space for every pixel, and return s and t (H, W)."""
    camera = rendering.camera
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u, dtype=float)], axis=-1)
    pose = rendering.camera_from_world
    origin_c, right_c, down_c = pose.apply(origin), pose.rotation @ right, pose.rotation @ down
    system = np.stack(np.broadcast_arrays(right_c, down_c, -rays), axis=-1)
    solution = np.linalg.solve(system, np.broadcast_to(-origin_c, rays.shape)[..., None])[..., 0]
    return solution[..., 0], solution[..., 1]


@pytest.mark.parametrize("tilt", [[0.0, 1.1, 0.0], [-1.0, 0.2, 0.0], [0.6, -0.7, 0.9], [0.0, 1.45, 0.3]])
def test_a_slanted_quad_in_perspective(tilt: list[float]) -> None:
    turn = Rotation.from_rotvec(tilt).as_matrix()
    middle = np.array([0.1, -0.05, 1.6])
    inverse = ANYWHERE.inverse()
    right, down = inverse.rotation @ turn @ [0.8, 0, 0], inverse.rotation @ turn @ [0, 0.6, 0]
    corners = quad_corners(inverse.apply(middle), right, down)
    renderer = SoftwareRenderer(textured_quads([(corners, ramp())]))
    rendering = renderer.render(CAMERA, ANYWHERE)
    s, t = hit_coordinates(rendering, corners[0], 2 * right, 2 * down)
    # The longer side of a pixel's footprint is what a flat view blurs over: keep clear of the rim by some texels.
    inner = rendering.covered & (np.minimum(s, t) > 0.15) & (np.maximum(s, t) < 0.85)
    assert np.count_nonzero(inner) > 50
    np.testing.assert_allclose(renderer.shade(rendering, color=True)[inner], ramp_at(s, t)[inner], rtol=0, atol=FLOAT32_TEXEL)


def test_each_material_has_its_own_texture_of_its_own_size() -> None:
    left, right = random_texture(2, 32, 24), random_texture(3, 16, 96)
    cameras = [PinholeCamera(32, 24, 40.0, 40.0, 20.0, 11.5), PinholeCamera(16, 96, 40.0, 160.0, -4.0, 46.0)]
    mesh = textured_quads([(filling_quad(cameras[0], ANYWHERE, 1.0), left), (filling_quad(cameras[1], ANYWHERE, 2.0), right)])
    for number, (camera, texture) in enumerate(zip(cameras, (left, right), strict=True)):
        renderer = SoftwareRenderer(mesh)
        rendering = renderer.render(camera, ANYWHERE)
        own = mesh.material[rendering.face_id] == number
        assert own.mean() > 0.4
        picture = renderer.shade(rendering, color=True)
        np.testing.assert_allclose(picture[own], texture[own] / 255, rtol=0, atol=FLOAT32_TEXEL)


def test_luminance_is_that_of_opencv() -> None:
    texture = random_texture(4)
    mesh = textured_quads([(filling_quad(CAMERA, ANYWHERE, DEPTH), texture)])
    grey = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY) / 255
    np.testing.assert_allclose(picture_of(mesh, CAMERA, ANYWHERE, color=False), grey, rtol=0, atol=FLOAT32_TEXEL)


# Colours at the vertices


def colored_sphere() -> TexturedMesh:
    sphere = trimesh.creation.icosphere(subdivisions=1, radius=1.0)
    colors = np.random.default_rng(5).integers(0, 256, (len(sphere.vertices), 3))
    return bare_mesh(sphere.vertices, sphere.faces, colors)


def points_seen(rendering: Rendering) -> np.ndarray:
    """The surface points (H, W, 3) in the world behind all pixels."""
    camera, pose = rendering.camera, rendering.camera_from_world
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u, dtype=float)], axis=-1)
    return (rays * rendering.depth[..., None] - pose.translation) @ pose.rotation


def test_colours_at_vertices_blend_by_the_barycentrics_of_the_point_seen() -> None:
    mesh, pose = colored_sphere(), SE3(ANYWHERE.rotation, np.array([0.1, 0.0, 2.0]))
    renderer = SoftwareRenderer(mesh)
    rendering = renderer.render(CAMERA, pose)
    seen = rendering.covered
    faces = mesh.faces[rendering.face_id[seen]]
    weights = trimesh.triangles.points_to_barycentric(mesh.vertices[faces].astype(float), points_seen(rendering)[seen])
    expected = (weights[..., None] * mesh.vertex_colors[faces]).sum(axis=1) / 255
    assert np.count_nonzero(seen) > 500
    np.testing.assert_allclose(renderer.shade(rendering, color=True)[seen], expected, rtol=0, atol=FLOAT32_TEXEL)


def test_luminance_of_colours_at_vertices() -> None:
    mesh, pose = colored_sphere(), SE3(np.eye(3), np.array([0.0, 0.0, 2.0]))
    rgb, grey = picture_of(mesh, CAMERA, pose), picture_of(mesh, CAMERA, pose, color=False)
    np.testing.assert_allclose(grey, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), rtol=0, atol=FLOAT32_TEXEL)


# Facing, and nothing


def test_the_cosine_is_that_of_the_normals_of_trimesh() -> None:
    renderer, rng = room(), np.random.default_rng(6)
    normals = trimesh.Trimesh(renderer.mesh.vertices, renderer.mesh.faces, process=False).face_normals
    for turn in Rotation.random(4, rng=rng):
        pose = SE3(turn.as_matrix(), rng.uniform(np.full(3, 0.2), np.array(ROOM_M) - 0.2)).inverse()
        rendering = renderer.render(CAMERA, pose)
        to_camera = pose.inverse().translation - points_seen(rendering)
        to_camera /= np.linalg.norm(to_camera, axis=-1, keepdims=True)
        expected = (normals[rendering.face_id] * to_camera).sum(axis=-1)
        np.testing.assert_allclose(renderer.facing(rendering), expected, rtol=0, atol=NORMAL)


def test_the_cosine_of_what_is_seen_from_behind_is_negative() -> None:
    corners = filling_quad(CAMERA, ANYWHERE, DEPTH)
    front = textured_quads([(corners, random_texture(7))])
    # The same corners mirrored left to right: wound the other way.
    back = textured_quads([(corners[[1, 0, 3, 2]], random_texture(7))])
    center = (round(CAMERA.cy), round(CAMERA.cx))
    for mesh, sign in ((front, 1), (back, -1)):
        renderer = SoftwareRenderer(mesh)
        assert renderer.facing(renderer.render(CAMERA, ANYWHERE))[center] == pytest.approx(sign, abs=1e-4)


@pytest.mark.parametrize(("color", "shape"), [(True, (48, 64, 3)), (False, (48, 64))])
def test_where_nothing_is_covered_all_pictures_are_zero(color: bool, shape: tuple[int, ...]) -> None:
    corners = quad_corners(np.array([0.0, 0.0, 2.0]), np.array([0.4, 0.0, 0.0]), np.array([0.0, 0.3, 0.0]))
    white = np.full((8, 8, 3), 255, np.uint8)
    renderer = SoftwareRenderer(textured_quads([(corners, white)]))
    rendering = renderer.render(CAMERA, SE3.identity())
    picture = renderer.shade(rendering, color=color)
    assert 0 < rendering.coverage < 1
    assert picture.shape == shape
    assert picture.dtype == np.float32
    assert (picture[~rendering.covered] == 0).all()
    np.testing.assert_allclose(picture[rendering.covered], 1.0, rtol=0, atol=FLOAT32_TEXEL)
    assert (renderer.facing(rendering)[~rendering.covered] == 0).all()
