"""The feature-metric loss of first-order descent: features of image and rendering, both as whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Features = Callable[["Tensor"], list["Tensor"]]


class FeatureLoss:
    """A `PictureLoss`: the squared difference of the features as a share of the squared features of the image.

    Args:
        features: Turns a picture (3, H, W) into features (C, h, w) of some layers.
        weight: Factor on the mean over the layers.
    """

    def __init__(self, features: Features, weight: float) -> None:
        self._features = features
        self._weight = weight
        self._known: tuple[Tensor, list[Tensor]] | None = None

    def __call__(self, image: Tensor, rendering: Tensor, seen: Tensor) -> Tensor:
        """Return the loss; where nothing is seen, the rendering is given the image, so that no rim stands out."""
        import torch

        whole = torch.where(seen, rendering, image)
        shares = [
            ((found - wanted) ** 2).sum() / (wanted**2).sum().clamp_min(1e-12)
            for found, wanted in zip(self._features(whole), self._of(image), strict=True)
        ]
        return self._weight * torch.stack(shares).mean()

    def _of(self, image: Tensor) -> list[Tensor]:
        """Return the features of an image, which stays the same for all steps of a descent."""
        import torch

        if self._known is None or self._known[0] is not image:
            with torch.no_grad():
                self._known = image, self._features(image)
        return self._known[1]
