from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from reloc.geometry.se3 import SE3
from reloc.motion import MotionConfig, MotionModel, MotionState
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA, FORGETFUL, SAMPLED_MOTION, SHORT_TIME

CONFIG = MotionConfig()
MODEL = MotionModel(CONFIG)
DEPTH = 2.0
SECOND = 1_000_000_000
TWIST = np.array([0.3, -0.5, 0.2, 0.4, 0.3, -0.6])


def random_covariance(rng: np.random.Generator, size: int, scale: float = 1e-3) -> np.ndarray:
    factor = rng.normal(size=(size, size)) * scale
    return factor @ factor.T + 1e-4 * scale**2 * np.eye(size)


def state(twist: np.ndarray = TWIST, covariance: np.ndarray | None = None) -> MotionState:
    known = random_covariance(np.random.default_rng(0), 12) if covariance is None else covariance
    return MotionState(5 * SECOND, ANYWHERE, twist, known)


def hat6(tangent: np.ndarray) -> np.ndarray:
    x, y, z, a, b, c = tangent
    return np.array([[0, -c, b, x], [c, 0, -a, y], [-b, a, 0, z], [0, 0, 0, 0]])


def transition(seconds: float) -> np.ndarray:
    """What an error at rest becomes, by the matrix exponential of dξ = −ξ/τ dt."""
    return scipy.linalg.expm(drift() * seconds)


def drift() -> np.ndarray:
    result = np.eye(12, k=6)
    result[6:, 6:] = -np.eye(6) / CONFIG.memory_s
    return result


def process_noise(seconds: float, depth: float) -> np.ndarray:
    """What white noise of density 2 σ²/τ adds while the velocity fades, by Van Loan's matrix exponential, not by a formula."""
    source = np.zeros((12, 12))
    source[6:, 6:] = np.diag(2 * speeds(depth) ** 2 / CONFIG.memory_s)
    block = scipy.linalg.expm(np.block([[-drift(), source], [np.zeros((12, 12)), drift().T]]) * seconds)
    return block[12:, 12:].T @ block[:12, 12:]


def speeds(depth: float) -> np.ndarray:
    return np.repeat([CONFIG.speed_share * depth, CONFIG.turn_rate], 3)


def moving_s(seconds: float) -> float:
    """For how long a fading velocity counts."""
    return float(scipy.integrate.quad(lambda t: math.exp(-t / CONFIG.memory_s), 0, seconds, points=[0.5, 1.0])[0])


# Prediction


@pytest.mark.parametrize("seconds", [0.0, 1 / 30, 0.11, 1.0, 3.0, 1000.0])
def test_the_camera_goes_on_as_the_integral_of_a_fading_velocity_says(seconds: float) -> None:
    predicted = MODEL.predict(state(), 5 * SECOND + round(seconds * SECOND), DEPTH)
    expected = scipy.linalg.expm(hat6(TWIST) * moving_s(round(seconds * SECOND) / SECOND)) @ ANYWHERE.matrix
    np.testing.assert_allclose(predicted.camera_from_world.matrix, expected, rtol=0, atol=1e3 * ALGEBRA)
    np.testing.assert_allclose(predicted.twist, TWIST * math.exp(-seconds / CONFIG.memory_s), atol=1e3 * ALGEBRA)
    assert predicted.timestamp_ns == 5 * SECOND + round(seconds * SECOND)


