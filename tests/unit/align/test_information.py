from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg

from reloc.align.information import pose_information
from reloc.align.linked import WeightedTerm
from reloc.align.photometric import PhotometricTerm, ReferencePoints
from reloc.align.problem import Unknowns
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from tests.oracles.photometric import projection_jacobian
from tests.tolerances import ALGEBRA

CAMERA = PinholeCamera(96, 72, 80.0, 82.0, 47.1, 35.8)
START = Unknowns.at(SE3.identity(), np.array([1.0, 0.0]))


def smooth(rng: np.random.Generator) -> np.ndarray:
    """Waves (H, W) of 12 to 24 pixels."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    ways = rng.uniform(0, 2 * np.pi, 6)
    waves = [np.sin(2 * np.pi * (u * np.cos(way) + v * np.sin(way)) / rng.uniform(12, 24) + 5 * way) for way in ways]
    return np.asarray(0.5 + 0.06 * np.sum(waves, axis=0))


def term_of(image: np.ndarray, drawn: np.ndarray, width: float = 0.5) -> PhotometricTerm:
    """Compare an image with a drawing of a flat wall two metres ahead, at every third pixel."""
    v, u = (axis.ravel() for axis in np.mgrid[4 : CAMERA.height - 4 : 3, 4 : CAMERA.width - 4 : 3])
    along_v, along_u = np.gradient(drawn)
    # Some depth, lest a sideways move and a turn be the same.
    depth = 2.0 + 0.5 * np.sin(u / 9.0) * np.cos(v / 7.0)
    points = CAMERA.unproject(np.column_stack([u, v]).astype(float)) * depth[:, None]
    reference = ReferencePoints(points, drawn[v, u][:, None], np.stack([along_u[v, u], along_v[v, u]], axis=-1)[:, None])
    return PhotometricTerm(reference, image[:, :, None].astype(np.float32), CAMERA, width)


def covariance_by_hand(term: PhotometricTerm, sigma: float) -> np.ndarray:
    """σ² (Jᵀ J)⁻¹ of pose and exposure, by the rendering's gradients and numpy's least squares."""
    rows = []
    for point, value, slope in zip(term.points.in_world, term.points.value, term.points.gradient, strict=True):
        x, y, z = point
        moved = np.hstack([np.eye(3), [[0, z, -y], [-z, 0, x], [y, -x, 0]]])
        rows.append([*(slope[0] @ projection_jacobian(point, CAMERA.fx, CAMERA.fy) @ moved), -value[0], -1])
    return np.asarray(sigma**2 * np.linalg.pinv(np.array(rows).T @ np.array(rows)))[:6, :6]


def ratios(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Variances found in shares of those expected, in the directions in which they differ most."""
    return np.asarray(scipy.linalg.eigh(np.linalg.inv(found), expected, eigvals_only=True))


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.1])
def test_whatever_the_noise_the_covariance_is_that_of_least_squares_without_it(sigma: float) -> None:
    rng = np.random.default_rng(1)
    drawn = smooth(rng)
    term = term_of(drawn + sigma * rng.standard_normal(drawn.shape), drawn, width=1e6)
    found = ratios(pose_information(term, START), covariance_by_hand(term, sigma))
    # 600 residuals give a variance to 6 %; noise in the product of the gradients has no mean, but scatters.
    np.testing.assert_allclose(np.exp(np.log(found).mean()), 1.0, atol=0.15)
    assert 0.5 < found.min() < found.max() < 2.0


def test_the_mean_of_the_gradients_takes_noise_for_information() -> None:
    # What this is for.
    rng = np.random.default_rng(1)
    drawn = smooth(rng)
    term = term_of(drawn + 0.1 * rng.standard_normal(drawn.shape), drawn, width=1e6)
    naive = WeightedTerm(term, 0.1**-2).linearize(START).hessian[:6, :6]
    assert ratios(naive, covariance_by_hand(term, 0.1)).max() < 0.75


def test_a_robust_cost_costs_precision() -> None:
    rng = np.random.default_rng(2)
    drawn = smooth(rng)
    open_, tight = (term_of(drawn + 0.03 * rng.standard_normal(drawn.shape), drawn, width) for width in (1e6, 2.5 * 0.03))
    found = ratios(pose_information(tight, START), np.linalg.inv(pose_information(open_, START)))
    # Tukey's at 2.5 deviations has an efficiency of 0.63.
    np.testing.assert_allclose(np.exp(np.log(found).mean()), 1 / 0.63, rtol=0.15)


def test_a_flat_image_and_a_strange_one_leave_a_share_of_what_the_map_offers() -> None:
    rng = np.random.default_rng(3)
    drawn = smooth(rng)
    for image in (np.full_like(drawn, drawn.mean()), drawn[::-1, ::-1], 1 - drawn):
        term = term_of(image, drawn, width=1e6)
        sigma = float(term.sample(START).residual.std())
        found = np.linalg.eigvalsh(pose_information(term, START))
        assert found[0] > 0
        assert ratios(pose_information(term, START), covariance_by_hand(term, sigma)).max() < 1.3 / 0.05


def test_a_term_beside_adds_its_own() -> None:
    rng = np.random.default_rng(4)
    drawn = smooth(rng)
    term = term_of(drawn + 0.01 * rng.standard_normal(drawn.shape), drawn)
    alone, twice = (
        pose_information(term, START),
        pose_information(term, START, [WeightedTerm(term, 1e5)]),
    )
    assert np.linalg.eigvalsh(twice - alone)[0] > -ALGEBRA * np.abs(alone).max()
    assert np.trace(twice) > 1.5 * np.trace(alone)


def test_a_map_without_texture_says_nothing() -> None:
    flat = np.full((CAMERA.height, CAMERA.width), 0.5)
    np.testing.assert_array_equal(pose_information(term_of(flat, flat), START), np.zeros((6, 6)))
    striped = np.tile(0.5 + 0.3 * np.sin(np.arange(CAMERA.width) / 3), (CAMERA.height, 1))
    values = np.linalg.eigvalsh(pose_information(term_of(striped, striped), START))
    assert np.isfinite(values).all()
    # Up and down is open.
    assert values[0] < 1e-6 * values[-1]


@pytest.mark.parametrize("seed", range(40))
def test_few_points_and_points_close_to_the_camera_are_no_error(seed: int) -> None:
    # Where a search went astray, what is left in view leaves directions open to the last bit.
    rng = np.random.default_rng(seed)
    drawn = smooth(rng)
    term = term_of(drawn + 0.1 * rng.standard_normal(drawn.shape), drawn)
    points = term.points
    few = rng.choice(len(points), rng.integers(1, 9), replace=False)
    near = points.in_world[few] * 10.0 ** rng.uniform(-9, 3)
    term = replace(term, points=ReferencePoints(near, points.value[few], points.gradient[few]))
    found = pose_information(term, START)
    assert np.isfinite(found).all()
    assert np.linalg.eigvalsh(found)[0] >= -1e-6 * np.abs(found).max()
