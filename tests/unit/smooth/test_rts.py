from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from filterpy.kalman import KalmanFilter

from reloc.estimate import Measurement
from reloc.geometry.se3 import SE3
from reloc.motion import MotionModel, MotionState
from reloc.smooth.rts import Smoothed, smooth
from reloc.smooth.seen import Seen
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA, FADED_GAP, LINEARISED, SOLVED, TINY_MOTION
from tests.unit.test_motion import (
    CONFIG,
    DEPTH,
    SECOND,
    assert_chi_squared,
    hat6,
    moving_s,
    process_noise,
    speeds,
    transition,
)

MODEL = MotionModel(CONFIG)
NO_GATE = float("inf")
PERIOD_NS = SECOND // 30
R = np.diag(np.square([4e-3, 3e-3, 5e-3, 2e-3, 1e-3, 3e-3]))
EXACT = np.zeros((6, 6))


def seen(number: int, pose: SE3 | None, noise: np.ndarray = R, model: np.ndarray = EXACT) -> Seen:
    return Seen(number * PERIOD_NS, None if pose is None else Measurement(pose, noise, model, DEPTH))


KEPT = math.exp(-PERIOD_NS / SECOND / CONFIG.memory_s)


def simulated(rng: np.random.Generator, count: int) -> tuple[list[SE3], list[SE3]]:
    """Return true and measured poses of a camera that moves as the model says."""
    pose, twist, seconds = ANYWHERE, rng.normal(size=6) * [0.3, 0.3, 0.3, 0.4, 0.4, 0.4], PERIOD_NS / SECOND
    truth = [pose]
    for _ in range(1, count):
        shaken = rng.multivariate_normal(np.zeros(12), process_noise(seconds, DEPTH))
        pose, twist = SE3.exp(shaken[:6]) @ SE3.exp(twist * moving_s(seconds)) @ pose, KEPT * twist + shaken[6:]
        truth.append(pose)
    return truth, [SE3.exp(rng.multivariate_normal(np.zeros(6), R)) @ pose for pose in truth]


def filtered(frames: list[Seen]) -> list[MotionState]:
    """The forward pass alone."""
    states: list[MotionState] = []
    for frame in frames:
        predicted = MODEL.predict(states[-1], frame.timestamp_ns, DEPTH) if states else None
        measured = frame.measurement
        if predicted is None:
            assert measured is not None
            states.append(MODEL.start(frame.timestamp_ns, measured.camera_from_world, measured.noise_covariance, DEPTH))
        elif measured is None:
            states.append(predicted)
        else:
            states.append(MODEL.update(predicted, measured.camera_from_world, measured.noise_covariance))
    return states


def error(truth: SE3, estimate: SE3) -> np.ndarray:
    return (truth @ estimate.inverse()).log()


def known(found: list[Smoothed | None]) -> list[Smoothed]:
    assert all(one is not None for one in found)
    return [one for one in found if one is not None]


@pytest.mark.parametrize("missing", [set(), {4}, set(range(8, 20))])
def test_where_all_is_linear_it_is_the_smoother_of_filterpy(missing: set[int]) -> None:
    """Translations of micrometres without any rotation to speak of: SE(3) is flat there."""
    rng = np.random.default_rng(0)
    scale, count = 1e-6, 30
    noise, z = scale**2 * R, np.cumsum(rng.normal(size=(count, 6)) * scale, axis=0)
    model = MotionModel(replace(CONFIG, speed_share=scale, turn_rate=scale))
    frames = [seen(i, None if i in missing else SE3.exp(z[i]), noise) for i in range(count)]
    ours = known(smooth(frames, model, NO_GATE))

    textbook = KalmanFilter(dim_x=12, dim_z=6)
    seconds = PERIOD_NS / SECOND
    size = np.repeat([scale * DEPTH, scale], 3) / speeds(DEPTH)
    quieter = np.diag(np.concatenate([size, size]))
    textbook.F, textbook.Q = transition(seconds), quieter @ process_noise(seconds, DEPTH) @ quieter
    textbook.H, textbook.R = np.eye(6, 12), noise
    textbook.x = np.concatenate([z[0], np.zeros(6)])[:, None]
    textbook.P = scipy.linalg.block_diag(noise, np.diag(np.repeat([scale * DEPTH, scale], 3) ** 2))
    means, covariances = [textbook.x], [textbook.P]
    for i in range(1, count):
        textbook.predict()
        textbook.update(None if i in missing else z[i][:, None])
        means.append(textbook.x)
        covariances.append(textbook.P)
    expected, spread, _, _ = textbook.rts_smoother(np.array(means), np.array(covariances))
    for i in range(count):
        np.testing.assert_allclose(ours[i].camera_from_world.log() / scale, expected[i, :6, 0] / scale, atol=TINY_MOTION)
        np.testing.assert_allclose(ours[i].covariance / scale**2, spread[i, :6, :6] / scale**2, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("gap", "tolerance"), [(range(0), SOLVED), (range(10, 25), FADED_GAP)])
