"""How far the soft silhouette of a map is from covering a mask (Liu et al., "Soft Rasterizer", ICCV 2019, equation 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reloc.align.mask_views import MaskLevel
from reloc.render.differentiable import SoftRenderer

if TYPE_CHECKING:
    from torch import Tensor


class OverlapLoss:
    """A `PoseLoss`: one minus intersection over union, both by the share of each pixel. 0 at the best, 1 where nothing overlaps.

    Args:
        renderer: Draws the soft silhouette.
        mask: One level of the mask, with its camera.
        weight: Factor on the loss.
    """

    def __init__(self, renderer: SoftRenderer, mask: MaskLevel, weight: float = 1.0) -> None:
        import torch

        self._renderer, self._camera, self._weight = renderer, mask.camera, weight
        inside, known = (torch.from_numpy(np.ascontiguousarray(one)) for one in (mask.outline.inside, mask.outline.known))
        self._inside = (inside & known).to(renderer.device, torch.float32)
        self._known = known.to(renderer.device, torch.float32)

    def __call__(self, camera_from_world: Tensor) -> Tensor:
        """Return the loss at a pose (4, 4)."""
        alpha = self._renderer.alpha(self._camera, camera_from_world) * self._known
        both = (alpha * self._inside).sum()
        return self._weight * (1 - both / (alpha.sum() + self._inside.sum() - both))
