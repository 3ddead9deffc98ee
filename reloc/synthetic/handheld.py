"""The way of a camera that a person carries through the made-up room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reloc.geometry.se3 import SE3
from reloc.synthetic.scene import ROOM_M

Array = NDArray[np.float64]

# Where the camera is and what it looks at: middle, reach to either side (metres) and period (seconds) along x, y and z. The
# periods have no common multiple within minutes. The camera stays in the open half of the room and looks at the furnished one.
_POSITION = np.array([[0.38 * ROOM_M[0], 0.75, 11.0], [0.50 * ROOM_M[1], 0.80, 8.3], [1.45, 0.15, 6.1]])
_TARGET = np.array([[0.88 * ROOM_M[0], 0.30, 9.7], [0.50 * ROOM_M[1], 1.30, 7.7], [1.05, 0.30, 5.3]])

# What a hand trembles: deviations of the sum of sines, and the range of their frequencies.
_SHAKE_M, _SHAKE_RAD, _SHAKE_HZ = 0.0015, 0.003, (0.8, 5.0)
_SHAKE_SINES = 5


class HandHeld:
    """A smooth, endless path with a little shake, made by chance from a seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self._phases = rng.uniform(0, 2 * np.pi, (2, 3))
        self._shake_hz = rng.uniform(*_SHAKE_HZ, (6, _SHAKE_SINES))
        self._shake_phases = rng.uniform(0, 2 * np.pi, (6, _SHAKE_SINES))

    def world_from_camera(self, time_s: float) -> SE3:
        """Return the pose at a time in seconds."""
        position = _swing(_POSITION, self._phases[0], time_s)
        target = _swing(_TARGET, self._phases[1], time_s)
        return look_at(position, target) @ SE3.exp(self._shake(time_s))

    def _shake(self, time_s: float) -> Array:
        sines = np.sin(2 * np.pi * self._shake_hz * time_s + self._shake_phases).sum(axis=1) * np.sqrt(2 / _SHAKE_SINES)
        return np.asarray(sines * np.repeat([_SHAKE_M, _SHAKE_RAD], 3))


def look_at(position: Array, target: Array) -> SE3:
    """Return world_from_camera of a camera at `position` that looks at `target`, upright where z is up."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return SE3(np.stack([right, np.cross(forward, right), forward], axis=1), position)


def _swing(table: Array, phases: Array, time_s: float) -> Array:
    middle, reach, period = table.T
    return np.asarray(middle + reach * np.sin(2 * np.pi * time_s / period + phases))
