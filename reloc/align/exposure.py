"""Exposure: image ≈ gain · rendering + bias, its starting value and its prior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.problem import POSE_SIZE, NormalEquations, Unknowns

Array = NDArray[np.float64]

# Outside these the image shows no more than noise, or the points hardly any contrast.
_GAIN_RANGE = (0.05, 20.0)
_LEAST_DEVIATION = 1e-6


def neutral_exposure(channels: int) -> Array:
    """Return gain 1 and bias 0 for each channel, as (2 C,)."""
    result = np.zeros(2 * channels)
    result[0::2] = 1.0
    return result


def matched_exposure(image_values: Array, reference_values: Array) -> Array:
    """Return (2 C,) the gains and biases that give the reference values (N, C) the mean and deviation of the image's (N, C).

    Mean and deviation hardly depend on the pose, so this is a sound start even where the two do not yet lie on one another.
    NaN rows are passed over.
    """
    return np.asarray(_matched(image_values, reference_values, *_GAIN_RANGE))


@njit(cache=True, nogil=True, error_model="numpy")
def _matched(image_values, reference_values, least_gain, most_gain):  # type: ignore[no-untyped-def]
    points, channels = reference_values.shape
    result = np.empty(2 * channels)
    for channel in range(channels):
        count, image, reference, image_square, reference_square = 0, 0.0, 0.0, 0.0, 0.0
        for i in range(points):
            if np.isnan(image_values[i]).any():
                continue
            a, b = image_values[i, channel], reference_values[i, channel]
            count += 1
            image, reference = image + a, reference + b
            image_square, reference_square = image_square + a * a, reference_square + b * b
        gain, bias = 1.0, 0.0
        if count >= 2:
            image, reference = image / count, reference / count
            deviation = np.sqrt(max(image_square / count - image * image, 0.0))
            of_reference = np.sqrt(max(reference_square / count - reference * reference, 0.0))
            gain = min(max(deviation / max(of_reference, _LEAST_DEVIATION), least_gain), most_gain)
            bias = image - gain * reference
        result[2 * channel], result[2 * channel + 1] = gain, bias
    return result


@dataclass(frozen=True, eq=False)
class ExposurePrior:
    """Keeps gain and bias near a value: unbound, the gain runs to zero, where any pose explains the image equally badly."""

    mean: Array
    """(2 C,)."""
    precision: Array
    """(2 C,) inverse variances in the unit of the other terms' cost."""

    @classmethod
    def around(cls, mean: Array, gain_sigma: float, bias_sigma: float, residual_sigma: float) -> ExposurePrior:
        """Return a prior as strong as measurements of noise `residual_sigma` would make it."""
        gain, bias = (residual_sigma / gain_sigma) ** 2, (residual_sigma / bias_sigma) ** 2
        return cls(mean, np.array([gain, bias] * (len(mean) // 2)))

    @cached_property
    def _hessian(self) -> Array:
        """(6 + 2 C, 6 + 2 C), the precision on the diagonal of the exposure's part."""
        return np.diag(np.concatenate([np.zeros(POSE_SIZE), self.precision]))

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return the quadratic cost of the exposure's distance from the mean."""
        return NormalEquations(self._hessian, *_pull(unknowns.exposure, self.mean, self.precision))


@njit(cache=True, nogil=True)
def _pull(exposure, mean, precision):  # type: ignore[no-untyped-def]
    """Return the gradient (6 + 2 C,) and the cost of an exposure."""
    gradient, cost = np.zeros(POSE_SIZE + len(mean)), 0.0
    for i in range(len(mean)):
        distance = exposure[i] - mean[i]
        gradient[POSE_SIZE + i] = precision[i] * distance
        cost += 0.5 * precision[i] * distance**2
    return gradient, cost
