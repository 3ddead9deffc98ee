from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reloc.geometry.se3 import SE3
from reloc.motion import MotionModel, MotionState
from reloc.smooth import shake as module
from reloc.smooth.rts import smooth
from reloc.smooth.seen import Seen
from reloc.smooth.shake import Shake, shake_of
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA
from tests.unit.smooth.test_rts import MODEL, NO_GATE, PERIOD_NS, R, error, known, seen
from tests.unit.test_motion import DEPTH, SECOND, assert_chi_squared


def moved(rng: np.random.Generator, count: int, *, lively: float = 1.0, shake: float = 0.0) -> tuple[list[SE3], list[Seen]]:
    """Return true poses and what is measured of them, of a camera that moves as the model says, and shakes.

    `lively` is the variance of the motion's noise in terms of the model's, `shake` that of the shake in terms of R.
    """
    noise = lively * MODEL.noise(PERIOD_NS / SECOND, DEPTH)
    state = MotionState(0, ANYWHERE, np.zeros(6), np.zeros((12, 12)))
    truth, frames = [], []
    for i in range(count):
        predicted = MODEL.predict(state, i * PERIOD_NS, DEPTH)
        drawn = rng.multivariate_normal(np.zeros(12), noise)
        pose = (SE3.exp(drawn[:6]) @ predicted.camera_from_world).normalized()
        state = MotionState(i * PERIOD_NS, pose, predicted.twist + drawn[6:], np.zeros((12, 12)))
        truth.append(SE3.exp(rng.multivariate_normal(np.zeros(6), shake * R)) @ pose)
        frames.append(seen(i, SE3.exp(rng.multivariate_normal(np.zeros(6), R)) @ truth[-1]))
    return truth, frames


def without(frames: list[Seen], gap: range) -> list[Seen]:
    return [replace(frame, measurement=None) if i in gap else frame for i, frame in enumerate(frames)]


@pytest.mark.parametrize(("lively", "shake"), [(1.0, 0.0), (1.0, 15.0), (0.02, 0.0), (0.1, 6.0), (30.0, 0.0)])
def test_shake_and_motion_are_found_from_what_was_measured(lively: float, shake: float) -> None:
    """Both to a factor of about 2, which is half a step of those that are tried."""
    _, frames = moved(np.random.default_rng(3), 200, lively=lively, shake=shake)
    found = shake_of(frames, MODEL, NO_GATE)
    assert 0.4 < found.scale * found.path / (1 + shake) < 2.5
    assert 0.4 < found.scale / lively < 2.5


def test_where_the_shake_is_known_errors_are_as_large_as_is_claimed() -> None:
    """Of poses that were measured, and in the middle of a gap."""
    rng = np.random.default_rng(0)
    nees, gap = [], range(18, 24)
    for _ in range(12):
        truth, frames = moved(rng, 40, shake=3.0)
        found = known(smooth(without(frames, gap), MODEL, NO_GATE, Shake(path=4.0)))
        for i in (9, 21):
            off = error(truth[i], found[i].camera_from_world)
            nees.append(off @ np.linalg.solve(found[i].covariance, off))
    assert_chi_squared(np.array(nees), 6)


def test_a_gap_of_a_camera_that_shakes_is_bridged_better_when_jerks_are_no_velocity() -> None:
    rng = np.random.default_rng(1)
    shaken, plain, gap = [], [], range(30, 50)
    for _ in range(3):
        truth, frames = moved(rng, 80, lively=0.1, shake=30.0)
        cut = without(frames, gap)
        for errors, shake in ((shaken, shake_of(cut, MODEL, NO_GATE)), (plain, Shake())):
            found = known(smooth(cut, MODEL, NO_GATE, shake))
            errors += [np.linalg.norm(error(truth[i], found[i].camera_from_world)[:3]) for i in gap]
    assert np.median(shaken) < 0.7 * np.median(plain)


def test_poses_that_were_measured_keep_their_shake() -> None:
    """A measurement far better than the shake is the pose, whatever the lasting motion."""
    truth, frames = moved(np.random.default_rng(2), 40, shake=99.0)
    found = known(smooth(frames, MODEL, NO_GATE, Shake(path=100.0)))
    noise = [error(frame.measurement.camera_from_world, pose) for frame, pose in zip(frames, truth, strict=True)]
    off = [error(frame.measurement.camera_from_world, one.camera_from_world) for frame, one in zip(frames, found, strict=True)]
    assert np.std(off) < 0.15 * np.std(noise)


def test_without_shake_it_is_the_smoother_alone() -> None:
    assert (Shake().followed, Shake().size) == (0.0, 0.0)
    # What is off by less than the images are said to be is no negative shake.
    assert (Shake(4.0, 0.01).followed, Shake(4.0, 0.01).size) == (0.0, 0.0)
    assert Shake(8.0, 0.5).followed == pytest.approx(0.75, abs=ALGEBRA)


def test_few_frames_say_nothing_of_a_shake_and_long_recordings_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    _, frames = moved(rng, 30, shake=50.0)
    assert shake_of(frames, MODEL, NO_GATE) == Shake()  # 29 differences
    assert shake_of([], MODEL, NO_GATE) == Shake()
    _, frames = moved(rng, 400, shake=15.0)
    looked_at: list[int] = []
    innovations = module._innovations

    def counted(stretch: list[Seen], model: MotionModel, gate: float, path: float) -> tuple[float, float, int]:
        looked_at.append(len(stretch))
        return innovations(stretch, model, gate, path)

    monkeypatch.setattr(module, "_innovations", counted)
    found = shake_of(frames, MODEL, NO_GATE)
    assert found.scale * found.path == pytest.approx(16, rel=0.5)
    assert set(looked_at) == {60}


def test_a_camera_that_was_carried_elsewhere_did_not_shake() -> None:
    _, frames = moved(np.random.default_rng(5), 120)
    away = SE3.exp([3.0, 0, 0, 0, 2.0, 0])
    carried = [
        replace(frame, measurement=replace(frame.measurement, camera_from_world=frame.measurement.camera_from_world @ away))
        for frame in frames[60:]
    ]
    frames = without([*frames[:60], *carried], range(55, 60))
    assert shake_of(frames, MODEL, 60.0).scale < 2.0
    assert shake_of(frames, MODEL, NO_GATE).scale > 10.0
