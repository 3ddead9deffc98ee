from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.agreement import neighbourhood_trust
from reloc.align.photometric import Samples
from reloc.geometry.camera import PinholeCamera
from tests.tolerances import ALGEBRA

CAMERA = PinholeCamera(200, 160, 180.0, 180.0, 99.5, 79.5)
V, U = np.mgrid[2:160:4, 2:200:4]
PIXELS = np.stack([U.ravel(), V.ravel()], axis=1).astype(float)
# The image is judged in 8 × 10 cells of 20 × 20 pixels. This patch covers 4 × 5 of them.
PATCH = (PIXELS[:, 0] >= 60) & (PIXELS[:, 0] < 160) & (PIXELS[:, 1] >= 40) & (PIXELS[:, 1] < 120)
# Cells with none of the patch around them, and cells with nothing but the patch around them.
FAR = (PIXELS[:, 0] < 40) | (PIXELS[:, 0] >= 180) | (PIXELS[:, 1] < 20) | (PIXELS[:, 1] >= 140)
DEEP = (PIXELS[:, 0] >= 80) & (PIXELS[:, 0] < 140) & (PIXELS[:, 1] >= 60) & (PIXELS[:, 1] < 100)


def rendering(channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((len(PIXELS), channels))


def image_of(value: np.ndarray, noise: float = 0.3) -> np.ndarray:
    return value + noise * np.random.default_rng(1).standard_normal(value.shape)


def occluded(value: np.ndarray) -> np.ndarray:
    """The image with something else in front, of the same contrast."""
    image = image_of(value)
    image[PATCH] = np.random.default_rng(2).standard_normal((np.count_nonzero(PATCH), value.shape[1]))
    return image


def trust(value: np.ndarray, image: np.ndarray, pixels: np.ndarray = PIXELS) -> np.ndarray:
    return neighbourhood_trust(Samples(image - value, pixels), value, CAMERA)


def slow_trust(value: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The twin: numpy's own correlation of the points of each cell and the eight around it."""
    row, column = (PIXELS[:, 1] // 20).astype(int), (PIXELS[:, 0] // 20).astype(int)
    correlation = np.empty((8, 10))
    for r, c in np.ndindex(8, 10):
        near = (np.abs(row - r) <= 1) & (np.abs(column - c) <= 1)
        correlation[r, c] = np.corrcoef(value[near].ravel(), image[near].ravel())[0, 1]
    typical = np.sort(correlation.ravel())[48]
    return np.clip((correlation / typical - 0.3) / 0.4, 0, 1)[row, column]


def test_where_the_image_shows_the_map_all_points_are_trusted() -> None:
    np.testing.assert_array_equal(trust(rendering(), image_of(rendering())), 1.0)


def test_what_shows_something_else_is_not_trusted_although_many_of_its_points_fit() -> None:
    value = rendering()
    image = occluded(value)
    chance = PATCH & (np.abs(image - value)[:, 0] < 0.6)
    assert np.count_nonzero(chance) > 0.2 * np.count_nonzero(PATCH)
    found = trust(value, image)
    assert (found[DEEP] == 0).all()
    assert (found[FAR] == 1).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_trust_is_that_of_numpys_correlation(channels: int) -> None:
    value = rendering(channels)
    image = occluded(value)
    np.testing.assert_allclose(trust(value, image), slow_trust(value, image), rtol=0, atol=ALGEBRA)


@pytest.mark.parametrize("blur", [0.3, 1.0])
def test_what_lowers_the_agreement_of_all_the_image_alike_lowers_no_trust(blur: float) -> None:
    # A blurred image: little is left of the rendering's contrast, and much in it that the rendering does not explain.
    value = rendering()
    assert trust(value, image_of(blur * value, 0.6 * blur)).mean() > 0.95


@given(st.floats(0.2, 5.0), st.floats(-2.0, 2.0))
def test_gain_and_bias_of_the_image_fall_out(gain: float, bias: float) -> None:
    value = rendering()
    image = occluded(value)
    np.testing.assert_allclose(trust(value, gain * image + bias), trust(value, image), rtol=0, atol=1e-9)


def test_points_out_of_view_are_trusted_and_counted_nowhere() -> None:
    value, image, pixels = rendering(), occluded(rendering()), PIXELS.copy()
    image[PATCH], pixels[PATCH] = np.nan, np.nan
    np.testing.assert_array_equal(trust(value, image, pixels), 1.0)
    np.testing.assert_array_equal(trust(value, np.full_like(image, np.nan)), 1.0)


def test_a_few_points_alone_are_not_judged() -> None:
    value = rendering()
    few = np.flatnonzero(DEEP)[:11]
    np.testing.assert_array_equal(trust(value[few], -value[few], PIXELS[few]), 1.0)


def test_an_image_that_follows_the_map_nowhere_is_not_judged() -> None:
    # From a wrong pose no part is better than another: leaving some out would be arbitrary.
    np.testing.assert_array_equal(trust(rendering(), -rendering()), 1.0)


def test_a_blank_image_is_not_judged() -> None:
    np.testing.assert_array_equal(trust(rendering(), np.zeros_like(rendering())), 1.0)
