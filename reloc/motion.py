"""How the camera moves between frames: a constant-velocity error-state Kalman filter on SE(3).

The nominal state is the pose camera_from_world and a twist ξ (6,) a second, with camera_from_world(t + Δt) = exp(ξ Δt) @
camera_from_world(t). The filter underneath (filterpy) holds the covariance of the error (δ, δξ), 12 numbers, and is reset to a
mean of zero after every update (Solà, "Quaternion kinematics for the error-state Kalman filter", 2017, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray

from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

# The mean of the error state, which is put into the pose whenever something is known of it.
_NO_ERROR = np.zeros(12)
# Frames that are farther apart than this are those before and after a camera was gone.
_LONG_GAP_S = 1.0


@dataclass(frozen=True)
class MotionConfig:
    """What is assumed of the camera's motion."""

    model: Literal["kalman", "none"] = "kalman"
    """`kalman` predicts with constant velocity; `none` starts every frame at the last pose, the classical way."""
    acceleration_share: Annotated[float, Gt(0)] = 0.3
    """Strength of the white acceleration, in median depths of the scene a second squared: about 0.6 m/s² in a room."""
    angular_acceleration: Annotated[float, Gt(0)] = 1.2
    """Strength of the white angular acceleration in rad/s²."""
    first_speed_share: Annotated[float, Gt(0)] = 0.3
    """Standard deviation of the speed before it has been observed, in median depths a second."""
    first_angular_speed: Annotated[float, Gt(0)] = 0.7
    """Standard deviation of the turn rate before it has been observed, in rad/s."""
    twist_memory_s: Annotated[float, Gt(0)] = 0.5
    """While no frame can be aligned, the velocity fades to zero with this time constant: nobody walks straight on for ever."""


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
        """Return a state at rest at a measured pose."""
        covariance = np.zeros((12, 12))
        covariance[:6, :6] = pose_covariance
        speeds = np.repeat([self._config.first_speed_share * depth, self._config.first_angular_speed], 3)
        covariance[6:, 6:] = np.diag(speeds**2)
        return MotionState(timestamp_ns, camera_from_world, np.zeros(6), covariance)

    def predict(self, state: MotionState, timestamp_ns: int, depth: float) -> MotionState:
        """Return the state expected at a later time; `depth` is the median depth of the scene in metres."""
        from filterpy.kalman import predict  # takes a second to import, with all it brings

        seconds = (timestamp_ns - state.timestamp_ns) / NANOSECONDS_PER_SECOND
        moving_s, fading = self._while_unseen(seconds)
        moved = SE3.exp(state.twist * moving_s)
        noise = self.noise(abs(seconds), depth)
        _, covariance = predict(_NO_ERROR, state.covariance, F=self.transition(state, timestamp_ns), Q=noise)
        return MotionState(timestamp_ns, (moved @ state.camera_from_world).normalized(), fading * state.twist, covariance)

    def transition(self, state: MotionState, timestamp_ns: int) -> Array:
        """Return (12, 12) what an error of a state becomes when the state is predicted."""
        seconds = (timestamp_ns - state.timestamp_ns) / NANOSECONDS_PER_SECOND
        moving_s, _ = self._while_unseen(seconds)
        result = np.eye(12)
        result[:6, :6] = SE3.exp(state.twist * moving_s).adjoint()
        result[:6, 6:] = seconds * np.eye(6)
        return result

    def _while_unseen(self, seconds: float) -> tuple[float, float]:
        """Return for how many seconds the velocity counts over a gap between frames, and what share is left of it.

        After a long gap, the mean of a velocity that fades at random (an Ornstein-Uhlenbeck process).
        """
        if abs(seconds) <= _LONG_GAP_S:
            return seconds, 1.0
        fading = float(np.exp(-abs(seconds) / self._config.twist_memory_s))
        return float(np.copysign(self._config.twist_memory_s * (1.0 - fading), seconds)), fading

    def nis(self, predicted: MotionState, measured: SE3, measurement_covariance: Array) -> float:
        """Return the normalised innovation squared, chi-squared with 6 degrees of freedom while the model holds."""
        innovation = _innovation(predicted, measured)
        return float(innovation @ np.linalg.solve(predicted.pose_covariance + measurement_covariance, innovation))

    def update(self, predicted: MotionState, measured: SE3, measurement_covariance: Array) -> MotionState:
        """Return the state after a measured pose camera_from_world with its covariance (6, 6)."""
        from filterpy.kalman import update  # late, as above

        innovation = _innovation(predicted, measured)
        error, covariance = update(_NO_ERROR, predicted.covariance, innovation, measurement_covariance, H=np.eye(6, 12))
        pose = (SE3.exp(error[:6]) @ predicted.camera_from_world).normalized()
        return MotionState(predicted.timestamp_ns, pose, predicted.twist + error[6:], (covariance + covariance.T) / 2)

    def coast(self, predicted: MotionState, last: MotionState) -> MotionState:
        """Return the prediction with its velocity fading, for a frame that could not be aligned."""
        fading = self.fading(predicted.timestamp_ns - last.timestamp_ns)
        return MotionState(predicted.timestamp_ns, predicted.camera_from_world, fading * predicted.twist, predicted.covariance)

    def fading(self, duration_ns: int) -> float:
        """Return what share of the velocity is left after a time without a frame that could be aligned."""
        return float(np.exp(-abs(duration_ns) / NANOSECONDS_PER_SECOND / self._config.twist_memory_s))

    def unseen_covariance(self, seconds: float, depth: float) -> Array:
        """Return (6, 6) of what a camera, of whose speed nothing is known, may have done in a time for which it was not seen."""
        config = self._config
        speeds = np.repeat([config.first_speed_share * depth, config.first_angular_speed], 3)
        return np.asarray(np.diag((speeds * seconds) ** 2) + self.noise(seconds, depth)[:6, :6])

    def noise(self, seconds: float, depth: float) -> Array:
        """Return (12, 12) the process noise of a white acceleration of the configured size over a second."""
        config = self._config
        density = np.repeat([config.acceleration_share * depth, config.angular_acceleration], 3) ** 2
        noise = np.zeros((12, 12))
        noise[:6, :6] = np.diag(density * seconds**3 / 3)
        noise[:6, 6:] = noise[6:, :6] = np.diag(density * seconds**2 / 2)
        noise[6:, 6:] = np.diag(density * seconds)
        return noise


def _innovation(predicted: MotionState, measured: SE3) -> Array:
    """Return the left perturbation (6,) that takes the predicted pose to the measured one."""
    return (measured @ predicted.camera_from_world.inverse()).log()
