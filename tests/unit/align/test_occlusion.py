from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.occlusion import regional_trust
from reloc.align.photometric import Samples
from reloc.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(100, 80, 90.0, 90.0, 49.5, 39.5)
V, U = np.mgrid[2:80:4, 2:100:4]
PIXELS = np.stack([U.ravel(), V.ravel()], axis=1).astype(float)
# The image is judged in 4 × 5 regions of 20 × 20 pixels; this is one of them.
PATCH = (PIXELS[:, 0] >= 40) & (PIXELS[:, 0] < 60) & (PIXELS[:, 1] >= 20) & (PIXELS[:, 1] < 40)


def residuals(scale: float = 0.1) -> np.ndarray:
    """Residuals of one size with random signs."""
    return scale * np.random.default_rng(0).choice([-1.0, 1.0], (len(PIXELS), 1))


def test_where_all_regions_fit_alike_all_are_trusted() -> None:
    np.testing.assert_array_equal(regional_trust(Samples(residuals(), PIXELS), CAMERA, 0.1), 1.0)


def test_a_region_of_misfits_is_distrusted_as_a_whole_and_no_other() -> None:
    residual = residuals()
    residual[PATCH] *= 4
    # By chance a few points of the patch fit perfectly: their neighbours give them away.
    residual[np.flatnonzero(PATCH)[::5]] = 0.0
    trust = regional_trust(Samples(residual, PIXELS), CAMERA, 0.1)
    assert (trust[PATCH] == 0).all()
    assert (trust[~PATCH] == 1).all()


def test_one_outlier_does_not_condemn_its_region() -> None:
    residual = residuals()
    residual[np.flatnonzero(PATCH)[7]] = 100.0
    assert (regional_trust(Samples(residual, PIXELS), CAMERA, 0.1) > 0.99).all()


def test_trust_falls_steadily_with_the_misfit() -> None:
    trusts = []
    for factor in np.linspace(1, 2.2, 13):
        residual = residuals()
        residual[PATCH] *= factor
        trust = regional_trust(Samples(residual, PIXELS), CAMERA, 0.1)
        assert len(np.unique(trust[PATCH])) == 1
        trusts.append(trust[PATCH][0])
    assert (np.diff(trusts) <= 0).all()
    assert (trusts[0], trusts[-1]) == (1.0, 0.0)
    assert 0 < trusts[6] < 1


def test_points_out_of_view_are_trusted_and_counted_nowhere() -> None:
    residual, pixels = residuals(), PIXELS.copy()
    residual[PATCH] = np.nan
    pixels[PATCH] = np.nan
    np.testing.assert_array_equal(regional_trust(Samples(residual, pixels), CAMERA, 0.1), 1.0)
    np.testing.assert_array_equal(regional_trust(Samples(np.full((5, 1), np.nan), np.full((5, 2), np.nan)), CAMERA, 0.1), 1.0)


def test_a_region_with_hardly_a_point_is_not_judged() -> None:
    patch = np.flatnonzero(PATCH)
    keep = np.setdiff1d(np.arange(len(PIXELS)), patch[3:])
    residual = residuals()
    residual[patch] *= 5
    trust = regional_trust(Samples(residual[keep], PIXELS[keep]), CAMERA, 0.1)
    np.testing.assert_array_equal(trust, 1.0)


def test_points_beyond_the_image_belong_to_the_nearest_region() -> None:
    samples = Samples(residuals(), PIXELS + np.array([300.0, -300.0]))
    np.testing.assert_array_equal(regional_trust(samples, CAMERA, 0.1), 1.0)


def test_channels_are_judged_together() -> None:
    residual = np.repeat(residuals(), 3, axis=1)
    residual[PATCH, 1] *= 10
    trust = regional_trust(Samples(residual, PIXELS), CAMERA, 0.1)
    assert trust.shape == (len(PIXELS),)
    assert (trust[PATCH] == 0).all()


@given(st.floats(1e-3, 1e3))
def test_trust_has_no_unit(unit: float) -> None:
    residual = residuals() * np.random.default_rng(1).uniform(0.5, 3, (len(PIXELS), 1))
    plain = regional_trust(Samples(residual, PIXELS), CAMERA, 0.1)
    assert 0 < (plain < 1).mean() < 1
    np.testing.assert_allclose(regional_trust(Samples(unit * residual, PIXELS), CAMERA, 0.1 * unit), plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-4, 0.0])
def test_a_perfect_fit_is_trusted(scale: float) -> None:
    np.testing.assert_array_equal(regional_trust(Samples(np.zeros((len(PIXELS), 1)), PIXELS), CAMERA, scale), 1.0)
