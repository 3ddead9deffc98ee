"""What can be chosen about deep features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen


@dataclass(frozen=True)
class FeaturesConfig:
    """Deep features that are compared beside intensities."""

    network: Literal["none", "vgg16", "vgg19"] = "none"
    """Whose features are compared: none, or those of Simonyan's and Zisserman's networks. Costs tens to hundreds of
    milliseconds an image without a graphics card."""
    weights: str = "hub"
    """A file with the state dict of torchvision's network; `hub` fetches it once, about 550 MB; `random` is for tests."""
    layers: Annotated[tuple[str, ...], MinLen(1)] = ("relu1_2", "relu2_2")
    """Layers whose output is compared: reluB_N is the N-th convolution of block B; each block halves the image."""
    width_px: Annotated[int, Ge(8)] = 240
    """With align.solver=lm: the network sees the finest level of raw intensities that is at most this wide."""
    weight: Annotated[float, Ge(0)] = 0.005
    """With align.solver=adam: factor on the relative squared difference of the features, beside the photometric loss."""
    share: Annotated[float, Ge(0)] = 1.0
    """With align.solver=lm: say of each layer, where 1 is as much as the photometric term has."""
    channels: Annotated[int, Ge(1)] = 6
    """With align.solver=lm: the strongest directions of each layer's channels that are compared."""
    clip: Annotated[float, Gt(0)] = 4.0
    """With align.solver=lm: residuals beyond this many times their scale count for nothing (Tukey)."""
