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