def test_a_steady_turn_is_smoothed_into_itself(gap: range, tolerance: float) -> None:
    """Measurements that the model explains without any noise stay what they are, far from where SE(3) is flat."""
    twist = np.array([0.3, -0.5, 0.2, 0.4, 0.3, -0.6])
    poses = [SE3(*_split(scipy.linalg.expm(hat6(twist) * i / 30))) @ ANYWHERE for i in range(40)]
    frames = [seen(i, None if i in gap else pose, 1e-8 * np.eye(6)) for i, pose in enumerate(poses)]
    for found, pose in zip(known(smooth(frames, MODEL, NO_GATE))[3:-3], poses[3:-3], strict=True):
        assert np.abs(error(pose, found.camera_from_world)).max() < tolerance


def _split(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return matrix[:3, :3], matrix[:3, 3]


@pytest.mark.parametrize("gap", [0, 10, 25])
def test_on_simulated_truth_errors_are_as_large_as_is_claimed_and_smaller_than_the_filter_s(gap: int) -> None:
    rng = np.random.default_rng(gap)
    nees, ours, forward = [], [], []
    for _ in range(8):
        missing = range(15, 15 + gap)
        truth, measured = simulated(rng, 30 + gap)
        frames = [seen(i, None if i in missing else pose) for i, pose in enumerate(measured)]
        states, smoothed = filtered(frames), known(smooth(frames, MODEL, NO_GATE))
        for i, found in enumerate(smoothed):
            ours.append(error(truth[i], found.camera_from_world))
            forward.append(error(truth[i], states[i].camera_from_world))
            assert np.trace(found.covariance) <= np.trace(states[i].pose_covariance) * LINEARISED
            assert np.linalg.eigvalsh(found.covariance)[0] > 0
        for i in (5, 15 + gap // 2):
            off = error(truth[i], smoothed[i].camera_from_world)
            nees.append(off @ np.linalg.solve(smoothed[i].covariance, off))
    assert_chi_squared(np.array(nees), 6)
    assert np.sqrt(np.mean(np.square(ours))) < 0.9 * np.sqrt(np.mean(np.square(forward)))


def test_nothing_is_said_before_the_first_and_after_the_last_measurement() -> None:
    frames = [seen(i, ANYWHERE if i in (3, 4, 7) else None) for i in range(10)]
    found = smooth(frames, MODEL, NO_GATE)
    assert [one is not None for one in found] == [3 <= i <= 7 for i in range(10)]
    assert smooth([], MODEL, NO_GATE) == []
    assert smooth([seen(0, None)], MODEL, NO_GATE) == [None]
    (alone,) = smooth([seen(0, ANYWHERE)], MODEL, NO_GATE)
    assert alone is not None
    np.testing.assert_allclose(alone.covariance, R)


def test_a_camera_that_was_carried_elsewhere_did_not_fly_there() -> None:
    away = SE3.exp([3.0, 0, 0, 0, 2.0, 0]) @ ANYWHERE
    frames = [seen(i, pose) for i, pose in enumerate([ANYWHERE] * 5 + [None] * 6 + [away] * 5)]
    found = smooth(frames, MODEL, 60.0)
    assert [one is not None for one in found] == [True] * 5 + [False] * 6 + [True] * 5
    for one in found[:5]:
        assert one is not None
        assert np.abs(error(ANYWHERE, one.camera_from_world)).max() < 1e-6
    for one in found[11:]:
        assert one is not None
        assert np.abs(error(away, one.camera_from_world)).max() < 1e-6
    bridged = smooth(frames, MODEL, NO_GATE)
    assert all(one is not None for one in bridged)


def test_what_no_filter_averages_out_stays_in_the_covariance() -> None:
    model = np.diag([1e-4, 2e-4, 3e-4, 4e-6, 5e-6, 6e-6])
    frames = [seen(i, ANYWHERE, model=model) for i in range(9)]
    plain = known(smooth([seen(i, ANYWHERE) for i in range(9)], MODEL, NO_GATE))
    for with_model, without in zip(known(smooth(frames, MODEL, NO_GATE)), plain, strict=True):
        np.testing.assert_allclose(with_model.covariance, without.covariance + model, atol=ALGEBRA)


def test_the_spread_is_that_of_the_motion_in_depths_and_radians() -> None:
    frames = [seen(i, ANYWHERE, np.diag([1e-4] * 3 + [1e-8] * 3)) for i in range(1)]
    (found,) = known(smooth(frames, MODEL, NO_GATE))
    assert found.spread == pytest.approx(1e-2 / DEPTH)
