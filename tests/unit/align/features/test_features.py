from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from reloc.align.aligner import Aligner
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.features.aligner import FeatureAligner
from reloc.align.features.config import FeaturesConfig
from reloc.align.features.loss import FeatureLoss
from reloc.align.features.term import Directions, FeatureTerm, feature_points, feature_term
from reloc.align.features.vgg import VggFeatures
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers, build_layers
from reloc.align.photometric import PhotometricTerm, ReferencePoints
from reloc.align.problem import Unknowns
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.software import SoftwareRenderer
from tests.scenes import ANYWHERE, painted_corner, photograph_of_the_corner, view_of_the_corner
from tests.tolerances import ALGEBRA, CORNER_INTENSITY_M

CAMERA = PinholeCamera(160, 120, 130.0, 131.0, 79.1, 60.3)
GUESS = view_of_the_corner()
SETTING = FeaturesConfig(network="vgg16", weights="random", layers=("relu1_2", "relu2_1"))
# Intensities on every level: the features then see the finest.
ALIGN = AlignConfig(residual="intensity")


@cache
def network() -> VggFeatures:
    return VggFeatures("vgg16", "random", SETTING.layers)


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(painted_corner())


@cache
def keyframe() -> Keyframe:
    return make_keyframe(renderer(), CAMERA, GUESS, ALIGN, KeyframeConfig())


def photograph(pose: SE3) -> Layers:
    grey = photograph_of_the_corner(CAMERA, pose)[0].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return build_layers(grey, np.ones(grey.shape, bool), CAMERA, ALIGN)


def metres_off(found: SE3, truth: SE3) -> float:
    return float(np.linalg.norm(found.inverse().translation - truth.inverse().translation))


# The loss of whole pictures


def test_the_loss_is_the_share_of_the_squared_features_that_differs() -> None:
    loss = FeatureLoss(lambda image: [image, 2 * image[:1]], 0.5)
    image, rendering = torch.rand(3, 4, 5), torch.rand(3, 4, 5)
    seen = torch.ones(4, 5, dtype=torch.bool)
    shares = [((rendering - image) ** 2).sum() / (image**2).sum(), ((rendering - image)[0] ** 2).sum() / (image[0] ** 2).sum()]
    assert float(loss(image, rendering, seen)) == pytest.approx(0.5 * float(sum(shares)) / 2)


def test_what_is_not_seen_does_not_count_and_the_image_is_looked_at_once() -> None:
    looks: list[torch.Tensor] = []

    def features(image: torch.Tensor) -> list[torch.Tensor]:
        looks.append(image)
        return [image]

    loss = FeatureLoss(features, 1.0)
    image, rendering = torch.rand(3, 4, 5), torch.rand(3, 4, 5, requires_grad=True)
    seen = torch.zeros(4, 5, dtype=torch.bool)
    seen[1, 2] = True
    loss(image, rendering, seen).backward()
    loss(image, rendering, seen)
    assert len(looks) == 3
    assert rendering.grad is not None
    assert torch.equal(rendering.grad.abs().sum(0) > 0, seen)


# The term of the least squares


def test_directions_are_uncorrelated_of_deviation_one_and_the_strongest_first() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(0, [3.0, 1.0, 0.2, 0.0], (20, 30, 4)) @ np.linalg.qr(rng.normal(0, 1, (4, 4)))[0]).astype(np.float32)
    where = np.ones((20, 30), bool)
    where[:5] = False
    turned = Directions.of(features, where, 6)(features)
    assert turned.shape == (20, 30, 3)
    np.testing.assert_allclose(np.cov(turned[where].T), np.eye(3), atol=1e-4)
    kept = Directions.of(features, where, 1)(features)
    np.testing.assert_allclose(np.abs(kept[..., 0]), np.abs(turned[..., 0]), atol=1e-5)


def test_the_term_speaks_of_the_pose_alone() -> None:
    rng = np.random.default_rng(1)
    points = ReferencePoints(ANYWHERE.inverse().apply(rng.uniform([-1, -1, 2], [1, 1, 4], (50, 3))), *_looks(rng, 50))
    inner = PhotometricTerm(points, rng.random((120, 160, 2)).astype(np.float32), CAMERA)
    found = FeatureTerm(inner, 3.0).linearize(Unknowns.at(ANYWHERE, np.array([1.3, 0.2])))
    expected = inner.linearize(Unknowns.at(ANYWHERE, np.tile([1.0, 0.0], 2)))
    np.testing.assert_allclose(found.hessian[:6, :6], 3 * expected.hessian[:6, :6], rtol=ALGEBRA)
    np.testing.assert_allclose(found.gradient[:6], 3 * expected.gradient[:6], rtol=ALGEBRA)
    assert found.cost == pytest.approx(3 * expected.cost)
    assert found.count == 0
    assert not found.hessian[6:].any()
    assert not found.gradient[6:].any()


