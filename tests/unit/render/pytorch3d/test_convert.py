"""The conversions by hand, which needs no PyTorch3D; `test_renderer.py` holds them against the library itself."""

from __future__ import annotations

import numpy as np
import torch

from reloc.geometry.camera import PinholeCamera
from reloc.mesh.levels import texture_levels
from reloc.render.pytorch3d.convert import intrinsics_to_pytorch3d, maps_to_pytorch3d, pose_to_pytorch3d, uv_to_pytorch3d
from tests.scenes import ANYWHERE, painted_corner
from tests.tolerances import ALGEBRA, FLOAT32

CAMERA = PinholeCamera(64, 48, 55.0, 57.0, 30.3, 24.4)


def test_points_are_moved_as_rows_into_a_space_with_x_left_and_y_up() -> None:
    points = np.random.default_rng(0).normal(0, 1, (20, 3))
    rotation, translation = (part[0].numpy() for part in pose_to_pytorch3d(torch.from_numpy(ANYWHERE.matrix)))
    np.testing.assert_allclose(points @ rotation + translation, ANYWHERE.apply(points) * [-1, -1, 1], atol=ALGEBRA)


def test_the_pose_stays_differentiable() -> None:
    pose = torch.from_numpy(ANYWHERE.matrix).requires_grad_()
    rotation, translation = pose_to_pytorch3d(pose)
    (rotation[0, 2, 0] + 3 * translation[0, 1]).backward()
    assert pose.grad is not None
    expected = np.zeros((4, 4))
    expected[0, 2], expected[1, 3] = -1, -3
    np.testing.assert_array_equal(pose.grad.numpy(), expected)


def test_the_centre_of_the_first_pixel_is_half_a_pixel_from_its_corner() -> None:
    found = intrinsics_to_pytorch3d(CAMERA)
    assert found["principal_point"] == ((30.8, 24.9),)
    assert found["focal_length"] == ((55.0, 57.0),)
    assert (found["image_size"], found["in_ndc"]) == (((48, 64),), False)


def test_v_counts_from_the_bottom() -> None:
    uv = np.array([[[0.0, 0.0], [0.25, 1.0], [1.0, 0.75]]], np.float32)
    np.testing.assert_allclose(uv_to_pytorch3d(uv), [[[0, 1], [0.25, 0], [1, 0.25]]], atol=FLOAT32)


def test_textures_are_taken_at_one_level() -> None:
    mesh = painted_corner()
    maps = maps_to_pytorch3d(texture_levels(mesh, grey=False), 1)
    assert maps.shape == (3, 128, 128, 3)
    averaged = mesh.textures[2].reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(maps[2], averaged, atol=0.51 / 255)
