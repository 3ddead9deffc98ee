"""Learned matches, through kornia and torch: an extra beside learned features (`pip install "reloc[learned]"`).

LightGlue (Lindenberger et al., "LightGlue: Local feature matching at light speed", 2023) looks at all features of both images at
once, where they are and what they look like, and so matches where each alone is ambiguous. It takes seconds an image on one core.
It was trained on views that stand upright: make the index with `--up`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import ConfigError
from reloc.learned import fitting_weights, read_weights
from reloc.places.features import DESCRIPTOR_SIZE, Features, as_floats
from reloc.places.finder import Matches, no_matches
from reloc.places.index import PlaceIndex
from reloc.places.views import VIEW_CAMERA

if TYPE_CHECKING:
    import torch

_FEATURES = "aliked"
_NAME = f"{_FEATURES}_lightglue"


class LearnedMatcher:
    """Matches an image with a known view as LightGlue does. Stands in for `reloc.places.finder.match_view`.

    Args:
        weights: A file of weights as its authors publish them, or None to take those that torch hub has, or fetches.

    Raises `ConfigError` where kornia is not installed, or the weights cannot be had or do not fit.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._torch, network = _packages()
        if weights is None:
            self._network = _fetched(network)
        else:
            self._network = network(None, input_dim=DESCRIPTOR_SIZE)
            state = _renamed(read_weights(self._torch, weights))
            wanted = dict(self._network.named_parameters())
            self._network.load_state_dict(fitting_weights(wanted, state, _NAME, weights), strict=False)
        self._network.eval()

    def __call__(self, index: PlaceIndex, features: Features, shape: tuple[int, int], view: int) -> Matches:
        """Return the matches of the features of an image of height and width `shape` with those of a view."""
        descriptors, points = index.features_of(view)
        if not len(features) or not len(descriptors):
            return no_matches()
        seen = index.pixels_of(view, VIEW_CAMERA.width, VIEW_CAMERA.height)
        with self._torch.inference_mode():
            found = self._network(
                {
                    "image0": self._side(features.pixels, as_floats(features.descriptors), (shape[1], shape[0])),
                    "image1": self._side(seen, as_floats(descriptors), (VIEW_CAMERA.width, VIEW_CAMERA.height)),
                }
            )
        partner = found["matches0"][0].numpy()
        matched = np.flatnonzero(partner >= 0)
        return Matches(features.pixels[matched], points[partner[matched]].astype(np.float64), matched)

    def _side(self, pixels: NDArray[np.float64], descriptors: NDArray[np.float32], size: tuple[int, int]) -> dict[str, Any]:
        """Return what the network is told of one image. Rounding may have put a pixel a hair outside, which it would refuse."""
        inside = np.clip(pixels, 0, size).astype(np.float32)
        sides = (inside, descriptors, np.array(size, dtype=np.float32))
        tensors = (self._torch.from_numpy(np.ascontiguousarray(side))[None] for side in sides)
        return dict(zip(("keypoints", "descriptors", "image_size"), tensors, strict=True))


def _packages() -> tuple[Any, Any]:
    """Return torch and the network's class."""
    try:
        import torch
        from kornia.feature import LightGlue
    except ImportError as error:
        raise ConfigError(
            f'learned matches need kornia ({error}): pip install "reloc[learned]", or places.matches=ratio'
        ) from error
    return torch, LightGlue


def _fetched(network: Any) -> Any:
    """Return the network with the weights that torch hub has, or fetches."""
    try:
        return network(_FEATURES)
    except (OSError, RuntimeError) as error:  # torch hub's own, and urllib's
        raise ConfigError(
            f"the weights of {_NAME} cannot be fetched ({error}); without a network, download {_NAME}.pth from its authors "
            "elsewhere and name the file with places.match_weights=FILE"
        ) from error


def _renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return published weights under kornia's names: `self_attn.3.out` there is `transformers.3.self_attn.out` here."""
    renamed = {}
    for name, value in state.items():
        kind, _, rest = name.partition(".")
        layer, _, part = rest.partition(".")
        renamed[f"transformers.{layer}.{kind}.{part}" if kind in ("self_attn", "cross_attn") else name] = value
    return renamed