def _looks(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.random((count, 2)), rng.normal(0, 0.1, (count, 2, 2))


def test_points_have_the_features_of_the_pixels_where_they_are_seen() -> None:
    v, u = np.mgrid[:120, :160].astype(np.float32)
    features = np.stack([2 * u + 3 * v, u * u / 100], axis=2)
    pixels = np.random.default_rng(2).uniform([5, 5], [150, 110], (30, 2))
    in_world = ANYWHERE.inverse().apply(CAMERA.unproject(pixels) * 2.5)
    found = feature_points(in_world, features, CAMERA, ANYWHERE)
    # OpenCV looks up in steps of 1/32 px.
    np.testing.assert_allclose(found.value[:, 0], 2 * pixels[:, 0] + 3 * pixels[:, 1], atol=0.1)
    np.testing.assert_allclose(found.gradient[:, 0], np.tile([2.0, 3.0], (30, 1)), atol=1e-4)
    np.testing.assert_allclose(found.gradient[:, 1, 0], pixels[:, 0] / 50, atol=1e-3)


def test_the_scale_of_the_residuals_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    points = ReferencePoints(ANYWHERE.inverse().apply(rng.uniform([-1, -1, 2], [1, 1, 4], (50, 3))), *_looks(rng, 50))
    image = rng.random((120, 160, 2)).astype(np.float32)
    doubled = ReferencePoints(points.in_world, 2 * points.value, 2 * points.gradient)
    at = Unknowns.at(ANYWHERE, np.array([1.0, 0.0]))
    a, b = (feature_term(p, i, CAMERA, ANYWHERE, 4.0, 1.0).linearize(at) for p, i in ((points, image), (doubled, 2 * image)))
    np.testing.assert_allclose(a.hessian, b.hessian, rtol=1e-5, atol=1e-6 * np.abs(a.hessian).max())


# Together with intensities


def test_features_lead_to_the_pose_of_the_formula() -> None:
    truth = view_of_the_corner(np.random.default_rng(0).normal(0, np.repeat([0.05, 0.02], 3)))
    aligner = FeatureAligner(SETTING, ALIGN, network(), renderer())
    found = aligner.align(keyframe(), photograph(truth), [GUESS])
    assert metres_off(found.camera_from_world, truth) < 3 * CORNER_INTENSITY_M


def test_with_no_say_features_change_nothing() -> None:
    truth = view_of_the_corner([0.02, -0.01, 0.02, 0.01, 0.0, -0.01])
    silent = FeaturesConfig(network="vgg16", weights="random", layers=SETTING.layers, share=0.0)
    found = FeatureAligner(silent, ALIGN, network(), renderer()).align(keyframe(), photograph(truth), [GUESS])
    expected = Aligner(ALIGN).align(keyframe(), photograph(truth), [GUESS])
    np.testing.assert_allclose(found.camera_from_world.matrix, expected.camera_from_world.matrix, atol=1e-9)


def test_features_alone_hold_the_pose_too() -> None:
    # With so much say that intensities have none: half a pixel off in the pooled layer would be 19 mm.
    truth = view_of_the_corner([0.02, -0.01, 0.02, 0.01, 0.0, -0.01])
    loud = FeaturesConfig(network="vgg16", weights="random", layers=("relu2_1",), share=1e4)
    features = VggFeatures("vgg16", "random", loud.layers)
    found = FeatureAligner(loud, ALIGN, features, renderer()).align(keyframe(), photograph(truth), [GUESS])
    assert metres_off(found.camera_from_world, truth) < 8e-3


def test_a_view_of_nothing_is_left_to_the_photometric_solver() -> None:
    away = SE3.exp([0, 0, 0, 0, np.pi, 0]) @ GUESS
    empty = make_keyframe(renderer(), CAMERA, away, ALIGN, KeyframeConfig())
    found = FeatureAligner(SETTING, ALIGN, network(), renderer()).align(empty, photograph(GUESS), [away])
    assert found.outcome == "TOO_FEW_POINTS"
