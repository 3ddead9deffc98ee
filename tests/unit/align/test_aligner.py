from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Kind, Layers, build_layers
from reloc.estimate import Outcome
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.guesses import neighbourhood
from reloc.render.software import SoftwareRenderer
from tests.scenes import painted_corner, photograph_of_the_corner, view_of_the_corner
from tests.tolerances import CORNER_DEG, CORNER_INTENSITY_M, CORNER_LOCAL_M

CAMERA = PinholeCamera(160, 120, 130.0, 131.0, 79.1, 60.3)
RULES = KeyframeConfig()
GUESS = view_of_the_corner()
KINDS = ["local", "intensity"]
EXPOSURES = ["luminance", "rgb"]


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(painted_corner())


@cache
def keyframe(setting: AlignConfig) -> Keyframe:
    return make_keyframe(renderer(), CAMERA, GUESS, setting, RULES)


def config(residual: str = "local", exposure: str = "luminance") -> AlignConfig:
    return AlignConfig(residual=residual, exposure=exposure)


def pose_near(seed: int, metres: float = 0.05, radians: float = 0.02) -> SE3:
    return view_of_the_corner(np.random.default_rng(seed).normal(0, np.repeat([metres, radians], 3)))


def photograph(pose: SE3, setting: AlignConfig) -> np.ndarray:
    """The image that the formula of the corner gives, in the channels that are aligned."""
    rgb = photograph_of_the_corner(CAMERA, pose)[0].astype(np.float32)
    return {"rgb": rgb, "luminance": cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)}[setting.exposure]


def layers_of(image: np.ndarray, setting: AlignConfig, valid: np.ndarray | None = None) -> Layers:
    return build_layers(image, np.ones(image.shape[:2], bool) if valid is None else valid, CAMERA, setting)


def align(pose: SE3, setting: AlignConfig, **how: float) -> Alignment:
    return Aligner(setting).align(keyframe(setting), layers_of(photograph(pose, setting), setting), [GUESS], **how)


def distance_m(a: SE3, b: SE3) -> float:
    return float(np.linalg.norm(a.inverse().translation - b.inverse().translation))


# The pose


@pytest.mark.parametrize(("residual", "limit_m"), [("local", CORNER_LOCAL_M), ("intensity", CORNER_INTENSITY_M)])
@pytest.mark.parametrize("exposure", EXPOSURES)
@pytest.mark.parametrize("seed", range(4))
def test_the_pose_is_that_of_the_formula(residual: str, limit_m: float, exposure: str, seed: int) -> None:
    # The image comes from no renderer of ours, so half a texel or half a pixel anywhere would be a bias: 6 mm to 10 mm here.
    truth = pose_near(seed)
    found = align(truth, config(residual, exposure))
    assert found.outcome is Outcome.CONVERGED
    assert distance_m(found.camera_from_world, truth) < limit_m
    assert np.degrees(rotation_angle(found.camera_from_world, truth)) < CORNER_DEG


def test_many_guesses_lead_to_the_one_that_is_right() -> None:
    setting = config()
    truth = SE3.exp([0, 0, 0, 0.1, -0.1, 0]) @ GUESS
    view = keyframe(setting)
    found = Aligner(setting).align(view, layers_of(photograph(truth, setting), setting), neighbourhood(GUESS))
    assert distance_m(found.camera_from_world, truth) < 0.02
    assert np.degrees(rotation_angle(found.camera_from_world, truth)) < 0.5


def test_a_guess_that_is_known_to_be_near_takes_fewer_steps_to_the_same_pose() -> None:
    truth = pose_near(0, 0.004, 0.002)
    near, far = align(truth, config(), uncertainty_px=1.0), align(truth, config())
    assert near.iterations < far.iterations
    assert distance_m(near.camera_from_world, truth) < CORNER_LOCAL_M


def test_a_region_that_shows_something_else_is_left_out_where_there_is_doubt() -> None:
    setting, truth = config(), pose_near(1)
    image = photograph(truth, setting)
    image[60:, :60] = np.random.default_rng(0).random((60, 60))
    found = Aligner(setting).align(keyframe(setting), layers_of(image, setting), [GUESS], doubtful=True)
    assert distance_m(found.camera_from_world, truth) < 3 * CORNER_LOCAL_M


def test_noise_before_the_map_hardly_moves_the_pose() -> None:
    # Over a third of the image. Where each point is judged alone, those that fit by chance pull it away by 14 mm in the median.
    setting, distances = config(), []
    for seed in range(8):
        truth = pose_near(seed)
        image = photograph(truth, setting)
        image[50:, :90] = np.random.default_rng(seed).random((70, 90))
        found = Aligner(setting).align(keyframe(setting), layers_of(image, setting), [GUESS])
        distances.append(distance_m(found.camera_from_world, truth))
    assert np.median(distances) < 2 * CORNER_LOCAL_M


def test_what_is_not_valid_changes_nothing() -> None:
    setting, truth = config(), pose_near(2)
    valid = np.ones((120, 160), bool)
    valid[20:70, 90:140] = False
    clean, spoilt = photograph(truth, setting), photograph(truth, setting)
    spoilt[~valid] = np.random.default_rng(0).random(np.count_nonzero(~valid))
    a, b = (Aligner(setting).align(keyframe(setting), layers_of(i, setting, valid), [GUESS]) for i in (clean, spoilt))
    assert distance_m(a.camera_from_world, b.camera_from_world) < 1e-6
    assert distance_m(a.camera_from_world, truth) < 2 * CORNER_LOCAL_M


