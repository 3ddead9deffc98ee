from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from reloc.build import make_matcher
from reloc.config import RelocConfig
from reloc.errors import ConfigError
from reloc.learned_matches import LearnedMatcher
from reloc.places.config import PlacesConfig
from reloc.places.features import Features, as_floats, detect
from tests.unit.places.known_room import index, photograph

needs_kornia = pytest.mark.skipif(
    importlib.util.find_spec("kornia") is None, reason='kornia is not installed: pip install "reloc[learned]"'
)
SHAPE = (240, 320)


def untrained() -> Any:
    import torch
    from kornia.feature import LightGlue

    torch.manual_seed(0)
    return LightGlue(None, input_dim=128)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that nobody has trained, under the names that the authors give theirs."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "aliked_lightglue.pth"
    published = {re.sub(r"transformers\.(\d+)\.(\w+_attn)\.", r"\2.\1.", k): v for k, v in untrained().state_dict().items()}
    del published["confidence_thresholds"]
    assert "self_attn.3.out_proj.weight" in published
    torch.save(published, path)
    return path


def features_of_a_photograph(count: int = 80) -> Features:
    image = photograph(0.75).mean(axis=2).astype(np.uint8)
    return detect(image, count)


@needs_kornia
def test_matches_are_those_of_kornia_on_the_same_weights(weights: Path) -> None:
    import torch

    matcher, network, features = LearnedMatcher(weights), untrained().eval(), features_of_a_photograph()
    # Nobody has taught it to be sure of anything.
    for one in (matcher._network, network):
        one.conf.filter_threshold = 0.0
    descriptors, points = index().features_of(1)
    seen = index().pixels_of(1, 480, 360)

    def side(pixels: np.ndarray, vectors: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
        arrays = {"keypoints": pixels.astype(np.float32), "descriptors": vectors, "image_size": np.array(size, np.float32)}
        return {name: torch.from_numpy(array)[None] for name, array in arrays.items()}

    image = side(features.pixels, as_floats(features.descriptors), (320, 240))
    with torch.inference_mode():
        expected = network({"image0": image, "image1": side(seen, as_floats(descriptors), (480, 360))})["matches"][0].numpy()
    found = matcher(index(), features, SHAPE, 1)
    assert len(expected) > 5
    np.testing.assert_array_equal(found.feature, expected[:, 0])
    np.testing.assert_array_equal(found.pixels, features.pixels[expected[:, 0]])
    np.testing.assert_array_equal(found.points_in_world, points[expected[:, 1]].astype(float))


@needs_kornia
def test_where_nothing_is_nothing_matches(weights: Path) -> None:
    nothing = LearnedMatcher(weights)(index(), features_of_a_photograph().selected(np.zeros(80, bool)), SHAPE, 1)
    assert (len(nothing.pixels), len(nothing.points_in_world), len(nothing.feature)) == (0, 0, 0)


@needs_kornia
def test_a_feature_on_the_rim_is_no_error(weights: Path) -> None:
    features = features_of_a_photograph()
    features.pixels[:2] = [[-0.4, 0.0], [320.2, 239.9]]
    LearnedMatcher(weights)(index(), features, SHAPE, 1)


@needs_kornia
def test_weights_of_something_else_are_refused(weights: Path, tmp_path: Path) -> None:
    import torch

    state = torch.load(weights, weights_only=True)
    del state["posenc.Wr.weight"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"do not fit aliked_lightglue.* 1 of .*such as posenc\.Wr\.weight"):
        LearnedMatcher(tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="no such file of weights"):
        LearnedMatcher(tmp_path / "none.pth")


@needs_kornia
def test_without_a_network_it_is_said_where_the_weights_may_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object, **named: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("kornia.feature.lightglue.load_state_dict_from_url", unreachable)
    with pytest.raises(ConfigError, match=r"cannot be fetched .*no route to host.*places\.match_weights=FILE"):
        LearnedMatcher()


def test_without_kornia_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia.feature", None)
    config = replace(RelocConfig(), places=PlacesConfig(features="aliked", matches="lightglue"))
    with pytest.raises(ConfigError, match=r'pip install "reloc\[learned\]", or places\.matches=ratio'):
        make_matcher(config)


def test_it_matches_features_of_aliked_only() -> None:
    with pytest.raises(ConfigError, match=r"not of sift: set places\.features=aliked"):
        make_matcher(replace(RelocConfig(), places=PlacesConfig(matches="lightglue")))
    assert make_matcher(RelocConfig()) is None
