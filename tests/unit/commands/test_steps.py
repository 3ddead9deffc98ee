from __future__ import annotations

import sys
from unittest.mock import Mock

import numpy as np
import pytest

from reloc.align.mask_views import mask_view
from reloc.commands.steps import announce_cost, announce_mask_cost, steps_bar
from reloc.config import RelocConfig, load_config
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from tests.scenes import lump
from tests.unit.sinks.estimates import LENS

MASK = mask_view(
    np.pad(np.ones((60, 80), np.float32), 30), np.ones((120, 140), bool), PinholeCamera(140, 120, 99.0, 99.0, 70, 60)
)


def takes(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.render.pytorch3d.cost.seconds_a_picture", lambda draw, camera: seconds)


@pytest.mark.parametrize(
    ("seconds", "settings", "said"),
    [
        (2.5, ["align.solver=adam"], "about 2.5 s for a picture of 160 × 120 pixels: up to 25 min for 300 steps"),
        (0.01, ["align.solver=adam", "adam.steps=50"], "up to 1 s for 50 steps"),
        (40.0, ["align.solver=adam", "adam.width_px=100"], "a picture of 80 × 60 pixels: up to 6.7 h for 300 steps"),
        (2.5, [], "about 2.5 s for a picture of 320 × 240 pixels (cpu)"),
    ],
)
def test_what_pytorch3d_will_cost_is_said_before_it_starts(
    seconds: float, settings: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    takes(seconds, monkeypatch)
    announce_cost(load_config(None, ["render.backend=pytorch3d", *settings]), Mock(), LENS, SE3.identity())
    assert said in capsys.readouterr().err


def test_so_is_what_soft_silhouettes_will_cost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    takes(1.5, monkeypatch)
    monkeypatch.setattr("reloc.render.pytorch3d.silhouette.require_pytorch3d", lambda: None)
    config = load_config(None, ["render.backend=pytorch3d", "align.solver=adam", "adam.width_px=100"])
    announce_mask_cost(config, lump(), MASK, SE3.identity())
    assert "about 1.5 s for a picture of 70 × 60 pixels: up to 15 min for 300 steps" in capsys.readouterr().err
    announce_mask_cost(load_config(None, ["align.solver=adam"]), lump(), MASK, SE3.identity())
    announce_mask_cost(load_config(None, ["render.backend=pytorch3d"]), lump(), MASK, SE3.identity())
    assert capsys.readouterr().err == ""


def test_other_renderers_cost_nothing_worth_saying(capsys: pytest.CaptureFixture[str]) -> None:
    announce_cost(RelocConfig(), Mock(), LENS, SE3.identity())
    assert capsys.readouterr().err == ""


def test_the_bar_counts_steps_where_somebody_looks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(None, ["align.solver=adam"])
    with steps_bar(config) as on_step:
        assert on_step is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with steps_bar(RelocConfig()) as on_step:
        assert on_step is None
    with steps_bar(config) as on_step:
        assert on_step is not None
        on_step()