def test_backwards_in_time_the_camera_comes_from_the_other_side() -> None:
    ahead, back = (MODEL.predict(state(), 5 * SECOND + step, DEPTH) for step in (SECOND // 5, -SECOND // 5))
    there, here = ((pose.camera_from_world @ ANYWHERE.inverse()).log() for pose in (ahead, back))
    np.testing.assert_allclose(here, -there, atol=ALGEBRA)
    np.testing.assert_allclose(back.twist, ahead.twist, atol=ALGEBRA)


def test_two_unequal_steps_lead_where_one_does() -> None:
    halfway = MODEL.predict(state(), 5 * SECOND + 12_345_678, DEPTH)
    twice, once = MODEL.predict(halfway, 6 * SECOND, DEPTH), MODEL.predict(state(), 6 * SECOND, DEPTH)
    np.testing.assert_allclose(twice.camera_from_world.matrix, once.camera_from_world.matrix, rtol=0, atol=ALGEBRA)


@pytest.mark.parametrize("depth", [0.5, 2.0, 9.0])
@pytest.mark.parametrize("seconds", [1e-4, 6.9e-3, 7.1e-3, 1 / 30, 0.2, 1.5, 5.0])
def test_at_rest_the_noise_is_that_of_van_loan_s_integral(depth: float, seconds: float) -> None:
    expected = process_noise(round(seconds * SECOND) / SECOND, depth)
    np.testing.assert_allclose(MODEL.noise(seconds, depth), expected, rtol=SHORT_TIME, atol=0)


@pytest.mark.parametrize("seconds", [1 / 30, 0.2, 1.5])
def test_at_rest_what_is_known_is_carried_along_by_the_matrix_exponential(seconds: float) -> None:
    known = state(np.zeros(6))
    predicted = MODEL.predict(known, known.timestamp_ns + round(seconds * SECOND), DEPTH)
    carried = transition(seconds) @ known.covariance @ transition(seconds).T
    np.testing.assert_allclose(predicted.covariance, carried + process_noise(seconds, DEPTH), rtol=1e-6, atol=ALGEBRA)


def test_the_noise_is_that_of_a_velocity_simulated_in_many_small_steps() -> None:
    """Euler and Maruyama's way through dξ = −ξ/τ dt + σ √(2/τ) dw, along one axis of each kind."""
    rng, seconds, steps = np.random.default_rng(0), 0.5, 200
    short = seconds / steps
    for axis in (0, 5):
        sigma, way, velocity = speeds(DEPTH)[axis], np.zeros(20_000), np.zeros(20_000)
        for _ in range(steps):
            way += velocity * short
            shock = sigma * math.sqrt(2 * short / CONFIG.memory_s)
            velocity += -velocity * short / CONFIG.memory_s + shock * rng.normal(size=velocity.size)
        found, expected = np.cov(way, velocity), MODEL.noise(seconds, DEPTH)[np.ix_([axis, axis + 6], [axis, axis + 6])]
        deviations = np.sqrt(np.diag(expected))
        np.testing.assert_allclose(found / np.outer(deviations, deviations), expected / np.outer(deviations, deviations),
                                   rtol=0, atol=SAMPLED_MOTION)  # fmt: skip


def test_a_velocity_never_seen_stays_of_the_configured_size_and_the_way_grows_as_that_of_a_random_walk() -> None:
    begin = MODEL.start(0, ANYWHERE, np.zeros((6, 6)), DEPTH)
    later, latest = (MODEL.predict(begin, seconds * SECOND, DEPTH).covariance for seconds in (100, 101))
    np.testing.assert_allclose(latest[6:, 6:], np.diag(speeds(DEPTH) ** 2), rtol=1e-9, atol=ALGEBRA)
    grown = np.diag(latest - later)[:6]
    np.testing.assert_allclose(grown, 2 * speeds(DEPTH) ** 2 * CONFIG.memory_s, rtol=1e-6)


def quiet() -> MotionModel:
    """A model that adds no noise to speak of, so that only the carrying along of what was uncertain is left."""
    return MotionModel(replace(CONFIG, speed_share=1e-9, turn_rate=1e-9))


def test_the_uncertainty_of_the_pose_is_carried_along_as_by_sampling() -> None:
    # A metre and a radian in one step: the adjoint is far from the identity.
    rng, twist = np.random.default_rng(1), np.array([0.8, -0.6, 1.0, 0.7, -0.5, 0.6])
    covariance = np.zeros((12, 12))
    covariance[:6, :6] = np.diag(np.square([1e-3, 3e-3, 5e-4, 2e-3, 6e-4, 1e-3]))
    known = state(twist, covariance)
    predicted = quiet().predict(known, 6 * SECOND, DEPTH)
    carried, back = SE3.exp(twist * moving_s(1.0)), predicted.camera_from_world.inverse()
    samples = rng.multivariate_normal(np.zeros(6), covariance[:6, :6], 4000)
    errors = np.array([((carried @ SE3.exp(s) @ ANYWHERE) @ back).log() for s in samples])
    assert_sampled(predicted.covariance[:6, :6], errors)


def test_the_uncertainty_of_pose_and_twist_is_carried_along_as_by_sampling() -> None:
    rng = np.random.default_rng(2)
    known = state(0.2 * TWIST, random_covariance(rng, 12, 2e-3))
    seconds = 0.1
    kept = math.exp(-seconds / CONFIG.memory_s)
    predicted = MODEL.predict(known, known.timestamp_ns + round(seconds * SECOND), DEPTH)
    back = predicted.camera_from_world.inverse()
    samples = rng.multivariate_normal(np.zeros(12), known.covariance, 4000)
    noise = rng.multivariate_normal(np.zeros(12), process_noise(seconds, DEPTH), 4000)
    errors = []
    for error, shaken in zip(samples, noise, strict=True):
        pose = SE3.exp(shaken[:6]) @ SE3.exp((known.twist + error[6:]) * moving_s(seconds)) @ SE3.exp(error[:6]) @ ANYWHERE
        errors.append(np.concatenate([(pose @ back).log(), kept * error[6:] + shaken[6:]]))
    assert_sampled(predicted.covariance, np.array(errors))


def assert_sampled(covariance: np.ndarray, errors: np.ndarray) -> None:
    """Compare, in units of the deviations, with the covariance of samples."""
    deviations = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(np.cov(errors.T) / np.outer(deviations, deviations), covariance / np.outer(deviations, deviations),
                               rtol=0, atol=SAMPLED_MOTION)  # fmt: skip


# Update


@pytest.mark.parametrize("seed", range(5))
def test_an_update_is_that_of_the_textbook(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = state(covariance=random_covariance(rng, 12))
    R, innovation = random_covariance(rng, 6), rng.normal(0, 2e-3, 6)
    H = np.hstack([np.eye(6), np.zeros((6, 6))])
    gain = known.covariance @ H.T @ np.linalg.inv(H @ known.covariance @ H.T + R)
    error = gain @ innovation
    updated = MODEL.update(known, SE3.exp(innovation) @ ANYWHERE, R)
    expected = scipy.linalg.expm(hat6(error[:6])) @ ANYWHERE.matrix
    np.testing.assert_allclose(updated.camera_from_world.matrix, expected, rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(updated.twist, TWIST + error[6:], rtol=0, atol=ALGEBRA)
    np.testing.assert_allclose(updated.covariance, (np.eye(12) - gain @ H) @ known.covariance, rtol=0, atol=ALGEBRA)
    assert updated.timestamp_ns == known.timestamp_ns


def test_a_perfect_measurement_is_taken_over_and_a_worthless_one_ignored() -> None:
    measured = SE3.exp([1e-3, 2e-3, -1e-3, 3e-3, -2e-3, 1e-3]) @ ANYWHERE
    perfect, worthless = (MODEL.update(state(), measured, scale * np.eye(6)) for scale in (1e-18, 1e9))
    np.testing.assert_allclose(perfect.camera_from_world.matrix, measured.matrix, rtol=0, atol=1e-7)
    np.testing.assert_allclose(worthless.camera_from_world.matrix, ANYWHERE.matrix, rtol=0, atol=ALGEBRA)


def test_a_steady_motion_is_learnt_from_poses_alone() -> None:
    pose, R = ANYWHERE, 1e-8 * np.eye(6)
    known = MODEL.start(0, pose, R, DEPTH)
    for number in range(1, 60):
        pose = SE3.exp(TWIST / 30) @ pose
        known = MODEL.update(MODEL.predict(known, round(number * SECOND / 30), DEPTH), pose, R)
    np.testing.assert_allclose(known.twist, TWIST, rtol=FORGETFUL, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_the_surprise_is_the_squared_distance_in_units_of_what_was_expected(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, R, innovation = state(), random_covariance(rng, 6), rng.normal(0, 2e-3, 6)
    expected = innovation @ np.linalg.inv(known.covariance[:6, :6] + R) @ innovation
    assert MODEL.nis(known, SE3.exp(innovation) @ ANYWHERE, R) == pytest.approx(expected, rel=1e-6)
    assert MODEL.nis(known, ANYWHERE, R) == pytest.approx(0, abs=1e-9)


def test_on_simulated_truth_surprise_and_error_are_distributed_as_chi_squared() -> None:
    rng = np.random.default_rng(3)
    R = np.diag(np.square([4e-3, 3e-3, 5e-3, 2e-3, 1e-3, 3e-3]))
    surprises, errors = [], []
    for _ in range(40):
        known = MODEL.start(0, SE3.exp(rng.multivariate_normal(np.zeros(6), R)) @ ANYWHERE, R, DEPTH)
        pose, twist, time_ns = ANYWHERE, rng.multivariate_normal(np.zeros(6), known.covariance[6:, 6:]), 0
        for step_ns in rng.integers(SECOND // 100, SECOND // 12, 20).tolist():
            seconds, time_ns = step_ns / SECOND, time_ns + step_ns
            shaken = rng.multivariate_normal(np.zeros(12), process_noise(seconds, DEPTH))
            pose = SE3.exp(shaken[:6]) @ SE3.exp(twist * moving_s(seconds)) @ pose
            twist = math.exp(-seconds / CONFIG.memory_s) * twist + shaken[6:]
            predicted = MODEL.predict(known, time_ns, DEPTH)
            measured = SE3.exp(rng.multivariate_normal(np.zeros(6), R)) @ pose
            surprises.append(MODEL.nis(predicted, measured, R))
            known = MODEL.update(predicted, measured, R)
        error = np.concatenate([(pose @ known.camera_from_world.inverse()).log(), twist - known.twist])
        errors.append(error @ np.linalg.solve(known.covariance, error))
    assert_chi_squared(np.array(surprises), 6)
    assert_chi_squared(np.array(errors), 12)


def assert_chi_squared(values: np.ndarray, freedom: int) -> None:
    """Hold a mean against the central 99.9 % of the mean of as many χ² variables."""
    low, high = scipy.stats.chi2.interval(0.999, freedom * len(values)) / np.array(len(values))
    assert low < values.mean() < high
    assert 0.85 < np.mean(values < scipy.stats.chi2.ppf(0.95, freedom)) <= 1


# Laws


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2 * SECOND), st.floats(1e-5, 0.1), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_the_covariance_is_always_symmetric_and_positive(steps: list[tuple[int, float, bool]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = MODEL.start(0, ANYWHERE, random_covariance(rng, 6), DEPTH)
    for step_ns, scale, seen in steps:
        predicted = MODEL.predict(known, known.timestamp_ns + step_ns, DEPTH)
        measured = SE3.exp(rng.normal(0, scale, 6)) @ predicted.camera_from_world
        known = [predicted, MODEL.update(predicted, measured, random_covariance(rng, 6, scale))][seen]
        for covariance in (predicted.covariance, known.covariance):
            np.testing.assert_allclose(covariance, covariance.T, rtol=1e-9, atol=1e-15)
            assert np.linalg.eigvalsh((covariance + covariance.T) / 2)[0] > 0
        assert known.camera_from_world.is_finite


def test_a_start_is_at_rest_and_open_to_any_motion_of_the_configured_size() -> None:
    known = MODEL.start(7, ANYWHERE, 1e-4 * np.eye(6), 3.0)
    assert (known.timestamp_ns, known.camera_from_world) == (7, ANYWHERE)
    np.testing.assert_array_equal(known.twist, 0)
    expected = [0.01] * 6 + [CONFIG.speed_share * 3.0] * 3 + [CONFIG.turn_rate] * 3
    np.testing.assert_allclose(np.sqrt(np.diag(known.covariance)), expected)
    np.testing.assert_array_equal(known.pose_covariance, known.covariance[:6, :6])


def test_no_state_is_edited() -> None:
    known = state()
    before = known.covariance.copy()
    predicted = MODEL.predict(known, 6 * SECOND, DEPTH)
    after = predicted.covariance.copy()
    MODEL.update(predicted, ANYWHERE, 1e-6 * np.eye(6))
    np.testing.assert_array_equal(known.covariance, before)
    np.testing.assert_array_equal(predicted.covariance, after)


@pytest.mark.parametrize("seconds", [0.1, 0.9])
def test_what_was_not_seen_is_as_uncertain_as_the_way_of_an_unknown_velocity(seconds: float) -> None:
    """Of a stationary Ornstein-Uhlenbeck velocity, by integrating its correlation σ² exp(−|s − t| / τ) twice."""
    inner, _ = scipy.integrate.quad(lambda lag: (seconds - lag) * math.exp(-lag / CONFIG.memory_s), 0, seconds)
    expected = np.diag(2 * speeds(DEPTH) ** 2 * inner)
    np.testing.assert_allclose(MODEL.unseen_covariance(seconds, DEPTH), expected, rtol=1e-9, atol=1e-15)
