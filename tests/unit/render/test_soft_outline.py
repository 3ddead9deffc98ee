from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch
from scipy.special import expit

from reloc.align.torch_motion import exp_motion
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.differentiable import SoftRenderer
from reloc.render.soft_outline import SoftOutline
from reloc.render.software import SoftwareRenderer
from tests.scenes import bare_mesh, lump, view_of_the_lump
from tests.tolerances import SOFT_AREA, SOFT_GRADIENT, SOFT_SWITCH, SOFT_TRIANGLE

CAMERA = PinholeCamera(96, 72, 116.0, 116.4, 47.4, 35.6)
TRUTH = view_of_the_lump()
SOFTNESS = 1.5
# Seen at pixels that are far from the image's rim.
TRIANGLE = np.array([[22.3, 14.8], [75.1, 30.2], [35.6, 60.7]])


def soft(mesh: TexturedMesh, *, softness: float = SOFTNESS, double: bool = False) -> SoftOutline:
    return SoftOutline(mesh, SoftwareRenderer(mesh), softness_px=softness, double=double)


def drawn(mesh: TexturedMesh, pose: SE3, camera: PinholeCamera = CAMERA) -> np.ndarray:
    return soft(mesh).alpha(camera, torch.from_numpy(pose.matrix)).numpy()


def in_front(pixels: np.ndarray, faces: np.ndarray) -> TexturedMesh:
    """A mesh whose vertices are seen at pixels, at depths that differ."""
    depth = np.linspace(2.0, 4.0, len(pixels))[:, None]
    return bare_mesh(CAMERA.unproject(pixels) * depth, faces)


@cache
def pixels() -> np.ndarray:
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    return np.stack([u, v], axis=-1)


def test_a_triangle_is_covered_by_the_logistic_function_of_the_squared_distance() -> None:
    polygon = TRIANGLE.astype(np.float32)
    distance = np.array([[cv2.pointPolygonTest(polygon, (float(u), float(v)), True) for u, v in row] for row in pixels()])
    expected = expit(np.sign(distance) * distance**2 / SOFTNESS**2)
    found = drawn(in_front(TRIANGLE, np.array([[0, 2, 1]])), SE3.identity())
    np.testing.assert_allclose(found, expected, atol=SOFT_TRIANGLE)
    assert isinstance(soft(lump()), SoftRenderer)


def test_cutting_a_triangle_into_many_changes_nothing() -> None:
    corners = CAMERA.unproject(TRIANGLE) * np.array([[2.0], [3.0], [4.0]])
    weights = np.array([(i, j, 12 - i - j) for i in range(13) for j in range(13 - i)]) / 12
    number = {tuple(w): k for k, w in enumerate((12 * weights).round().astype(int)[:, :2].tolist())}
    faces = [[number[i, j], number[i + 1, j], number[i, j + 1]] for i in range(12) for j in range(12 - i)]
    faces += [[number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]] for i in range(12) for j in range(11 - i)]
    many = bare_mesh(weights @ corners, np.array(faces))
    one = bare_mesh(corners, np.array([[0, 2, 1]]))
    assert len(faces) == 144
    np.testing.assert_allclose(drawn(many, SE3.identity()), drawn(one, SE3.identity()), atol=SOFT_TRIANGLE)


def test_the_area_is_that_of_the_object() -> None:
    fine = SoftwareRenderer(lump()).render(CAMERA.area_scaled(8 * CAMERA.width, 8 * CAMERA.height), TRUTH)
    expected = fine.covered.sum() / 64
    assert abs(drawn(lump(), TRUTH).sum() - expected) < SOFT_AREA * expected


def test_where_the_image_ends_nothing_fades() -> None:
    cropped = PinholeCamera(50, 72, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)
    whole, part = drawn(lump(), TRUTH), drawn(lump(), TRUTH, cropped)
    np.testing.assert_allclose(part[:, :44], whole[:, :44], atol=SOFT_SWITCH)
    assert (part[:, -1] > 0.99).sum() > 10


def test_what_is_not_in_view_covers_nothing() -> None:
    away = SE3.exp([0, 0, 0, 0, np.pi, 0]) @ TRUTH
    assert drawn(lump(), away).max() == 0


def test_the_derivative_by_the_pose_is_the_finite_difference() -> None:
    renderer, matrix = soft(lump(), double=True), torch.from_numpy(TRUTH.matrix)

    def alpha(delta: torch.Tensor) -> torch.Tensor:
        return renderer.alpha(CAMERA, exp_motion(delta) @ matrix).ravel()

    delta, directions = torch.zeros(6, dtype=torch.float64, requires_grad=True), torch.eye(6, dtype=torch.float64)
    drawn_there = alpha(delta)
    # Jᵀ w is linear in w, so its derivative by w is the Jacobian, of which six columns are cheaper than all rows.
    weight = torch.ones_like(drawn_there, requires_grad=True)
    pulled = torch.autograd.grad(drawn_there, delta, weight, create_graph=True)[0]
    columns = [torch.autograd.grad(pulled, weight, one, retain_graph=True)[0] for one in directions]
    found = torch.stack(columns, dim=1).numpy()
    changes = np.stack([(alpha(1e-5 * one) - alpha(-1e-5 * one)).numpy() for one in directions], axis=1)
    # Where another edge becomes the nearest, a pixel jumps: there is no derivative there.
    agrees = (np.abs(found - changes / 2e-5) < SOFT_GRADIENT * np.abs(found).max()).all(axis=1)
    moving = np.abs(found).max(axis=1) > 0
    assert moving.sum() > 500
    assert agrees[moving].mean() > 0.95
    assert agrees[~moving].all()
