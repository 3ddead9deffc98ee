"""What light, lens and sensor can do to an image: laws on intensities in 0..1, each a function of the image and the moment.

An effect may return values outside 0..1; whoever stores the image saturates it, as a sensor does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""(H, W) or (H, W, 3), intensities in 0..1."""


@dataclass(frozen=True)
class Moment:
    """When an effect is asked for; the same moment always gives the same result."""

    index: int
    """Index of the frame in its source."""
    time_s: float
    """Seconds since the first frame."""
    seed: int

    def random(self) -> np.random.Generator:
        """Return random numbers of this frame's own, so that leaving out other frames changes nothing."""
        return np.random.default_rng([self.seed, self.index])


Effect = Callable[[Pixels, Moment], Pixels]


def gamma(exponent: float) -> Effect:
    """Intensities to the power of `exponent`: below 1 brightens the dark."""
    return lambda image, moment: image ** np.float32(exponent)


def gain_bias(gain: tuple[float, ...], bias: float = 0.0) -> Effect:
    """Gain times intensity plus bias; one gain for all channels or one a channel. Grey images get the mean of the gains."""

    def effect(image: Pixels, moment: Moment) -> Pixels:
        factors = np.array(gain, dtype=np.float32)
        return image * (factors if image.ndim == 3 else factors.mean()) + np.float32(bias)

    return effect


def gain_sine(amplitude: float, period: float) -> Effect:
    """Gain 1 + amplitude · sin(2π index / period)."""
    return lambda image, moment: image * np.float32(1 + amplitude * np.sin(2 * np.pi * moment.index / period))


def gain_swing(low: float, high: float, ramp: int, hold: int) -> Effect:
    """Gain that swings between `low` and `high`, evenly on a logarithmic scale within `ramp` frames, and holds `hold` frames."""
    stops = np.cumsum([0, ramp / 2, hold, ramp, hold, ramp / 2])
    heights = np.log([np.sqrt(low * high), high, high, low, low, np.sqrt(low * high)])
    return lambda image, moment: image * np.float32(np.exp(np.interp(moment.index % stops[-1], stops, heights)))


def shadow(strength: float, share: float, period: float) -> Effect:
    """A slanting band with hard edges over `share` of the image, darker by `strength`, which crosses it in `period` frames."""

    def effect(image: Pixels, moment: Moment) -> Pixels:
        height, width = image.shape[:2]
        u = (np.arange(width) + 0.5) / width
        v = (np.arange(height) + 0.5) / height
        dark = np.mod(u + 0.25 * v[:, None] - moment.index / period, 1.0) < share
        return image * _per_pixel(np.where(dark, np.float32(1 - strength), np.float32(1)), image)

    return effect


def noise(sigma: float) -> Effect:
    """Independent Gaussian noise on every value."""
    return lambda image, moment: image + np.float32(sigma) * moment.random().standard_normal(image.shape, dtype=np.float32)


def motion_blur(length_px: int) -> Effect:
    """Horizontal box blur: the camera turned evenly during the exposure."""
    return lambda image, moment: np.asarray(cv2.blur(image, (length_px, 1)))


def defocus(sigma_px: float) -> Effect:
    """Gaussian blur."""
    return lambda image, moment: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px))


def darkness(gain: float, sigma: float) -> Effect:
    """The light that is left after the lamps are out, and the noise of the sensor."""
    dim, grain = gain_bias((gain,)), noise(sigma)
    return lambda image, moment: grain(dim(image, moment), moment)


def rolling_bands(depth: float, bands: int, period: float, sigma: float) -> Effect:
    """Bright and dark bands that roll down the image once in `period` frames, and noise of its own in every row."""

    def effect(image: Pixels, moment: Moment) -> Pixels:
        height = image.shape[0]
        rows = (height,) + (1,) * (image.ndim - 1)
        phase = bands * (np.arange(height).reshape(rows) + 0.5) / height - moment.index / period
        gain = 1 + depth * np.sin(2 * np.pi * phase)
        grain = moment.random().standard_normal(rows, dtype=np.float32)
        banded: Pixels = image * gain.astype(np.float32) + np.float32(sigma) * grain
        return banded

    return effect


def noisy_patch(share: float) -> Effect:
    """A wandering rectangle over `share` of the image that shows nothing but noise."""

    def effect(image: Pixels, moment: Moment) -> Pixels:
        rows, columns = patch_at(moment.index, share, image.shape)
        result = image.copy()
        hidden = result[rows, columns]
        result[rows, columns] = moment.random().random(hidden.shape, dtype=np.float32)
        return result

    return effect


def occluder(share: float) -> Effect:
    """A wandering rectangle over `share` of the image with a texture that moves with it, as a person in front of the camera."""

    def effect(image: Pixels, moment: Moment) -> Pixels:
        rows, columns = patch_at(moment.index, share, image.shape)
        result = image.copy()
        hidden = result[rows, columns]
        blocks = np.random.default_rng(moment.seed).random((9, 12, *image.shape[2:]), dtype=np.float32)
        result[rows, columns] = cv2.resize(blocks, hidden.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return result

    return effect


def patch_at(index: int, share: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a rectangle over `share` of an image, on a path that does not repeat for long."""
    height, width = shape[:2]
    rows, columns = round(height * np.sqrt(share)), round(width * np.sqrt(share))
    top = round((height - rows) * (0.5 + 0.5 * np.cos(2 * np.pi * index / 71)))
    left = round((width - columns) * (0.5 + 0.5 * np.sin(2 * np.pi * index / 97)))
    return slice(top, top + rows), slice(left, left + columns)


def black(image: Pixels, moment: Moment) -> Pixels:
    """No light at all."""
    return np.zeros_like(image)


def half_black(image: Pixels, moment: Moment) -> Pixels:
    """No light on the left half."""
    result = image.copy()
    result[:, : image.shape[1] // 2] = 0
    return result


def within(start_s: float, duration_s: float, effect: Effect) -> Effect:
    """Apply `effect` to the frames from `start_s` on for `duration_s`, both in seconds since the first frame."""
    return lambda image, moment: effect(image, moment) if start_s <= moment.time_s < start_s + duration_s else image


def _per_pixel(values: Pixels, image: Pixels) -> Pixels:
    """Shape (H, W) values so that they spread over the channels of `image`."""
    return values if image.ndim == 2 else values[:, :, None]
