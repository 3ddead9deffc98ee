"""How the camera moves between frames: an error-state Kalman filter on SE(3) whose velocity is remembered for a while.

The nominal state is the pose camera_from_world and a twist ξ (6,) a second, with camera_from_world(t + Δt) = exp(ξ Δt) @
camera_from_world(t) while ξ lasts. Nobody walks straight on for ever: ξ is an Ornstein-Uhlenbeck process, dξ = −ξ/τ dt + white
noise, which forgets itself with the time constant τ and keeps the size σ that cameras of its kind have. From frame to frame that
is a constant velocity; over a gap it becomes rest at where the camera got to, and the uncertainty stays one that a camera can
reach. (Uhlenbeck and Ornstein, "On the theory of the Brownian motion", 1930. Singer has the same of the acceleration:
"Estimating optimal tracking filter performance for manned maneuvering targets", 1970.)

The filter underneath (filterpy) holds the covariance of the error (δ, δξ), 12 numbers, and is reset to a mean of zero after every
update (Solà, "Quaternion kinematics for the error-state Kalman filter", 2017, section 6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

# The mean of the error state, which is put into the pose whenever something is known of it.
_NO_ERROR = np.zeros(12)
_POSE_OF_STATE = np.eye(6, 12)
# Where the diagonals of the blocks of a covariance lie.
_POSE, _TWIST = np.arange(6), np.arange(6, 12)
# Below this many time constants the closed form of the variance loses digits to cancellation, and the next term of its series,
# −gone⁶/12, is 1e-7 of it.
_SERIES_BELOW = 0.01


@dataclass(frozen=True)
class MotionConfig:
    """What is assumed of the camera's motion."""

    model: Literal["kalman", "none"] = "kalman"
    """`kalman` predicts with the velocity so far; `none` starts every frame at the last pose, the classical way."""
    speed_share: Annotated[float, Gt(0)] = 0.15
    """Standard deviation of the velocity along each axis, in median depths of the scene a second: about 0.3 m/s in a room."""
    turn_rate: Annotated[float, Gt(0)] = 0.4
    """Standard deviation of the turn rate about each axis in rad/s: 23° a second."""
    memory_s: Annotated[float, Gt(0)] = 0.5
    """Time constant in seconds with which velocity and turn rate forget what they were: tenths of a second in a hand, seconds on
    a robot. From 0.3 to 2 it makes no difference to a hand-held video (docs/motion.md)."""


@dataclass(frozen=True, eq=False)
class MotionState:
    """What is believed about the camera at a time. Replaced, never edited."""

    timestamp_ns: int
    camera_from_world: SE3
    twist: Array
    """(6,) a second."""
    covariance: Array
    """(12, 12) of the errors of pose and twist."""

    @property
    def pose_covariance(self) -> Array:
        """(6, 6) of the left perturbation of `camera_from_world`."""
        return self.covariance[:6, :6]


