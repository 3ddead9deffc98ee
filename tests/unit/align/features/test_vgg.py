from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from reloc.align.features.vgg import VggFeatures, halvings, layer_names
from reloc.errors import ConfigError


def reference_network() -> nn.Sequential:
    """The first two blocks of VGG16 as torchvision lays them out, its indices and all."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(),
    )  # fmt: skip


def saved(network: nn.Sequential, path: Path) -> str:
    torch.save({f"features.{name}": value for name, value in network.state_dict().items()}, path)
    return str(path)


def test_the_layers_are_those_of_the_network_as_torch_builds_it(tmp_path: Path) -> None:
    network = reference_network()
    features = VggFeatures("vgg16", saved(network, tmp_path / "vgg.pth"), ["relu2_1", "relu1_2"])
    image = torch.rand(3, 21, 30, generator=torch.Generator().manual_seed(0))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((image - mean[:, None, None]) / deviation[:, None, None])[None]
    with torch.no_grad():
        first, second = features(image)
        torch.testing.assert_close(first, network[:4](normalised)[0])
        torch.testing.assert_close(second, network[:7](normalised)[0])
    assert (features.layers, second.shape) == (("relu1_2", "relu2_1"), (128, 10, 15))


# Where the convolutions stand among `features` of torchvision's vgg16 and vgg19, and their channels, block by block.
LAYOUT = {
    "vgg16": {64: (0, 2), 128: (5, 7), 256: (10, 12, 14), 512: (17, 19, 21, 24, 26, 28)},
    "vgg19": {64: (0, 2), 128: (5, 7), 256: (10, 12, 14, 16), 512: (19, 21, 23, 25, 28, 30, 32, 34)},
}


def torchvision_state(name: str) -> dict[str, torch.Tensor]:
    """A state dict with all keys and shapes of torchvision's network, numbers by chance; most of them the same, to be small."""
    generator, before, state = torch.Generator().manual_seed(3), 3, {}
    for channels, indices in LAYOUT[name].items():
        for index in indices:
            few = torch.randn((channels, before, 1, 1), generator=generator) * (2 / (9 * before)) ** 0.5
            state[f"features.{index}.weight"] = few.expand(channels, before, 3, 3)
            state[f"features.{index}.bias"] = torch.randn(channels, generator=generator) * 0.01
            before = channels
    for index, shape in ((0, (4096, 25088)), (3, (4096, 4096)), (6, (1000, 4096))):
        state[f"classifier.{index}.weight"] = torch.zeros(1, 1).expand(shape)
        state[f"classifier.{index}.bias"] = torch.zeros(shape[0])
    return state


@pytest.mark.parametrize(("name", "last"), [("vgg16", "relu5_3"), ("vgg19", "relu5_4")])
def test_a_state_dict_as_torchvision_lays_it_out_is_taken_whole(name: str, last: str, tmp_path: Path) -> None:
    state = torchvision_state(name)
    torch.save(state, tmp_path / "vgg.pth")
    convolutions = {index: channels for channels, indices in LAYOUT[name].items() for index in indices}
    pools = {index + 2 for index in convolutions if index + 2 not in convolutions}
    modules: list[nn.Module] = []
    for index in range(max(convolutions) + 2):
        before = state[f"features.{index}.weight"].shape[1] if index in convolutions else 0
        between = nn.MaxPool2d(2, 2) if index in pools else nn.ReLU()
        modules.append(nn.Conv2d(before, convolutions[index], 3, padding=1) if index in convolutions else between)
    network = nn.Sequential(*modules)
    network.load_state_dict({key.removeprefix("features."): value for key, value in state.items() if key[0] == "f"})
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = VggFeatures(name, str(tmp_path / "vgg.pth"), [last])(image)[0]
        expected = network(((image - mean[:, None, None]) / deviation[:, None, None])[None])[0]
    assert (found > 0).any()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("network", "count", "last"), [("vgg16", 13, "relu5_3"), ("vgg19", 16, "relu5_4")])
def test_the_names_of_the_layers(network: str, count: int, last: str) -> None:
    names = layer_names(network)
    assert (len(names), names[0], names[-1]) == (count, "relu1_1", last)
    assert [halvings(name) for name in ("relu1_2", "relu2_1", last)] == [0, 1, 4]


def test_random_weights_are_always_the_same_and_keep_the_size_of_what_passes() -> None:
    image = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))
    a, b = (VggFeatures("vgg19", "random", ["relu3_4"])(image)[0] for _ in range(2))
    assert torch.equal(a, b)
    assert a.shape == (256, 6, 6)
    assert 0.1 < float(a.std()) < 10


@pytest.mark.parametrize(
    ("layers", "content", "message"),
    [
        (["relu1_3"], None, r"vgg16 has no relu1_3; it has relu1_1, "),
        (["relu1_1"], b"not a file of torch", "expected a state dict that torch can load"),
        (
            ["relu1_1"],
            {"features.0.weight": torch.zeros(64, 3, 3, 3)},
            r"expected \(64,\) in `features.0.bias`, found nothing",
        ),
        (["relu1_1"], {"features.0.weight": torch.zeros(8, 3, 7, 7)}, r"found \(8, 3, 7, 7\): are they of another"),
        (["relu1_1"], [1, 2], "expected a state dict, found a list"),
    ],
)
def test_what_is_wrong_is_said(layers: list[str], content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    writers = {bytes: lambda: path.write_bytes(content)}  # type: ignore[arg-type]
    writers.get(type(content), lambda: torch.save(content, path))()
    with pytest.raises(ConfigError, match=message):
        VggFeatures("vgg16", str(path), layers)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        VggFeatures("vgg16", str(tmp_path / "absent.pth"), ["relu1_1"])


def test_offline_the_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(ConfigError, match=r"vgg19-dcbb9e9d\.pth cannot be fetched .*no network.*fetch it elsewhere"):
        VggFeatures("vgg19", "hub", ["relu1_1"])


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"features.0.weight": np.frompyfunc}, path)
    with pytest.raises(ConfigError, match="state dict that torch can load"):
        VggFeatures("vgg16", str(path), ["relu1_1"])
