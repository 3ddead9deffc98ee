"""What can be measured of an image at a pose, beyond how well the alignment fits: agreement by region, sharpness, light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.exposure import neutral_exposure
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.align.photometric import PhotometricTerm
from reloc.align.problem import Unknowns
from reloc.frame import Frame
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

_SHAPE = (4, 5)
"""Rows and columns that the image is divided into, to tell which parts of it show the map."""
_FEWEST = 8
"""A region with fewer points cannot be judged and counts as seen."""
_AGREES = 0.25
"""Least correlation of a region that shows the map. A right one has 0.4 to 0.9; something else in front of it has 0, give or take
one over the root of its 70 points."""
_LEAST_LIT = 0.01
"""An image of which less than this share is lit shows nothing."""
_ROWS_APART = 4
"""Whether it is lit is judged by every so many rows: no light is as narrow."""
_LIMITS = (0.001, 0.99)
"""Up to and from here the sensor has cut off what was there: blocked light, and highlights, which JPEG leaves a little below
white. What is only dark still shows the map."""
_FEWEST_TO_CORRELATE = 30
"""With fewer points that are not cut off an image agrees with nothing."""
_BEST = 5
"""How many regions must agree for a pose to be believed: a quarter of the image."""


@dataclass(frozen=True)
class View:
    """What was measured of a view."""

    correlation: float
    """Pearson correlation −1..1 of rendering and image over the points in view that the sensor did not cut off; 0 without any."""
    sharpness: float
    """Gradient over contrast of the image, in shares of the rendering's, the lesser of both directions; NaN without points."""
    unlit_share: float
    """Share 0..1 of the points in view at which the image is black or burnt out; 1 without points."""
    occluded_share: float
    """Share 0..1 of the points in view that lie in regions of the image which do not look like the map; NaN without points."""
    best_regions: float
    """Mean correlation −1..1 of the five of twenty regions of the image that agree best: an occluder leaves some, and
    chance seldom makes five."""
    points: int
    """How many points are in view and fit."""


def measure_view(
    frame: Frame, layers: Layers, keyframe: Keyframe, camera_from_world: SE3, inlier_share: float, black: float
) -> View:
    """Return what can be measured of a view at a pose. If that is wrong, only `unlit_share` means anything.

    Args:
        frame: The image.
        layers: Its pyramid.
        keyframe: The points of the map and how they should look.
        camera_from_world: The pose.
        inlier_share: Share 0..1 of the points in view that fit.
        black: Intensities up to this are black, and as close to 1 burnt out.
    """
    layer, reference = layers.at(0, layers.kind), keyframe.references[0][layers.kind]
    term = PhotometricTerm(reference, layer.values, layer.camera)
    samples = term.sample(Unknowns.at(camera_from_world, neutral_exposure(reference.value.shape[1])))
    luminance = frame.image if frame.image.ndim == 2 else frame.image.mean(axis=2)
    sums = _Sums.zero(reference.value.shape[1])
    seen, lit = _add_up(
        layer.values,
        luminance,
        reference.value,
        reference.gradient,
        samples.residual,
        samples.pixel,
        black,
        _SHAPE,
        _LIMITS,
        sums.spread,
        sums.slope,
        sums.region,
    )
    hidden_share, best = _regions(sums, seen)
    return View(
        correlation=_correlation(sums),
        sharpness=_sharpness(sums) if seen else np.nan,
        unlit_share=1.0 - lit / seen if seen else 1.0,
        occluded_share=hidden_share,
        best_regions=best,
        points=round(seen * inlier_share),
    )


@dataclass(frozen=True, eq=False)
class _Sums:
    """What sharpness and agreement are made of, added up over the points in view."""

    spread: Array
    """(2, C, 3) of the values of image and rendering: number, sum, sum of squares."""
    slope: Array
    """(2, 2, 2) of the gradients of image and rendering along u and v: number, sum of squares."""
    region: Array
    """(R, 7) of the points that are not cut off: number, sums of rendering and image, of their squares, and of their product; how
    many are lit."""

    @classmethod
    def zero(cls, channels: int) -> _Sums:
        """Begin."""
        return cls(np.zeros((2, channels, 3)), np.zeros((2, 2, 2)), np.zeros((_SHAPE[0] * _SHAPE[1], 7)))


