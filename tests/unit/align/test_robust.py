from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.robust import robust_scale, tukey
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