# The exposure


@pytest.mark.parametrize(("gain", "bias"), [(0.5, 0.0), (0.5, 0.1), (1.0, -0.1), (1.4, -0.1), (2.0, -0.3)])
def test_gain_and_bias_are_recovered(gain: float, bias: float) -> None:
    setting, truth = config("intensity"), pose_near(3)
    image = gain * photograph(truth, setting) + np.float32(bias)
    found = Aligner(setting).align(keyframe(setting), layers_of(image, setting), [GUESS])
    assert found.exposure.gain == pytest.approx([gain], rel=0.02)
    assert found.exposure.bias == pytest.approx([bias], abs=0.015 * max(gain, 1.0))
    assert distance_m(found.camera_from_world, truth) < 2 * CORNER_INTENSITY_M


def test_a_colour_cast_is_recovered_channel_by_channel() -> None:
    setting, truth = config("intensity", "rgb"), pose_near(3)
    image = photograph(truth, setting) * np.array([1.3, 1.0, 0.7], np.float32)
    found = Aligner(setting).align(keyframe(setting), layers_of(image, setting), [GUESS])
    np.testing.assert_allclose(found.exposure.gain, [1.3, 1.0, 0.7], rtol=0.02)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_normalised_locally_the_pose_hardly_depends_on_the_light(gain: float) -> None:
    setting, truth = config(), pose_near(3)
    image = gain * photograph(truth, setting) + np.float32(0.05)
    found = Aligner(setting).align(keyframe(setting), layers_of(image, setting), [GUESS])
    assert distance_m(found.camera_from_world, truth) < 2 * CORNER_LOCAL_M
    # Reported from a coarse level, whose interpolation takes up to a tenth of the contrast.
    assert found.exposure.gain == pytest.approx([gain], rel=0.15)


# What it says of itself


@pytest.mark.parametrize("residual", KINDS)
def test_the_shares_are_shares_of_the_points(residual: str) -> None:
    found = align(pose_near(0), config(residual))
    points = keyframe(config(residual)).references[0][Kind(residual)]
    pixels = CAMERA.project(found.camera_from_world.apply(points.in_world))
    inside = (pixels >= 1).all(axis=1) & (pixels < np.array([158, 118])).all(axis=1)
    assert found.visible_share == pytest.approx(inside.mean(), abs=1e-9)
    assert 0.5 < found.inlier_share <= 1
    assert found.correlation > 0.95


@pytest.mark.parametrize("residual", KINDS)
def test_a_blank_image_agrees_with_nothing(residual: str) -> None:
    setting = config(residual)
    found = Aligner(setting).align(keyframe(setting), layers_of(np.full((120, 160), 0.5, np.float32), setting), [GUESS])
    assert found.correlation < 0.1
    assert found.camera_from_world.is_finite


def test_an_image_without_a_valid_pixel_gives_too_few_points() -> None:
    setting = config()
    layers = layers_of(np.zeros((120, 160), np.float32), setting, np.zeros((120, 160), bool))
    found = Aligner(setting).align(keyframe(setting), layers, [GUESS])
    assert found.outcome is Outcome.TOO_FEW_POINTS
    assert (found.visible_share, found.inlier_share, found.correlation) == (0, 0, 0)
    np.testing.assert_allclose(found.camera_from_world.matrix, GUESS.matrix, atol=1e-9)


def test_a_view_without_surface_gives_too_few_points() -> None:
    setting, away = config(), SE3.exp([0, 0, 0, 0, np.pi, 0]) @ GUESS
    empty = make_keyframe(renderer(), CAMERA, away, setting, RULES)
    found = Aligner(setting).align(empty, layers_of(photograph(GUESS, setting), setting), [away])
    assert found.outcome is Outcome.TOO_FEW_POINTS


def test_the_information_foretells_the_scatter_under_noise() -> None:
    setting, rng = config("intensity"), np.random.default_rng(0)
    image = photograph(GUESS, setting)
    poses, predicted = [], []
    for _ in range(40):
        noisy = image + 0.03 * rng.standard_normal(image.shape).astype(np.float32)
        found = Aligner(setting).align(keyframe(setting), layers_of(noisy, setting), [GUESS], uncertainty_px=1.0)
        poses.append((found.camera_from_world @ GUESS.inverse()).log())
        predicted.append(np.diag(np.linalg.inv(found.information)))
    ratio = np.var(poses, axis=0) / np.mean(predicted, axis=0)
    # Interpolation and shared pixels make residuals err together: the scatter is of the size foretold, not equal to it.
    assert (ratio > 0.2).all()
    assert (ratio < 5).all()


def test_the_information_is_symmetric_and_positive() -> None:
    information = align(pose_near(0), config()).information
    np.testing.assert_allclose(information, information.T, rtol=1e-9)
    assert np.linalg.eigvalsh(information)[0] > 0


@pytest.mark.parametrize("exposure", EXPOSURES)
def test_twice_the_same_is_the_same_to_the_bit(exposure: str) -> None:
    setting = replace(config(), exposure=exposure)
    a, b = align(pose_near(0), setting), align(pose_near(0), setting)
    assert a.camera_from_world == b.camera_from_world
    np.testing.assert_array_equal(a.information, b.information)
