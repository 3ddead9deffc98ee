"""The smoother: what is known of each pose once all frames have been seen.

The motion of `motion.py` and the measurements are linearised about a whole trajectory; for the errors about it, the smoother of
Rauch, Tung and Striebel ("Maximum likelihood estimates of linear dynamic systems", 1965) is exact. Its errors correct the
trajectory, and so on until they vanish: Gauss and Newton's method for the most probable trajectory (Bell, "The iterated Kalman
smoother as a Gauss-Newton method", 1994). Begun at what the filter says, it needs two rounds without gaps, and a few more where
the filter came out of a gap far from where the camera was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reloc.estimate import Measurement
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.se3 import SE3
from reloc.motion import MotionModel, MotionState
from reloc.smooth.seen import Seen
from reloc.smooth.shake import Shake

Array = NDArray[np.float64]

# Corrections of a tenth of a millimetre and of a hundredth of a degree are none.
_CONVERGED = 1e-4
_MOST_ROUNDS = 12
_NO_SHAKE = Shake()


@dataclass(frozen=True, eq=False)
class Smoothed:
    """What is known of a frame's pose from all frames."""

    camera_from_world: SE3
    covariance: Array
    """(6, 6) for the left perturbation of `camera_from_world`."""
    spread: float
    """The largest standard deviation of an axis that motion and shake leave open, in median depths or radians."""


@dataclass(frozen=True, eq=False)
class _Linear:
    """The errors about a trajectory of N frames."""

    errors: Array
    """(N, 12) expected values, of pose and twist."""
    covariances: Array
    """(N, 12, 12)"""


def smooth(frames: Sequence[Seen], model: MotionModel, gate: float, shake: Shake = _NO_SHAKE) -> list[Smoothed | None]:
    """Return what is known of each frame between the first and the last that were aligned; None for the others.

    Where a camera was found again so far from where it could have got to that the normalised innovation squared is above
    `gate`, it was carried there: nothing is inferred across, and the gap stays one. What is smoothed is the lasting motion; as
    far as a measurement is off it by `shake`, the camera really was there.
    """
    result: list[Smoothed | None] = [None] * len(frames)
    shaken = [_with_noise(frame, shake.path) for frame in frames]
    for begin, states in _pieces(shaken, model, gate):
        end = begin + len(states)
        result[begin:end] = _poses(frames[begin:end], _smoothed(shaken[begin:end], states, model), shake)
    return result


def _with_noise(frame: Seen, share: float) -> Seen:
    """Return a frame whose measurement has another noise."""
    seen = frame.measurement
    return frame if seen is None else replace(frame, measurement=replace(seen, noise_covariance=share * seen.noise_covariance))


def _pieces(frames: Sequence[Seen], model: MotionModel, gate: float) -> Iterator[tuple[int, list[MotionState]]]:
    """Yield where each piece begins, and its states as the filter says; a piece begins and ends with a measurement."""
    begin, states, measured = 0, list[MotionState](), 0
    for i, frame in enumerate(frames):
        seen = frame.measurement
        if seen is None and not states:
            continue
        if seen is not None and states and not _continues(states[-1], frame, seen, model, gate, missed=measured < len(states)):
            yield begin, states[:measured]
            states = []
        if seen is None:
            states.append(model.predict(states[-1], frame.timestamp_ns, _depth(frames, begin + measured)))
            continue
        if states:
            predicted = model.predict(states[-1], frame.timestamp_ns, seen.depth)
            states.append(model.update(predicted, seen.camera_from_world, seen.noise_covariance))
        else:
            begin, states = i, [model.start(frame.timestamp_ns, seen.camera_from_world, seen.noise_covariance, seen.depth)]
        measured = len(states)
    if states:
        yield begin, states[:measured]


def _continues(last: MotionState, frame: Seen, seen: Measurement, model: MotionModel, gate: float, *, missed: bool) -> bool:
    """Return whether a camera that was not seen for a while can have got to where it is found again."""
    if not missed:
        return True
    predicted = model.predict(last, frame.timestamp_ns, seen.depth)
    return model.nis(predicted, seen.camera_from_world, seen.noise_covariance) <= gate


def _depth(frames: Sequence[Seen], after: int) -> float:
    """Return the median depth at the last measurement before a frame."""
    latest = frames[after - 1].measurement
    assert latest is not None
    return latest.depth


def _smoothed(frames: Sequence[Seen], states: list[MotionState], model: MotionModel) -> list[MotionState]:
    """Return the most probable states of a piece, with their covariances."""
    for _ in range(_MOST_ROUNDS):
        linear = _linear_smoother(frames, states, model)
        states = [_corrected(*one) for one in zip(states, linear.errors, linear.covariances, strict=True)]
        if np.abs(linear.errors[:, :6]).max() < _CONVERGED:
            break
    return states


