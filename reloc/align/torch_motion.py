"""The exponential map of SE(3) in torch, for solvers that differentiate automatically."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def exp_motion(tangent: Tensor) -> Tensor:
    """Return exp(δ) as a matrix (4, 4) for δ = (translation, rotation) (6,): `SE3.exp`, differentiable everywhere."""
    import torch

    x, y, z, a, b, c = tangent.unbind()
    zero = torch.zeros_like(x)
    rows = [zero, -c, b, x, c, zero, -a, y, -b, a, zero, z, zero, zero, zero, zero]
    # The exponential of the twist itself: Rodrigues' closed form would need a series of its own around δ = 0, where we start.
    return torch.linalg.matrix_exp(torch.stack(rows).reshape(4, 4))


def exp_about(tangent: Tensor, point: Tensor) -> Tensor:
    """Return exp(δ) as a matrix (4, 4), its rotation about a point (3,) rather than about the origin."""
    import torch

    motion = exp_motion(tangent)
    stays = point - motion[:3, :3] @ point
    return motion + torch.nn.functional.pad(stays[:, None], (3, 0, 0, 1))


def scaled_view(camera_from_world: Tensor, log_scale: Tensor, center: Tensor) -> Tensor:
    """Return the pose (4, 4) from which the map looks as the map scaled about `center` does from this one: see `scaled_pose`."""
    import torch

    rotation, translation = camera_from_world[:3, :3], camera_from_world[:3, 3]
    turned = rotation @ center
    seen = (turned + translation) / log_scale.exp() - turned
    return torch.cat([torch.cat([rotation, seen[:, None]], dim=1), camera_from_world[3:]])