class MotionModel:
    """Predicts and corrects motion states; holds no state itself."""

    def __init__(self, config: MotionConfig) -> None:
        self._config = config

    def start(self, timestamp_ns: int, camera_from_world: SE3, pose_covariance: Array, depth: float) -> MotionState:
        """Return a state at a measured pose, at rest for all that is known; `depth` is the scene's median depth in metres."""
        covariance = np.zeros((12, 12))
        covariance[:6, :6] = pose_covariance
        covariance[6:, 6:] = np.diag(self._speeds(depth) ** 2)
        return MotionState(timestamp_ns, camera_from_world, np.zeros(6), covariance)

    def predict(self, state: MotionState, timestamp_ns: int, depth: float) -> MotionState:
        """Return the state expected at a later time."""
        from filterpy.kalman import predict  # takes a second to import, with all it brings

        step = self._step(state, timestamp_ns)
        _, covariance = predict(_NO_ERROR, state.covariance, F=step.transition, Q=self.noise(step.seconds, depth))
        pose = (step.moved @ state.camera_from_world).normalized()
        return MotionState(timestamp_ns, pose, step.kept * state.twist, covariance)

    def transition(self, state: MotionState, timestamp_ns: int) -> Array:
        """Return (12, 12) what an error of a state becomes when the state is predicted."""
        return self._step(state, timestamp_ns).transition

    def _step(self, state: MotionState, timestamp_ns: int) -> _Step:
        seconds = (timestamp_ns - state.timestamp_ns) / NANOSECONDS_PER_SECOND
        kept = math.exp(-abs(seconds) / self._config.memory_s)
        moving_s = math.copysign(self._config.memory_s * (1.0 - kept), seconds)
        moved = SE3.exp(state.twist * moving_s)
        transition = np.zeros((12, 12))
        transition[:6, :6] = moved.adjoint()
        transition[_POSE, _TWIST] = moving_s
        transition[_TWIST, _TWIST] = kept
        return _Step(abs(seconds), kept, moved, transition)

    def noise(self, seconds: float, depth: float) -> Array:
        """Return (12, 12) what an Ornstein-Uhlenbeck velocity adds, within a time, to the covariance of a pose and a twist."""
        return _noise(seconds, self._config.memory_s, self._config.speed_share * depth, self._config.turn_rate)

    def nis(self, predicted: MotionState, measured: SE3, measurement_covariance: Array) -> float:
        """Return the normalised innovation squared, chi-squared with 6 degrees of freedom while the model holds."""
        innovation = _innovation(predicted, measured)
        return float(innovation @ np.linalg.solve(predicted.pose_covariance + measurement_covariance, innovation))

    def update(self, predicted: MotionState, measured: SE3, measurement_covariance: Array) -> MotionState:
        """Return the state after a measured pose camera_from_world with its covariance (6, 6)."""
        from filterpy.kalman import update  # late, as above

        innovation = _innovation(predicted, measured)
        error, covariance = update(_NO_ERROR, predicted.covariance, innovation, measurement_covariance, H=_POSE_OF_STATE)
        pose = (SE3.exp(error[:6]) @ predicted.camera_from_world).normalized()
        return MotionState(predicted.timestamp_ns, pose, predicted.twist + error[6:], (covariance + covariance.T) / 2)

    def unseen_covariance(self, seconds: float, depth: float) -> Array:
        """Return (6, 6) of where a camera, of whose speed nothing is known, may have gone in a time for which it was not seen."""
        somewhere = self.start(0, SE3.identity(), np.zeros((6, 6)), depth)
        return self.predict(somewhere, round(seconds * NANOSECONDS_PER_SECOND), depth).pose_covariance

    def _speeds(self, depth: float) -> Array:
        """Return (6,) the standard deviations of the twist."""
        return np.repeat([self._config.speed_share * depth, self._config.turn_rate], 3)


@dataclass(frozen=True, eq=False)
class _Step:
    """What happens from one time to another."""

    seconds: float
    kept: float
    """What share 0..1 of the velocity is left."""
    moved: SE3
    """The expected motion."""
    transition: Array
    """(12, 12) what an error becomes."""


@lru_cache(maxsize=64)
def _noise(seconds: float, memory_s: float, speed: float, turn_rate: float) -> Array:
    """Return what `MotionModel.noise` does, not to be written to: intervals are the same for long, and depths for a keyframe."""
    variances = np.repeat([speed, turn_rate], 3) ** 2
    gone = seconds / memory_s
    forgotten = -math.expm1(-gone)
    noise = np.zeros((12, 12))
    noise[_POSE, _POSE] = variances * memory_s**2 * _way_variance(gone, forgotten)
    noise[_POSE, _TWIST] = noise[_TWIST, _POSE] = variances * memory_s * forgotten**2
    noise[_TWIST, _TWIST] = variances * forgotten * (2.0 - forgotten)
    noise.setflags(write=False)
    return noise


def _way_variance(gone: float, forgotten: float) -> float:
    """Return the variance, in units of (σ τ)², of the way of an Ornstein-Uhlenbeck velocity that is known at first.

    Args:
        gone: Time t / τ.
        forgotten: 1 − exp(−t / τ).
    """
    if gone < _SERIES_BELOW:
        return gone**3 * (2.0 / 3.0 - gone / 2.0 + 7.0 * gone**2 / 30.0)
    return 2.0 * (gone - forgotten) - forgotten**2


def _innovation(predicted: MotionState, measured: SE3) -> Array:
    """Return the left perturbation (6,) that takes the predicted pose to the measured one."""
    return (measured @ predicted.camera_from_world.inverse()).log()
