from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from reloc.align.aligner import Alignment
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import make_keyframe
from reloc.align.layers import build_layers
from reloc.align.rig_aligner import RigAligner, RigView
from reloc.estimate import Outcome
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.guesses import neighbourhood
from reloc.render.software import SoftwareRenderer
from tests.scenes import painted_corner, photograph_of_the_corner, view_of_the_corner
from tests.tolerances import ALGEBRA, CORNER_DEG, CORNER_LOCAL_M

CAMERAS = (PinholeCamera(160, 120, 130.0, 131.0, 79.1, 60.3), PinholeCamera(200, 112, 210.0, 210.0, 101.0, 55.2))
CAMERA_FROM_RIG = (SE3.identity(), SE3.exp([-0.2, 0.03, 0.02, 0.02, -0.15, 0.05]))
RULES = KeyframeConfig()
GUESS = view_of_the_corner()
RESIDUALS = ["local", "intensity"]


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(painted_corner())


def views(truth: SE3, config: AlignConfig, gains: tuple[float, float] = (1.0, 1.0)) -> list[RigView]:
    """What both cameras see from `truth`, each exposed in its own way, with keyframes from `GUESS`."""
    result = []
    for camera, camera_from_rig, gain in zip(CAMERAS, CAMERA_FROM_RIG, gains, strict=True):
        rgb, seen = photograph_of_the_corner(camera, camera_from_rig @ truth)
        grey = gain * cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2GRAY)
        keyframe = make_keyframe(renderer(), camera, camera_from_rig @ GUESS, config, RULES)
        result.append(RigView(keyframe, build_layers(grey, seen, camera, config), camera_from_rig))
    return result


def pose_near(seed: int, metres: float = 0.05, radians: float = 0.02) -> SE3:
    return view_of_the_corner(np.random.default_rng(seed).normal(0, np.repeat([metres, radians], 3)))


def off(found: Alignment, truth: SE3) -> tuple[float, float]:
    a, b = found.camera_from_world.inverse(), truth.inverse()
    return float(np.linalg.norm(a.translation - b.translation)), float(np.degrees(rotation_angle(a, b)))


@pytest.mark.parametrize("residual", RESIDUALS)
def test_two_cameras_of_other_lenses_sizes_and_exposures_share_a_pose(residual: str) -> None:
    config, truth = AlignConfig(residual=residual), pose_near(1)
    found, each = RigAligner(config).align(views(truth, config, gains=(0.7, 1.2)), [GUESS])
    metres, degrees = off(found, truth)
    assert found.outcome is Outcome.CONVERGED
    assert metres < CORNER_LOCAL_M
    assert degrees < CORNER_DEG
    assert len(each) == 2
    for one, camera_from_rig in zip(each, CAMERA_FROM_RIG, strict=True):
        expected = (camera_from_rig @ found.camera_from_world).matrix
        assert np.allclose(one.camera_from_world.matrix, expected, atol=1e3 * ALGEBRA)


def test_information_adds_up_in_the_frame_of_the_rig() -> None:
    config, truth = AlignConfig(), pose_near(2)
    found, each = RigAligner(config).align(views(truth, config), [GUESS])
    # The second camera's δ is Ad δ of the rig: its information pulled back, plus the first one's.
    adjoint = CAMERA_FROM_RIG[1].adjoint()
    expected = each[0].information + adjoint.T @ each[1].information @ adjoint
    assert np.allclose(found.information, expected, rtol=ALGEBRA)
    assert np.linalg.eigvalsh(found.information - each[0].information).min() > 0


def test_one_camera_alone_is_enough() -> None:
    config, truth = AlignConfig(), pose_near(3)
    second = views(truth, config)[1:]
    metres, degrees = off(RigAligner(config).align(second, [GUESS])[0], truth)
    assert metres < 2 * CORNER_LOCAL_M
    assert degrees < 2 * CORNER_DEG


def test_a_search_finds_what_one_guess_does_not() -> None:
    config = AlignConfig()
    truth = SE3.exp([0, 0, 0, 0.12, -0.1, 0]) @ GUESS
    found, _ = RigAligner(config).align(views(truth, config), neighbourhood(GUESS))
    metres, degrees = off(found, truth)
    assert metres < 4 * CORNER_LOCAL_M  # the points were picked from 9° away
    assert degrees < 4 * CORNER_DEG


def test_a_camera_that_sees_something_else_is_outvoted_less_than_it_is_noisy() -> None:
    config, truth = AlignConfig(), pose_near(4, 0.02, 0.01)
    good, other = views(truth, config)
    noise = np.random.default_rng(0).uniform(0, 1, other.layers.main[0].values.shape[:2]).astype(np.float32)
    blind = replace(other, layers=build_layers(noise, np.ones(noise.shape, bool), CAMERAS[1], config))
    metres, degrees = off(RigAligner(config).align([good, blind], [GUESS], uncertainty_px=3.0)[0], truth)
    assert metres < 6 * CORNER_LOCAL_M
    assert degrees < 6 * CORNER_DEG
