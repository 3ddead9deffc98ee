"""The feature-metric term of the least-squares solver: surface points should have in the image the features of the rendering.

The channels of a layer are many and alike, so they are first turned to their strongest directions in the view of the map and
scaled to a deviation of 1 (a principal component analysis); then they are channels of a `PhotometricTerm` like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.align.exposure import neutral_exposure
from reloc.align.photometric import PhotometricTerm, ReferencePoints
from reloc.align.problem import POSE_SIZE, NormalEquations, Unknowns
from reloc.align.robust import robust_scale
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]
Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FeatureTerm:
    """A comparison of features, without exposure; its cost is in variances of one residual, a channel counting for its share."""

    term: PhotometricTerm
    factor: float

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return cost and quadratic model; they do not depend on what is unknown beside the pose."""
        neutral = neutral_exposure(self.term.points.value.shape[1])
        inner = self.term.linearize(Unknowns(unknowns.rotation, unknowns.translation, neutral))
        size = POSE_SIZE + len(unknowns.exposure)
        hessian, gradient = np.zeros((size, size)), np.zeros(size)
        hessian[:POSE_SIZE, :POSE_SIZE] = self.factor * inner.hessian[:POSE_SIZE, :POSE_SIZE]
        gradient[:POSE_SIZE] = self.factor * inner.gradient[:POSE_SIZE]
        return NormalEquations(hessian, gradient, self.factor * inner.cost)


@dataclass(frozen=True, eq=False)
class Directions:
    """The strongest directions of the channels of a layer."""

    mean: Array
    """(C,)."""
    basis: Array
    """(C, K), scaled so that each direction has deviation 1 in the view that it was taken from."""

    @classmethod
    def of(cls, features: Image, where: NDArray[np.bool_], count: int) -> Directions:
        """Return at most `count` directions of features (H, W, C), from the pixels where `where` (H, W)."""
        values = features[where].astype(np.float64)
        mean = values.mean(axis=0)
        variances, vectors = np.linalg.eigh(np.cov(values - mean, rowvar=False))
        strongest = [int(k) for k in np.argsort(-variances)[:count] if variances[k] > 1e-12 * variances[-1]]
        return cls(mean, vectors[:, strongest] / np.sqrt(variances[strongest]))

    def __call__(self, features: Image) -> Image:
        """Return (H, W, K) the features along these directions."""
        return np.ascontiguousarray((features - self.mean) @ self.basis, np.float32)


def feature_points(in_world: Array, features: Image, camera: PinholeCamera, camera_from_world: SE3) -> ReferencePoints:
    """Return points (N, 3) of the surface with the features (H, W, K) that a view of the map has at them."""
    pixels = camera.project(camera_from_world.apply(in_world)).astype(np.float32)[None]
    along_u, along_v = (cv2.filter2D(features, -1, kernel) for kernel in _DIFFERENCES)
    channels = features.shape[2]
    value, u, v = (_sampled(picture, pixels).reshape(-1, channels) for picture in (features, along_u, along_v))
    return ReferencePoints(in_world, value, np.stack([u, v], axis=2))


# filter2D correlates: (−1, 0, 1) / 2 along each axis.
_DIFFERENCES = (np.array([[-0.5, 0.0, 0.5]]), np.array([[-0.5], [0.0], [0.5]]))


def _sampled(picture: Image, pixels: Image) -> Array:
    """Return (1, N, K) a picture interpolated at pixels (1, N, 2), channel by channel, for OpenCV takes four at most."""
    layers = [cv2.remap(np.ascontiguousarray(picture[:, :, c]), pixels, None, cv2.INTER_LINEAR) for c in range(picture.shape[2])]
    return np.stack(layers, axis=-1).astype(np.float64)


def feature_term(
    points: ReferencePoints, image: Image, camera: PinholeCamera, guess: SE3, clip: float, share: float
) -> FeatureTerm:
    """Return the term, its scale taken from the residuals at a guess.

    Args:
        points: The surface with the features of the rendering.
        image: (H, W, K) the features of the frame, NaN where they are not valid.
        camera: Of these features.
        guess: Roughly where the camera is, camera_from_world.
        clip: Width of the robust cost, in scales.
        share: How much say it has, where 1 is as much as as many photometric residuals.
    """
    channels = points.value.shape[1]
    term = PhotometricTerm(points, image, camera)
    scale = robust_scale(term.sample(Unknowns.at(guess, neutral_exposure(channels))).residual)
    return FeatureTerm(term.clipped_at(clip * scale), share / (channels * scale**2))
