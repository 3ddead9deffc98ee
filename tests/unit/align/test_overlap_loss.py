from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from reloc.align.mask_views import MaskLevel
from reloc.align.outline import Outline
from reloc.align.overlap_loss import OverlapLoss
from reloc.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(4, 3, 5.0, 5.0, 1.5, 1.0)
POSE = torch.eye(4)


class Drawn:
    """A silhouette that is what it was given."""

    device = "cpu"

    def __init__(self, alpha: Sequence[Sequence[float]]) -> None:
        self.picture = torch.tensor(alpha, dtype=torch.float32, requires_grad=True)

    def alpha(self, camera: PinholeCamera, camera_from_world: torch.Tensor) -> torch.Tensor:
        assert (camera, camera_from_world) == (CAMERA, POSE)
        return self.picture


def loss(
    alpha: Sequence[Sequence[float]], inside: list[list[int]], known: list[list[int]] | None = None, weight: float = 1.0
) -> float:
    seen = np.ones((3, 4), bool) if known is None else np.array(known, bool)
    mask = MaskLevel(CAMERA, Outline(np.array(inside, bool), seen))
    return float(OverlapLoss(Drawn(alpha), mask, weight)(POSE).detach())


MASK = [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_it_is_one_minus_the_intersection_over_the_union() -> None:
    assert loss(MASK, MASK) == 0
    assert loss([[0.0] * 4] * 3, MASK) == 1
    # Two and a half of four pixels, and half a pixel beside them: 2.5 / 4.5.
    assert loss([[0, 1, 1, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]], MASK) == pytest.approx(1 - 2.5 / 4.5)
    assert loss([[0.0] * 4] * 3, MASK, weight=0.04) == pytest.approx(0.04)


def test_what_is_not_known_has_no_part_in_it() -> None:
    known = [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0]]
    assert loss([[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]], [[0, 1, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]], known) == 0
