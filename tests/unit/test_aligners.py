from __future__ import annotations

import pytest

from reloc.align.adam import AdamAligner
from reloc.align.adam_joint import AdamJointAligner
from reloc.align.adam_mask_aligner import AdamMaskAligner
from reloc.align.aligner import Aligner
from reloc.align.features.aligner import FeatureAligner
from reloc.align.joint import LmJointAligner
from reloc.align.mask_aligner import MaskAligner
from reloc.aligners import make_aligner, make_joint_aligner, make_mask_aligner, make_soft_renderer
from reloc.config import load_config
from reloc.errors import ConfigError
from reloc.render.soft_outline import SoftOutline
from reloc.render.software import SoftwareRenderer
from tests.unit.test_build import WALL


@pytest.mark.parametrize(
    ("solver", "image", "mask", "both"),
    [("lm", Aligner, MaskAligner, LmJointAligner), ("adam", AdamAligner, AdamMaskAligner, AdamJointAligner)],
)
def test_the_solver_is_the_one_configured(solver: str, image: type, mask: type, both: type) -> None:
    given = load_config(None, [f"align.solver={solver}"]), WALL, SoftwareRenderer(WALL)
    assert isinstance(make_aligner(*given), image)
    assert isinstance(make_mask_aligner(*given), mask)
    assert isinstance(make_joint_aligner(*given), both)


@pytest.mark.parametrize(("solver", "made"), [("lm", FeatureAligner), ("adam", AdamAligner)])
def test_deep_features_are_compared_by_both_solvers(solver: str, made: type) -> None:
    settings = [f"align.solver={solver}", "features.network=vgg16", "features.weights=random", "features.layers=[relu1_1]"]
    assert isinstance(make_aligner(load_config(None, settings), WALL, SoftwareRenderer(WALL)), made)


def test_soft_silhouettes_are_our_own_unless_another_renderer_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.render.pytorch3d.library.find_spec", lambda name: None)
    renderer = SoftwareRenderer(WALL)
    assert isinstance(make_soft_renderer(load_config(None, []), WALL, renderer), SoftOutline)
    with pytest.raises(ConfigError, match="INSTALL"):
        make_soft_renderer(load_config(None, ["render.backend=pytorch3d"]), WALL, renderer)
