from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from reloc.errors import ConfigError
from reloc.learned import LearnedFeatures
from reloc.places.features import Features, as_floats
from tests.unit.places.test_features import texture

needs_kornia = pytest.mark.skipif(
    importlib.util.find_spec("kornia") is None, reason='kornia is not installed: pip install "reloc[learned]"'
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that nobody has trained: they show that everything fits together, and nothing more."""
    import torch
    from kornia.feature import ALIKED

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "aliked-n16rot.pth"
    torch.save(ALIKED("aliked-n16rot").state_dict(), path)
    return path


@needs_kornia
def test_features_are_those_of_kornia_on_the_same_weights(weights: Path) -> None:
    import torch
    from kornia.feature import ALIKED

    image = texture((120, 160))
    network = ALIKED("aliked-n16rot", max_num_keypoints=400, detection_threshold=0.1).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)[None, None].float() / 255)[0]
    found = LearnedFeatures(weights)(image, 200)
    assert 20 < len(found) <= 200
    known = expected.keypoints.numpy()
    for pixel, vector in zip(found.pixels[:20], as_floats(found.descriptors)[:20], strict=True):
        apart = np.linalg.norm(known - pixel, axis=1)
        assert apart.min() < 1e-3
        # Rounded to a 256th.
        np.testing.assert_allclose(vector, expected.descriptors[int(apart.argmin())].numpy(), atol=0.51 / 256)


@needs_kornia
def test_nothing_is_found_where_the_mask_is_false_and_no_more_than_wanted(weights: Path) -> None:
    extract = LearnedFeatures(weights)
    mask = np.zeros((120, 160), bool)
    mask[:, 90:] = True
    found = extract(texture((120, 160)), 40, mask)
    assert 0 < len(found) <= 40
    assert found.pixels[:, 0].min() >= 89.5
    assert isinstance(found, Features)
    nothing = extract(texture((120, 160)), 40, np.zeros((120, 160), bool))
    assert (len(nothing), nothing.descriptors.dtype) == (0, np.int8)


@needs_kornia
def test_weights_that_are_none_or_of_something_else_are_refused(weights: Path, tmp_path: Path) -> None:
    import torch

    with pytest.raises(ConfigError, match="no such file of weights"):
        LearnedFeatures(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(ConfigError, match="no file of weights of torch"):
        LearnedFeatures(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ConfigError, match="found list"):
        LearnedFeatures(tmp_path / "list.pth")
    state = torch.load(weights, weights_only=True)
    name = next(iter(state))
    torch.save({**state, name: torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="1 of 77 are missing or of another shape"):
        LearnedFeatures(tmp_path / "other.pth")


class _Dangerous:
    def __reduce__(self) -> Any:
        return (print, ("obeyed",))


@needs_kornia
def test_a_file_of_weights_is_read_and_never_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    torch.save({"a": _Dangerous()}, tmp_path / "evil.pth")
    with pytest.raises(ConfigError, match="no file of weights of torch"):
        LearnedFeatures(tmp_path / "evil.pth")
    assert capsys.readouterr().out == ""


@needs_kornia
def test_without_a_network_it_is_said_where_the_weights_may_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from kornia.feature import ALIKED

    def unreachable(*arguments: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(ALIKED, "from_pretrained", unreachable)
    with pytest.raises(ConfigError, match=r"cannot be fetched .*no route to host.*places\.weights=FILE"):
        LearnedFeatures()


def test_without_kornia_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia.feature", None)
    with pytest.raises(ConfigError, match=r'pip install "reloc\[learned\]", or places\.features=sift'):
        LearnedFeatures()
