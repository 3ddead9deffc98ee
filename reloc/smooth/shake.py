"""How a camera shakes: what of its motion lasts from frame to frame, and what does not.

The measured path is a lasting motion, a shake and the noise of the images. A hand that walks shakes little, one that jerks, or a
camera whose frames are not taken when it says, moves by much that tells nothing of where it will be next. If that is taken for
velocity, a gap is filled with an arc that leaves and enters it in the direction of a jerk. How large the shake is, and how lively
the lasting motion, the recording says itself: as large as makes what was measured most likely, given what was measured before
(Schweppe, "Evaluation of likelihood functions for Gaussian signals", 1965).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reloc.motion import MotionModel, MotionState
from reloc.smooth.seen import Seen

# Shakes that are tried: the likelihood is flat, so that a factor of two more or less makes little difference.
_FACTOR, _MOST_STEPS = 4.0, 6
# Of so many frames, spread in stretches over the recording, the shake is known to a few percent.
_MOST_FRAMES, _STRETCHES = 240, 4
# Fewer say too little: the motion is then taken as it is expected to be.
_FEWEST_FRAMES = 30


@dataclass(frozen=True)
class Shake:
    """Sizes of what moves a measured path, as variances; the default is that of a camera that does not shake."""

    path: float = 1.0
    """Share of the noise covariances with which the lasting motion is smoothed: that of the images and the shake together."""
    scale: float = 1.0
    """By how much all covariances of the smoothed motion are to be scaled then."""

    @property
    def size(self) -> float:
        """Share of the noise covariances that is shake: where nothing was measured, a pose is uncertain by as much."""
        return max(0.0, self.scale * self.path - 1.0)

    @property
    def followed(self) -> float:
        """How far, from 0 to 1, a pose follows its own measurement away from the lasting motion: by all that is shake."""
        return self.size / (self.size + 1.0)


def shake_of(frames: Sequence[Seen], model: MotionModel, gate: float) -> Shake:
    """Return the most likely shake of some frames; none where too few were measured. `gate` is as in `smooth`."""
    stretches = _stretches(frames)
    best, most = Shake(), -math.inf
    for factor in (_FACTOR, 1 / _FACTOR):  # up, or where that leads nowhere, down
        path = best.path if most == -math.inf else best.path * factor
        for _ in range(_MOST_STEPS):
            shake, likelihood = _fitted(stretches, model, gate, path)
            if likelihood <= most:
                break
            best, most, path = shake, likelihood, path * factor
    return best


def _fitted(stretches: Sequence[Sequence[Seen]], model: MotionModel, gate: float, path: float) -> tuple[Shake, float]:
    """Return the most likely sizes of shake and motion of a given ratio, and their likelihood (twice its logarithm, for a frame).

    Those sizes are most likely that make the differences between prediction and measurement as large as they are expected to be.
    """
    squares, volumes, count = map(sum, zip(*(_innovations(one, model, gate, path) for one in stretches), strict=True))
    if count < _FEWEST_FRAMES:
        return Shake(), -math.inf
    scale = squares / (6 * count)
    return Shake(path, scale), -volumes / count - 6 * math.log(scale)


def _stretches(frames: Sequence[Seen]) -> list[Sequence[Seen]]:
    if len(frames) <= _MOST_FRAMES:
        return [frames]
    length = _MOST_FRAMES // _STRETCHES
    begins = np.linspace(0, len(frames) - length, _STRETCHES).astype(int)
    return [frames[begin : begin + length] for begin in begins]


def _innovations(frames: Sequence[Seen], model: MotionModel, gate: float, path: float) -> tuple[float, float, int]:
    """Return of the differences between prediction and measurement: their squares, the logarithms of their volumes, their count.

    The squares are those normalised by the covariances, and both are summed up; `path` is the share of the noise.
    """
    squares, volume, count = 0.0, 0.0, 0
    state: MotionState | None = None
    missed = False
    for frame in frames:
        seen = frame.measurement
        if seen is None:
            missed = True
            continue
        noise = path * seen.noise_covariance
        predicted = None if state is None else model.predict(state, frame.timestamp_ns, seen.depth)
        square = math.inf if predicted is None else model.nis(predicted, seen.camera_from_world, noise)
        if predicted is None or (missed and square > gate):  # the first, or it was carried elsewhere while it was not seen
            state = model.start(frame.timestamp_ns, seen.camera_from_world, noise, seen.depth)
        else:
            squares, count = squares + square, count + 1
            volume += float(np.linalg.slogdet(predicted.pose_covariance + noise)[1])
            state = model.update(predicted, seen.camera_from_world, noise)
        missed = False
    return squares, volume, count
