"""The convolutions of VGG, with weights from elsewhere.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reloc.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

# Channels and number of convolutions of each block, after which the image is halved.
_BLOCKS = {
    "vgg16": ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)),
    "vgg19": ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)),
}
_URLS = {
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
}
# What the networks were trained on: mean and deviation of red, green and blue of ImageNet.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SEED = 0


class VggFeatures:
    """Turns images into the outputs of some layers of VGG. Nothing of it is trained.

    Args:
        network: `vgg16` or `vgg19`.
        weights: A file with the state dict of torchvision's network, `hub` or `random`.
        layers: Names such as `relu1_2`; the deepest says how much of the network is used.
        device: Where torch computes.

    Raises `ConfigError` for layers that there are not, and for weights that cannot be had.
    """

    def __init__(self, network: str, weights: str, layers: Sequence[str], device: str = "cpu") -> None:
        import torch

        known = layer_names(network)
        if unknown := set(layers) - set(known):
            raise ConfigError(f"features.layers: {network} has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
        self._layers = tuple(sorted(layers, key=known.index))
        self._device = device
        convolutions = _convolutions(network)[: known.index(self._layers[-1]) + 1]
        state = _random_state(convolutions) if weights == "random" else _loaded_state(network, weights)
        self._steps = [
            (one.name, _parameter(state, one.weight, one.shape).to(device), _parameter(state, one.bias, one.shape[:1]).to(device))
            for one in convolutions
        ]
        self._mean, self._deviation = (torch.tensor(v)[:, None, None].to(device) for v in (_MEAN, _DEVIATION))

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers, shallow ones first."""
        return self._layers

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Return the features (C, h, w) of each layer of an RGB image (3, H, W) in 0..1."""
        from torch.nn.functional import conv2d, max_pool2d, relu

        found: dict[str, Tensor] = {}
        values, block = ((image - self._mean) / self._deviation)[None], "1"
        for name, weight, bias in self._steps:
            if name[4] != block:
                values, block = max_pool2d(values, 2), name[4]
            values = relu(conv2d(values, weight, bias, padding=1))
            found[name] = values[0]
        return [found[name] for name in self._layers]


def layer_names(network: str) -> list[str]:
    """Return the names of the layers that can be asked for, shallow ones first."""
    return [f"relu{block + 1}_{number + 1}" for block, (_, count) in enumerate(_BLOCKS[network]) for number in range(count)]


def halvings(layer: str) -> int:
    """Return how often the image has been halved where a layer looks at it."""
    return int(layer[4]) - 1


@dataclass(frozen=True)
class _Convolution:
    """One convolution of 3 by 3, and what its parameters are called in torchvision's state dict."""

    name: str
    index: int
    channels: int
    before: int

    @property
    def weight(self) -> str:
        return f"features.{self.index}.weight"

    @property
    def bias(self) -> str:
        return f"features.{self.index}.bias"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight; the bias has its first entry."""
        return self.channels, self.before, 3, 3


def _convolutions(network: str) -> list[_Convolution]:
    result: list[_Convolution] = []
    index, before = 0, 3
    names = iter(layer_names(network))
    for channels, count in _BLOCKS[network]:
        for _ in range(count):
            result.append(_Convolution(next(names), index, channels, before))
            index, before = index + 2, channels  # each is followed by its ReLU,
        index += 1  # and each block by a pooling
    return result


def _random_state(convolutions: Sequence[_Convolution]) -> dict[str, Tensor]:
    """Return weights by chance, always the same, that keep the size of what passes through (He et al., ICCV 2015)."""
    import torch

    generator = torch.Generator().manual_seed(_SEED)
    state = {}
    for one in convolutions:
        state[one.weight] = torch.randn(one.shape, generator=generator) * (2 / (9 * one.before)) ** 0.5
        state[one.bias] = torch.zeros(one.channels)
    return state


def _loaded_state(network: str, weights: str) -> Mapping[str, Any]:
    import torch

    if weights == "hub":
        url = _URLS[network]
        try:
            return dict(torch.hub.load_state_dict_from_url(url, map_location="cpu", weights_only=True, progress=False))
        except OSError as error:  # URLError is one
            raise ConfigError(
                f"features.weights: {url} cannot be fetched ({error}); where there is no network, fetch it elsewhere and name "
                "the file with features.weights"
            ) from error
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ConfigError(f"features.weights is `hub`, `random` or a state dict of {network}; there is no such file", path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"features.weights: expected a state dict that torch can load ({reason})", path) from error
    if not isinstance(loaded, Mapping):
        raise ConfigError(f"features.weights: expected a state dict, found a {type(loaded).__name__}", path)
    return loaded


def _parameter(state: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Tensor:
    found = state.get(name)
    if found is None or tuple(found.shape) != shape:
        what = "nothing" if found is None else f"{tuple(found.shape)}"
        raise ConfigError(f"features.weights: expected {shape} in `{name}`, found {what}: are they of another network?")
    return found.detach().float()
