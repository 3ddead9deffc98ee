"""Learned local features, through kornia and torch: an extra for those who have them (`pip install "reloc[learned]"`).

ALIKED (Zhao et al., "ALIKED: A lighter keypoint and descriptor extraction network via deformable transformation", 2023) in its
variant for rotated images, for known views may stand on their sides. It takes about a second an image on one core.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.errors import ConfigError
from reloc.places.features import DESCRIPTOR_SIZE, Features, signed_descriptors, spread

if TYPE_CHECKING:
    import torch

_VARIANT = "aliked-n16rot"
# Lower than its authors', as with SIFT: a plain wall should not be left with too few.
_LEAST_SCORE = 0.1
# More are found than are kept, so that they can be spread over the image.
_SPARE = 2


class LearnedFeatures:
    """Finds local features as ALIKED does. Stands in for `reloc.places.features.detect`.

    Args:
        weights: A file of weights as its authors publish them, or None to take those that torch hub has, or fetches.

    Raises `ConfigError` where kornia is not installed, or the weights cannot be had or do not fit.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._torch, network = _packages()
        self._network = network(_VARIANT, detection_threshold=_LEAST_SCORE)
        state = fitting_weights(self._network.state_dict(), self._weights(network, weights), _VARIANT, weights)
        self._network.load_state_dict(state, strict=True)
        self._network.eval()

    def __call__(self, image: NDArray[np.uint8], count: int, mask: NDArray[np.bool_] | None = None) -> Features:
        """Return at most `count` features of a grey image (H, W), none where `mask` (H, W) is false."""
        self._network.dkd.n_limit = _SPARE * count
        with self._torch.inference_mode():
            pixels = self._torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)).permute(2, 0, 1)[None].float() / 255
            found = self._network(pixels)[0]
        points, scores = found.keypoints.double().numpy(), found.keypoint_scores.double().numpy()
        descriptors = found.descriptors.numpy()
        if mask is not None:
            column, row = np.rint(points).astype(np.int64).T
            shown = mask[np.clip(row, 0, mask.shape[0] - 1), np.clip(column, 0, mask.shape[1] - 1)]
            points, scores, descriptors = points[shown], scores[shown], descriptors[shown]
        chosen = spread(points, scores, image.shape, count)
        return Features(points[chosen], signed_descriptors(descriptors[chosen]))

    def _weights(self, network: Any, path: Path | None) -> dict[str, torch.Tensor]:
        if path is not None:
            return read_weights(self._torch, path)
        try:
            state: dict[str, torch.Tensor] = network.from_pretrained(_VARIANT).state_dict()
        except (OSError, RuntimeError) as error:  # torch hub's own, and urllib's
            raise ConfigError(
                f"the weights of {_VARIANT} cannot be fetched ({error}); without a network, download {_VARIANT}.pth from its "
                "authors elsewhere and name the file with places.weights=FILE"
            ) from error
        return state


def _packages() -> tuple[Any, Any]:
    """Return torch and the network's class."""
    try:
        import torch
        from kornia.feature import ALIKED
    except ImportError as error:
        raise ConfigError(
            f'learned features need kornia ({error}): pip install "reloc[learned]", or places.features=sift'
        ) from error
    return torch, ALIKED


def read_weights(torch_: Any, path: Path) -> dict[str, torch.Tensor]:
    """Return what a file of weights holds, by name; it is read and never obeyed. Raises `ConfigError` for anything else."""
    try:
        state = torch_.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ConfigError("there is no such file of weights", path) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ConfigError(f"this is no file of weights of torch: {str(error).splitlines()[0]}", path) from error
    if not isinstance(state, dict):
        raise ConfigError(f"a file of weights holds names with numbers, found {type(state).__name__}", path)
    return state


def fitting_weights(
    wanted: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], network: str, path: Path | None
) -> dict[str, torch.Tensor]:
    """Return the weights that a network has places for; raises `ConfigError` where one is missing or of another shape."""
    wrong = [name for name, value in wanted.items() if name not in state or state[name].shape != value.shape]
    if wrong:
        raise ConfigError(
            f"these weights do not fit {network}, whose descriptors have {DESCRIPTOR_SIZE} numbers: {len(wrong)} of "
            f"{len(wanted)} are missing or of another shape, such as {wrong[0]}",
            path,
        )
    return {name: state[name] for name in wanted}
