"""What can be measured of an image at a pose, beyond how well the alignment fits: agreement by region, sharpness, light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.align.exposure import neutral_exposure
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.align.photometric import PhotometricTerm, Samples
from reloc.align.problem import Unknowns
from reloc.frame import Frame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]
Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows (N,) and columns (N,)."""

_SHAPE = (4, 5)
"""Rows and columns that the image is divided into, to tell which parts of it show the map."""
_FEWEST = 8
"""A region with fewer points cannot be judged and counts as seen."""
_AGREES = 0.3
"""Least correlation of a region that shows the map. A right one has 0.4 to 0.9; something else in front of it has 0, give or take
one over the root of its 70 points."""
_BEST = 5
"""How many regions must agree for a pose to be believed: a quarter of the image."""


@dataclass(frozen=True)
class View:
    """What was measured of a view."""

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
    seen = np.logical_not(np.isnan(samples.residual).any(axis=1))
    count = int(np.count_nonzero(seen))
    pixel = _nearest(samples, seen, layer.camera)
    lit = _lit(frame, black)[pixel]
    regions = _regions(term, samples, seen, pixel, lit)
    return View(
        sharpness=_sharpness(term, pixel, seen) if count else np.nan,
        unlit_share=1.0 - float(np.mean(lit)) if count else 1.0,
        occluded_share=regions.hidden_share,
        best_regions=regions.best,
        points=round(count * inlier_share),
    )


def _nearest(samples: Samples, seen: NDArray[np.bool_], camera: PinholeCamera) -> Pixels:
    """Return the rows and columns of the pixels nearest to the points in view, none on the rim."""
    column = np.clip(np.rint(samples.pixel[seen, 0]).astype(np.int64), 1, camera.width - 2)
    row = np.clip(np.rint(samples.pixel[seen, 1]).astype(np.int64), 1, camera.height - 2)
    return row, column


def _sharpness(term: PhotometricTerm, pixel: Pixels, seen: NDArray[np.bool_]) -> float:
    """Return how sharp the image is at the points, in shares of the rendering.

    Light and local normalisation scale gradient and contrast alike, and drop out of their quotient.
    """
    row, column = pixel
    along_u = (term.image[row, column + 1] - term.image[row, column - 1]) / 2
    along_v = (term.image[row + 1, column] - term.image[row - 1, column]) / 2
    found, wanted = term.image[row, column], term.points.value[seen]
    contrast = _spread(wanted - wanted.mean(axis=0)) / max(_spread(found - np.nanmean(found, axis=0)), 1e-6)
    gradient = term.points.gradient[seen]
    shares = [
        contrast * _spread(along) / max(_spread(gradient[:, :, axis]), 1e-6) for axis, along in enumerate((along_u, along_v))
    ]
    return float(min(shares))


def _spread(values: NDArray[np.floating]) -> float:
    """Return the root mean square, over what is known."""
    known = values[np.isfinite(values)].astype(np.float64)
    return float(np.sqrt(np.mean(known**2))) if known.size else 0.0


def _lit(frame: Frame, black: float) -> NDArray[np.bool_]:
    """Return (H, W) where an image is neither black nor burnt out."""
    luminance = frame.image if frame.image.ndim == 2 else frame.image.mean(axis=2)
    return np.asarray((luminance > black) & (luminance < 1 - black))


@dataclass(frozen=True)
class _Regions:
    hidden_share: float
    best: float


def _regions(term: PhotometricTerm, samples: Samples, seen: NDArray[np.bool_], pixel: Pixels, lit: NDArray[np.bool_]) -> _Regions:
    """Return which share of the points lies in regions that do not agree, and how well the best regions do.

    What is dark or burnt out shows nothing else than the map.
    """
    rows, columns = _SHAPE
    region = pixel[0] * rows // term.camera.height * columns + pixel[1] * columns // term.camera.width
    wanted = term.points.value[seen].mean(axis=1)
    found = wanted + samples.residual[seen].mean(axis=1)
    count = np.bincount(region, minlength=rows * columns)
    correlations, judged = _correlations(region, count, found, wanted), count >= _FEWEST
    if not judged.any():
        return _Regions(np.nan, 0.0)
    hidden = judged & (correlations < _AGREES)
    # Fewer regions than were to be averaged: what is missing agrees with nothing.
    best = np.sort(correlations[judged])[-_BEST:].sum() / _BEST
    return _Regions(float(np.count_nonzero(hidden[region] & lit)) / len(region), float(best))


def _correlations(region: NDArray[np.int64], count: NDArray[np.int64], a: Array, b: Array) -> Array:
    """Return Pearson's correlation (R,) of two values (N,) within each of R regions; 0 where one of them is flat."""

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(region, values, minlength=len(count)) / np.maximum(count, 1))

    a, b = a - mean(a)[region], b - mean(b)[region]
    variance = mean(a * a) * mean(b * b)
    return np.asarray(mean(a * b) / np.sqrt(np.maximum(variance, 1e-12)))


def surprise_share(predicted: SE3, measured: SE3, keyframe: Keyframe) -> float:
    """Return how far the image moved beyond what was predicted, at the median depth and in shares of its width."""
    difference = (measured @ predicted.inverse()).log()
    camera = keyframe.rendering.camera
    angle = np.hypot(np.linalg.norm(difference[:3]) / keyframe.depth, np.linalg.norm(difference[3:]))
    return float(camera.fx * angle / camera.width)
