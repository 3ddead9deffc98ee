from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.robust import estimate_variance, robust_scale, tukey
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, MAD_CONSTANT

widths = st.floats(0.01, 10)
shares = st.floats(-2, 2)


@given(shares, widths)
def test_the_weight_is_the_slope_of_the_cost_over_the_residual(share: float, width: float) -> None:
    residual, h = share * width, 1e-6 * width
    slope = (tukey(residual + h, width)[0] - tukey(residual - h, width)[0]) / (2 * h)
    assert tukey(residual, width)[1] * residual == pytest.approx(slope, abs=FINITE_DIFFERENCE * width)


@given(shares, widths)
def test_the_cost_is_that_of_the_formula(share: float, width: float) -> None:
    rest = 1 - min(share**2, 1.0)
    cost, weight = tukey(share * width, width)
    assert cost == pytest.approx(width**2 / 6 * (1 - rest**3), rel=ALGEBRA, abs=ALGEBRA * width**2)
    assert weight == pytest.approx(rest**2, abs=ALGEBRA)


@given(st.floats(-10, 10))
def test_a_width_that_clips_nothing_leaves_least_squares(residual: float) -> None:
    cost, weight = tukey(residual, 1e9)
    assert cost == pytest.approx(residual**2 / 2, rel=ALGEBRA)
    assert weight == pytest.approx(1.0, abs=ALGEBRA)


@given(st.floats(0, 10), st.floats(0, 10), widths)
def test_a_larger_residual_never_costs_less_nor_weighs_more(a: float, b: float, width: float) -> None:
    (small_cost, small_weight), (large_cost, large_weight) = tukey(min(a, b), width), tukey(max(a, b), width)
    assert small_cost <= large_cost + ALGEBRA * width**2
    assert small_weight >= large_weight - ALGEBRA


@pytest.mark.parametrize("count", [1, 3, 99, 1001])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_the_scale_is_the_median_deviation_of_scipy(count: int, shape: tuple[int, ...]) -> None:
    residuals = np.random.default_rng(count).standard_t(2, count) * 0.3
    expected = scipy.stats.median_abs_deviation(residuals, center=lambda x, axis: np.zeros(()), scale="normal")
    assert robust_scale(residuals.reshape(shape)) == pytest.approx(expected, rel=MAD_CONSTANT)


def test_between_two_middle_values_the_scale_is_that_of_one_of_them() -> None:
    assert robust_scale(np.array([1.0, -2.0, 3.0, -4.0])) / 1.4826 == pytest.approx(2.5, abs=0.5 + ALGEBRA)


def test_the_scale_of_normal_residuals_is_their_deviation_whatever_a_third_of_them_do() -> None:
    rng = np.random.default_rng(0)
    residuals = 0.07 * rng.standard_normal(20_001)
    assert robust_scale(residuals) == pytest.approx(0.07, rel=0.02)
    residuals[: len(residuals) // 3] = 50.0
    assert robust_scale(residuals) < 0.07 * 1.7


def test_residuals_out_of_view_are_passed_over() -> None:
    residuals = np.array([[np.nan, np.nan], [1.0, -2.0], [np.nan, 3.0]])
    assert robust_scale(residuals) == robust_scale(np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("residuals", [np.zeros(5), np.zeros(0), np.full(4, np.nan)])
def test_the_scale_is_never_zero(residuals: np.ndarray) -> None:
    assert robust_scale(residuals) > 0


@pytest.mark.parametrize("clip", [2.0, 2.5, 4.685])
def test_the_variance_of_an_estimate_is_that_of_the_theory_for_normal_residuals(clip: float) -> None:
    # Huber's E[ψ²] / E[ψ']², integrated by scipy, times the mean weight that the sum of the equations is made of.
    def mean(function: Callable[[float], float]) -> float:
        return float(scipy.integrate.quad(lambda x: function(x) * scipy.stats.norm.pdf(x), -clip, clip)[0])

    def psi(x: float) -> float:
        return x * float(tukey(x, clip)[1])

    slope = mean(lambda x: (psi(x + 1e-6) - psi(x - 1e-6)) / 2e-6)
    expected = mean(lambda x: psi(x) ** 2) * mean(lambda x: tukey(x, clip)[1]) / slope**2
    residuals = 0.3 * np.random.default_rng(0).standard_normal((200_000, 1))
    assert estimate_variance(residuals, 0.3 * clip) == pytest.approx(0.3**2 * expected, rel=0.02)


def test_the_variance_of_an_estimate_by_least_squares_is_that_of_the_residuals() -> None:
    residuals = np.random.default_rng(1).standard_normal((500, 3))
    residuals[::7] = np.nan
    assert estimate_variance(residuals, 1e9) == pytest.approx(np.nanmean(residuals**2), rel=ALGEBRA)


def test_the_variance_of_an_estimate_of_a_mean_is_that_which_many_of_them_have() -> None:
    # The covariance that (Σ w J Jᵀ)⁻¹ becomes, on the smallest problem there is, J = 1, with a tenth of gross errors.
    rng, count, width = np.random.default_rng(2), 300, 2.5
    means, claimed = [], []
    for _ in range(400):
        x = np.where(rng.random(count) < 0.1, rng.uniform(-20, 20, count), rng.standard_normal(count))
        mean = 0.0
        for _ in range(60):
            weights = np.clip(1 - ((x - mean) / width) ** 2, 0, None) ** 2
            mean = float(weights @ x / weights.sum())
        means.append(mean)
        claimed.append(estimate_variance((x - mean)[:, None], width) / weights.sum())
    assert np.mean(claimed) == pytest.approx(np.var(means), rel=0.15)


@pytest.mark.parametrize("residuals", [np.zeros((5, 1)), np.zeros((0, 1)), np.full((4, 1), np.nan), np.full((4, 1), 9.0)])
def test_the_variance_of_an_estimate_is_positive_and_finite(residuals: np.ndarray) -> None:
    assert 0 < estimate_variance(residuals, 1.0) < np.inf
    assert np.isfinite(estimate_variance(np.full((9, 1), 0.9), 1.0))