@njit(cache=True, nogil=True)
def _add_up(image, luminance, value, gradient, residual, pixel, black, shape, limits, spread, slope, region):  # type: ignore[no-untyped-def]
    """Add to the arrays of `_Sums` what is found at the pixels nearest to the points.

    Args:
        image: (H, W, C) of the finest level, NaN where it is not valid.
        luminance: (H, W).
        value: (N, C) how the points should look.
        gradient: (N, C, 2) of how they should look.
        residual: (N, C) between that and the image, NaN out of view.
        pixel: (N, 2) where they are.
        black: Intensities up to this are black, and as close to 1 burnt out.
        shape: Rows and columns of regions.
        limits: Intensities up to and from which the sensor has cut off what was there.
        spread: See `_Sums`.
        slope: See `_Sums`.
        region: See `_Sums`.

    Returns:
        How many points are in view, and how many of them are lit.
    """
    height, width, channels = image.shape
    seen, lit = 0, 0
    for i in range(len(pixel)):
        wanted, found = 0.0, 0.0
        for c in range(channels):
            wanted += value[i, c] / channels
            found += (value[i, c] + residual[i, c]) / channels
        if np.isnan(found):
            continue
        seen += 1
        # None on the rim, so that all have neighbours.
        column = min(max(int(np.rint(pixel[i, 0])), 1), width - 2)
        row = min(max(int(np.rint(pixel[i, 1])), 1), height - 2)
        for c in range(channels):
            _add(spread[0, c], image[row, column, c])
            _add(spread[1, c], value[i, c])
            _add_square(slope[0, 0], (image[row, column + 1, c] - image[row, column - 1, c]) / 2)
            _add_square(slope[0, 1], (image[row + 1, column, c] - image[row - 1, column, c]) / 2)
            _add_square(slope[1, 0], gradient[i, c, 0])
            _add_square(slope[1, 1], gradient[i, c, 1])
        is_lit = black < luminance[row, column] < 1 - black
        lit += is_lit
        if not limits[0] < luminance[row, column] < limits[1]:
            continue
        here = region[row * shape[0] // height * shape[1] + column * shape[1] // width]
        here[0] += 1
        here[1] += wanted
        here[2] += found
        here[3] += wanted * wanted
        here[4] += found * found
        here[5] += wanted * found
        here[6] += is_lit
    return seen, lit


@njit(cache=True, nogil=True, inline="always")
def _add(sums, number):  # type: ignore[no-untyped-def]
    if not np.isnan(number):
        sums[0] += 1
        sums[1] += number
        sums[2] += number * number


@njit(cache=True, nogil=True, inline="always")
def _add_square(sums, number):  # type: ignore[no-untyped-def]
    if not np.isnan(number):
        sums[0] += 1
        sums[1] += number * number


def _sharpness(sums: _Sums) -> float:
    """Return how sharp the image is at the points, in shares of the rendering.

    Light and local normalisation scale gradient and contrast alike, and drop out of their quotient.
    """
    number, total, square = sums.spread[:, :, 0], sums.spread[:, :, 1], sums.spread[:, :, 2]
    scatter = np.maximum(square - total**2 / np.maximum(number, 1), 0).sum(axis=1)
    found, wanted = np.sqrt(scatter / np.maximum(number.sum(axis=1), 1))
    steepness = np.sqrt(sums.slope[:, :, 1] / np.maximum(sums.slope[:, :, 0], 1))
    shares = wanted / max(found, 1e-6) * steepness[0] / np.maximum(steepness[1], 1e-6)
    return float(shares.min())


def _regions(sums: _Sums, seen: int) -> tuple[float, float]:
    """Return which share of the points that are `seen` lies in regions that do not agree, and how well the best regions do.

    What is dark or burnt out shows nothing else than the map.
    """
    count, lit = sums.region[:, 0], sums.region[:, 6]
    judged = count >= _FEWEST
    if not judged.any():
        return 0.0 if seen else np.nan, 0.0
    correlations = _correlations(sums.region)
    hidden = judged & (correlations < _AGREES)
    # Fewer regions than were to be averaged: what is missing agrees with nothing.
    best = np.sort(correlations[judged])[-_BEST:].sum() / _BEST
    return float(lit[hidden].sum() / seen), float(best)


def _correlation(sums: _Sums) -> float:
    """Return Pearson's correlation over all regions."""
    total = sums.region.sum(axis=0, keepdims=True)
    return float(_correlations(total)[0]) if total[0, 0] >= _FEWEST_TO_CORRELATE else 0.0


@njit(cache=True, nogil=True)
def _correlations(region):  # type: ignore[no-untyped-def]
    """Return Pearson's correlation (R,) of rendering and image within each region; 0 where one of them is flat."""
    result = np.empty(len(region))
    for i in range(len(region)):
        wanted, found, wanted_square, found_square, product = region[i, 1:6] / max(region[i, 0], 1.0)
        spread = max(wanted_square - wanted * wanted, 0.0) * max(found_square - found * found, 0.0)
        result[i] = (product - wanted * found) / np.sqrt(max(spread, 1e-12))
    return result


def is_unlit(frame: Frame, black: float) -> bool:
    """Return whether next to nothing of an image is neither black nor burnt out, so that searching by it is in vain."""
    image, valid = frame.image[::_ROWS_APART], frame.valid[::_ROWS_APART]
    luminance = image if image.ndim == 2 else image.mean(axis=2)
    lit = (luminance > black) & (luminance < 1 - black) & valid
    return int(np.count_nonzero(lit)) < _LEAST_LIT * max(int(np.count_nonzero(valid)), 1)


def surprise_share(predicted: SE3, measured: SE3, keyframe: Keyframe) -> float:
    """Return how far the image moved beyond what was predicted, at the median depth and in shares of its width."""
    return keyframe.apart_px(measured, predicted) / keyframe.rendering.camera.width
