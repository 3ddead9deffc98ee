"""Exposure: image ≈ gain · rendering + bias, its starting value and its prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.align.problem import POSE_SIZE, NormalEquations, Unknowns

Array = NDArray[np.float64]

# Outside these the image shows no more than noise, or the points hardly any contrast.
_GAIN_RANGE = (0.05, 20.0)


def neutral_exposure(channels: int) -> Array:
    """Return gain 1 and bias 0 for each channel, as (2 C,)."""
    return np.tile([1.0, 0.0], channels)


def matched_exposure(image_values: Array, reference_values: Array) -> Array:
    """Return (2 C,) the gains and biases that give the reference values (N, C) the mean and deviation of the image's (N, C).

    Mean and deviation hardly depend on the pose, so this is a sound start even where the two do not yet lie on one another.
    NaN rows are passed over.
    """
    seen = ~np.isnan(image_values).any(axis=1)
    image, reference = image_values[seen], reference_values[seen]
    if len(image) < 2:
        return neutral_exposure(reference_values.shape[1])
    gain = np.clip(image.std(axis=0) / np.maximum(reference.std(axis=0), 1e-6), *_GAIN_RANGE)
    bias = image.mean(axis=0) - gain * reference.mean(axis=0)
    return np.stack([gain, bias], axis=1).ravel()


@dataclass(frozen=True, eq=False)
class ExposurePrior:
    """Keeps gain and bias near a value: unbound, the gain runs to zero, where any pose explains the image equally badly."""

    mean: Array
    """(2 C,)."""
    hessian: Array
    """(6 + 2 C, 6 + 2 C): the inverse variances on the diagonal of the exposure's part, in the unit of the other terms' cost."""

    @classmethod
    def around(cls, mean: Array, gain_sigma: float, bias_sigma: float, residual_sigma: float) -> ExposurePrior:
        """Return a prior as strong as measurements of noise `residual_sigma` would make it."""
        gain, bias = (residual_sigma / gain_sigma) ** 2, (residual_sigma / bias_sigma) ** 2
        return cls(mean, np.diag([0.0] * POSE_SIZE + [gain, bias] * (len(mean) // 2)))

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return the quadratic cost of the exposure's distance from the mean."""
        gradient = self.hessian[:, POSE_SIZE:] @ (unknowns.exposure - self.mean)
        return NormalEquations(self.hessian, gradient, 0.5 * float(gradient[POSE_SIZE:] @ (unknowns.exposure - self.mean)))