def _corrected(state: MotionState, error: Array, covariance: Array) -> MotionState:
    pose = (SE3.exp(error[:6]) @ state.camera_from_world).normalized()
    return MotionState(state.timestamp_ns, pose, state.twist + error[6:], (covariance + covariance.T) / 2)


def _linear_smoother(frames: Sequence[Seen], about: Sequence[MotionState], model: MotionModel) -> _Linear:
    """Return the errors of the states `about` (N,): forwards the filter of Kalman, backwards that of Rauch, Tung and Striebel."""
    count = len(frames)
    errors, covariances = np.zeros((count, 12)), np.zeros((count, 12, 12))
    expected, spreads, transitions = np.zeros((count, 12)), np.zeros((count, 12, 12)), np.zeros((count, 12, 12))
    first = frames[0].measurement
    assert first is not None
    start = model.start(about[0].timestamp_ns, first.camera_from_world, first.noise_covariance, first.depth)
    errors[0], covariances[0] = _difference(start, about[0]), start.covariance
    depth = first.depth
    for i in range(1, count):
        seen = frames[i].measurement
        depth = depth if seen is None else seen.depth
        moved = model.predict(about[i - 1], frames[i].timestamp_ns, depth)
        transitions[i] = model.transition(about[i - 1], frames[i].timestamp_ns)
        seconds = abs(about[i].timestamp_ns - about[i - 1].timestamp_ns) / NANOSECONDS_PER_SECOND
        expected[i] = transitions[i] @ errors[i - 1] + _difference(moved, about[i])
        spreads[i] = transitions[i] @ covariances[i - 1] @ transitions[i].T + model.noise(seconds, depth)
        errors[i], covariances[i] = _updated(expected[i], spreads[i], about[i], seen)
    for i in range(count - 2, -1, -1):
        gain = np.linalg.solve(spreads[i + 1], transitions[i + 1] @ covariances[i]).T
        errors[i] += gain @ (errors[i + 1] - expected[i + 1])
        covariances[i] += gain @ (covariances[i + 1] - spreads[i + 1]) @ gain.T
    return _Linear(errors, covariances)


def _difference(state: MotionState, about: MotionState) -> Array:
    """Return the error (12,) of a state about another one."""
    pose = (state.camera_from_world @ about.camera_from_world.inverse()).log()
    return np.concatenate([pose, state.twist - about.twist])


def _updated(expected: Array, spread: Array, about: MotionState, seen: Measurement | None) -> tuple[Array, Array]:
    """Return mean and covariance of an error after a measurement of the pose, if there is one."""
    if seen is None:
        return expected, spread
    innovation = (seen.camera_from_world @ about.camera_from_world.inverse()).log() - expected[:6]
    gain = np.linalg.solve(spread[:6, :6] + seen.noise_covariance, spread[:6]).T
    kept = np.eye(12)
    kept[:, :6] -= gain
    # Joseph's form stays symmetric and positive where measurements are a thousand times better than the prediction.
    return expected + gain @ innovation, kept @ spread @ kept.T + gain @ seen.noise_covariance @ gain.T


def _poses(frames: Sequence[Seen], states: Sequence[MotionState], shake: Shake) -> list[Smoothed]:
    """Return the poses of a piece: those of the lasting motion, shaken as measured.

    To their covariances comes the part of the measurements' errors that no smoother averages out: that of the latest one.
    """
    result: list[Smoothed] = []
    latest = frames[0].measurement
    for frame, state in zip(frames, states, strict=True):
        latest = frame.measurement or latest
        assert latest is not None
        pose, covariance = _shaken(frame, state, shake, latest.noise_covariance)
        variances = np.diag(covariance)
        spread = float(np.sqrt(max(variances[:3].max() / latest.depth**2, variances[3:].max())))
        result.append(Smoothed(pose, covariance + latest.model_covariance, spread))
    return result


def _shaken(frame: Seen, state: MotionState, shake: Shake, noise: Array) -> tuple[SE3, Array]:
    """Return pose and covariance (6, 6) of a frame, given the lasting motion: its measurement says how it was shaken.

    With x the motion, y = x + s + n its measurement, shake s of variance S and noise n of variance N: E[s | x, y] = f (y − x) and
    Var[s | x, y] = f N for f = S / (S + N).
    """
    covariance = shake.scale * state.pose_covariance
    if frame.measurement is None:
        return state.camera_from_world, covariance + shake.size * noise
    followed = shake.followed
    off = (frame.measurement.camera_from_world @ state.camera_from_world.inverse()).log()
    pose = (SE3.exp(followed * off) @ state.camera_from_world).normalized()
    return pose, (1 - followed) ** 2 * covariance + followed * noise
