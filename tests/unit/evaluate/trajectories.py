"""Made trajectories with errors that the tests know."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from reloc.geometry.trajectory import Trajectory

FRAME_NS = 33_333_333


def quaternions_of(rotations: Rotation) -> np.ndarray:
    return np.roll(rotations.as_quat(), 1, axis=-1)


def rotations_of(trajectory: Trajectory) -> Rotation:
    return Rotation.from_quat(np.roll(trajectory.quaternions, -1, axis=-1))


def walk(count: int, *, seed: int = 0, start_ns: int = 1_700_000_000_000_000_000) -> Trajectory:
    """Return a smooth random walk at 30 Hz, about half a metre and 30° a second, that now and then stands still."""
    rng = np.random.default_rng(seed)
    moving = np.repeat(rng.random(count // 10 + 1) > 0.2, 10)[:count, None]
    steps = rng.normal(size=(count, 3)) * 0.01 * moving
    turns = Rotation.from_rotvec(np.cumsum(rng.normal(size=(count, 3)) * 0.01 * moving, axis=0))
    return Trajectory(start_ns + np.arange(count) * FRAME_NS, np.cumsum(steps, axis=0), quaternions_of(turns))


def disturbed(trajectory: Trajectory, *, seed: int = 1, metres: float = 0.01, radians: float = 0.01) -> Trajectory:
    """Return the trajectory with noise on every pose."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(size=(len(trajectory), 3)) * metres
    turn = Rotation.from_rotvec(rng.normal(size=(len(trajectory), 3)) * radians)
    return Trajectory(trajectory.timestamps_ns, trajectory.translations + shift, quaternions_of(turn * rotations_of(trajectory)))
