"""What is weak about a view although its pose is believed, each thing measured: the reasons of the verdict LIMITED."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from reloc.align.exposure import neutral_exposure
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.align.photometric import PhotometricTerm, Samples
from reloc.align.problem import Unknowns
from reloc.estimate import Quality, Weakness
from reloc.frame import NANOSECONDS_PER_SECOND, Frame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]
Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows (N,) and columns (N,)."""

_REGIONS = (4, 5)
"""Rows and columns that the image is divided into, to tell which parts of it show the map."""
_FEWEST = 8
"""A region with fewer points cannot be judged and counts as seen."""
_AGREES = 0.3
"""Least correlation of a region that shows the map. A right one has 0.4 to 0.9; something else in front of it has 0, give or take
one over the root of its 70 points."""


@dataclass(frozen=True)
class WeaknessConfig:
    """When a believed pose is LIMITED rather than TRACKED."""

    sharpness: Annotated[float, Ge(0), Le(1)] = 0.35
    """Blur: the image is less than this share as sharp as the map, across the direction in which it is worse."""
    unlit_share: Annotated[float, Gt(0)] = 0.4
    """Low light: the image is black or burnt out at more than this share of the points in view."""
    black: Annotated[float, Ge(0), Le(1)] = 0.03
    """Intensities up to this are black, and as close to 1 burnt out."""
    occluded_share: Annotated[float, Gt(0)] = 0.2
    """Occlusion: more than this share of the points lies in parts of the image that show something else than the map."""
    points: Annotated[int, Ge(0)] = 250
    """Few points: fewer than this many points of the map are in view and fit."""
    coverage: Annotated[float, Ge(0), Le(1)] = 0.3
    """Off the map: the map covers less than this share of the image."""
    surprise_share: Annotated[float, Gt(0)] = 0.1
    """Fast motion: the image moved by more than this share of its width beyond what was predicted."""
    frozen_s: Annotated[float, Ge(0)] = 0.2
    """Frozen image: the same image to the last bit for longer than this. Cameras repeat a frame now and then, which is no harm; a
    longer halt cannot be told from a camera that stands still in a world without noise, so the pose stays, LIMITED."""
    release: Annotated[float, Gt(0), Le(1)] = 0.8
    """A weakness ends when it is down to this share of what makes it begin, lest it come and go with every frame."""


@dataclass(frozen=True, eq=False)
class Picture:
    """The image of a frame, and since when it has been the same to the last bit."""

    image: NDArray[np.float32]
    since_ns: int

    def followed_by(self, frame: Frame) -> Picture:
        """Return the picture of the next frame."""
        return Picture(frame.image, self.since_ns if np.array_equal(self.image, frame.image) else frame.timestamp_ns)

    def frozen_s(self, now_ns: int) -> float:
        """Return for how many seconds nothing has changed."""
        return max(now_ns - self.since_ns, 0) / NANOSECONDS_PER_SECOND


@dataclass(frozen=True)
class View:
    """What was measured of a view."""

    sharpness: float
    """Gradient over contrast of the image, in shares of the rendering's, the lesser of both directions; NaN without points."""
    unlit_share: float
    """Share 0..1 of the points in view at which the image is black or burnt out; 1 without points."""
    occluded_share: float
    """Share 0..1 of the points in view that lie in regions of the image which do not look like the map; NaN without points."""
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
    return View(
        sharpness=_sharpness(term, pixel, seen) if count else np.nan,
        unlit_share=1.0 - float(np.mean(lit)) if count else 1.0,
        occluded_share=_occluded_share(term, samples, seen, pixel, lit) if count else np.nan,
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


def _occluded_share(
    term: PhotometricTerm, samples: Samples, seen: NDArray[np.bool_], pixel: Pixels, lit: NDArray[np.bool_]
) -> float:
    """Return the share of the points in regions whose image and rendering do not correlate. What is dark shows nothing else."""
    rows, columns = _REGIONS
    row, column = pixel[0][lit], pixel[1][lit]
    region = row * rows // term.camera.height * columns + column * columns // term.camera.width
    shown = np.flatnonzero(seen)[lit]
    wanted = term.points.value[shown].mean(axis=1)
    found = wanted + samples.residual[shown].mean(axis=1)
    count = np.bincount(region, minlength=rows * columns)
    hidden = (count >= _FEWEST) & (_correlations(region, count, found, wanted) < _AGREES)
    return float(np.count_nonzero(hidden[region])) / max(len(region), 1)


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


_SENTENCES: dict[Weakness, Callable[[Quality], str]] = {
    Weakness.BLUR: lambda q: f"the image is {q.sharpness:.2f} times as sharp as the map",
    Weakness.LOW_LIGHT: lambda q: f"{100 * q.unlit_share:.0f} % of the view is black or burnt out",
    Weakness.OCCLUSION: lambda q: f"{100 * q.occluded_share:.0f} % of the view shows something else than the map",
    Weakness.FEW_POINTS: lambda q: f"{q.points} points of the map fit",
    Weakness.OFF_THE_MAP: lambda q: f"the map covers {100 * q.coverage:.0f} % of the image",
    Weakness.FAST_MOTION: lambda q: f"the image moved {100 * q.surprise_share:.0f} % of its width beyond the prediction",
    Weakness.FROZEN: lambda q: f"nothing in the image has changed for {q.frozen_s:.1f} s",
}
# What can be said of a view even if its pose is wrong.
_OF_THE_IMAGE = frozenset({Weakness.LOW_LIGHT, Weakness.FROZEN})


def weaknesses(quality: Quality, config: WeaknessConfig, before: Collection[Weakness], *, believed: bool) -> tuple[Weakness, ...]:
    """Return what is weak about a view, given what was weak in the frame `before`; of one that is not believed, what is sure."""
    severity = {
        Weakness.LOW_LIGHT: quality.unlit_share / config.unlit_share,
        Weakness.BLUR: config.sharpness / max(quality.sharpness, 1e-6),
        Weakness.OCCLUSION: quality.occluded_share / config.occluded_share,
        Weakness.FEW_POINTS: config.points / max(quality.points, 1),
        Weakness.OFF_THE_MAP: config.coverage / max(quality.coverage, 1e-6),
        Weakness.FAST_MOTION: quality.surprise_share / config.surprise_share,
        Weakness.FROZEN: quality.frozen_s / max(config.frozen_s, 1e-6),
    }
    return tuple(
        weakness
        for weakness, value in severity.items()
        if value > (config.release if weakness in before else 1.0) and (believed or weakness in _OF_THE_IMAGE)
    )


def in_words(found: Collection[Weakness], quality: Quality) -> str:
    """Return weaknesses as a phrase for people; empty where there are none."""
    return "; ".join(f"{weakness}: {_SENTENCES[weakness](quality)}" for weakness in found)
