from __future__ import annotations

import numpy as np
import pytest

from reloc.align.exposure import ExposurePrior, matched_exposure, neutral_exposure
from reloc.align.problem import Unknowns
from reloc.geometry.se3 import SE3
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE


@pytest.mark.parametrize("channels", [1, 3])
def test_neutral_leaves_intensities_as_they_are(channels: int) -> None:
    exposure = neutral_exposure(channels)
    values = np.random.default_rng(0).random((5, channels))
    np.testing.assert_array_equal(exposure[0::2] * values + exposure[1::2], values)


@pytest.mark.parametrize("channels", [1, 3])
def test_matched_finds_the_gain_and_bias_that_were_applied(channels: int) -> None:
    rng = np.random.default_rng(channels)
    reference = rng.random((200, channels))
    gain, bias = rng.uniform(0.3, 3, channels), rng.uniform(-0.2, 0.2, channels)
    image = gain * reference + bias
    image[::7] = np.nan
    found = matched_exposure(image, reference)
    np.testing.assert_allclose(found[0::2], gain, rtol=ALGEBRA)
    np.testing.assert_allclose(found[1::2], bias, rtol=0, atol=ALGEBRA)


def test_matched_needs_no_correspondence() -> None:
    rng = np.random.default_rng(1)
    reference = rng.random((200, 1))
    np.testing.assert_allclose(matched_exposure(0.5 * rng.permutation(reference) + 0.1, reference), [0.5, 0.1], rtol=ALGEBRA)


@pytest.mark.parametrize("seen", [0, 1])
def test_matched_of_nothing_is_neutral(seen: int) -> None:
    image = np.full((10, 1), np.nan)
    image[:seen] = 0.3
    np.testing.assert_array_equal(matched_exposure(image, np.ones((10, 1))), [1.0, 0.0])


RICH, FLAT = np.random.default_rng(2).random((50, 1)), np.full((50, 1), 0.5)


@pytest.mark.parametrize(("image", "reference"), [(FLAT, RICH), (RICH, FLAT), (FLAT, FLAT)])
def test_without_contrast_the_gain_stays_finite_and_the_mean_is_matched(image: np.ndarray, reference: np.ndarray) -> None:
    gain, bias = matched_exposure(image, reference)
    assert 0.01 < gain < 100
    assert gain * reference.mean() + bias == pytest.approx(image.mean(), abs=ALGEBRA)


# The prior


@pytest.mark.parametrize("channels", [1, 3])
def test_the_prior_is_the_negative_logarithm_of_a_normal_density(channels: int) -> None:
    rng = np.random.default_rng(channels)
    mean, at = rng.random(2 * channels), rng.random(2 * channels)
    sigmas = np.tile([0.1, 0.05], channels)
    prior = ExposurePrior.around(mean, 0.1, 0.05, residual_sigma=0.03)
    equations = prior.linearize(Unknowns.at(SE3.identity(), at))
    # In the unit of the squared residuals: times the variance of one.
    assert equations.cost == pytest.approx(0.03**2 * 0.5 * (((at - mean) / sigmas) ** 2).sum(), rel=ALGEBRA)
    assert equations.count == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_and_hessian_of_the_prior_are_its_finite_differences(channels: int) -> None:
    rng = np.random.default_rng(10 + channels)
    prior = ExposurePrior.around(rng.random(2 * channels), 0.1, 0.05, residual_sigma=0.2)
    unknowns, h = Unknowns.at(SE3.exp(rng.random(6)), rng.random(2 * channels)), 1e-5
    steps = h * np.eye(6 + 2 * channels)
    ahead, behind = ([prior.linearize(unknowns.moved(sign * step)) for step in steps] for sign in (1, -1))
    here = prior.linearize(unknowns)
    slopes = [(a.cost - b.cost) / (2 * h) for a, b in zip(ahead, behind, strict=True)]
    curvatures = [(a.gradient - b.gradient) / (2 * h) for a, b in zip(ahead, behind, strict=True)]
    np.testing.assert_allclose(here.gradient, slopes, rtol=0, atol=FINITE_DIFFERENCE)
    np.testing.assert_allclose(here.hessian, curvatures, rtol=0, atol=FINITE_DIFFERENCE)
    assert (here.gradient[:6] == 0).all()
