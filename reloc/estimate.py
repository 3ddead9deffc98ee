"""What reloc says about a frame: the one message that every sink receives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from reloc.frame import Frame
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]


class Verdict(StrEnum):
    """How far a pose can be trusted."""

    TRACKED = "TRACKED"
    """Aligned and believed."""
    LIMITED = "LIMITED"
    """Aligned and believed, but the image has a weakness that is named in the reason."""
    COASTING = "COASTING"
    """Not aligned in this frame: the pose is the filter's prediction, and its covariance grows."""
    RELOCALISING = "RELOCALISING"
    """No pose: it was lost, and is being searched for in the whole map."""
    LOST = "LOST"
    """No pose can be given; the one carried along is only where the search would begin."""

    @property
    def is_believed(self) -> bool:
        """Whether the pose was measured in this frame, and can be used."""
        return self in (Verdict.TRACKED, Verdict.LIMITED)

    @property
    def is_lost(self) -> bool:
        """Whether there is no pose, neither measured nor predicted."""
        return self in (Verdict.RELOCALISING, Verdict.LOST)


class Weakness(StrEnum):
    """What makes a pose LIMITED although it is believed."""

    BLUR = "blur"
    LOW_LIGHT = "low light"
    OCCLUSION = "occlusion"
    FEW_POINTS = "few points"
    OFF_THE_MAP = "off the map"
    FAST_MOTION = "fast motion"
    FROZEN = "frozen image"


class Outcome(StrEnum):
    """Why the solver stopped."""

    CONVERGED = "CONVERGED"
    MAX_ITERATIONS = "MAX_ITERATIONS"
    TOO_FEW_POINTS = "TOO_FEW_POINTS"
    DEGENERATE = "DEGENERATE"
    DIVERGED = "DIVERGED"


@dataclass(frozen=True, eq=False)
class Exposure:
    """Image ≈ gain · rendering + bias, on intensities in 0..1, one pair per channel."""

    gain: Array
    """(1,) for luminance or (3,) for RGB."""
    bias: Array


@dataclass(frozen=True, eq=False)
class Quality:
    """The measurements that the verdict rests on."""

    inlier_share: float
    """Share 0..1 of the points in view whose residual lies inside the robust width."""
    correlation: float
    """Pearson correlation −1..1 between rendering and image over the points in view that the sensor did not cut off."""
    coverage: float
    """Share 0..1 of the image that the map covers, as seen from the keyframe."""
    visible_share: float
    """Share 0..1 of the keyframe's points that fall inside this image."""
    condition: float
    """Ratio ≥ 1 of the largest to the smallest eigenvalue of the information matrix, scaled to be free of units."""
    residual: float
    """Robust root mean square of the residual, in the unit of the term."""
    nis: float
    """Normalised innovation squared of the measurement against the prediction (6 degrees of freedom); NaN without a filter."""
    sharpness: float = math.nan
    """Sharpness ≥ 0 of the image in shares of the rendering's, across the direction in which it is worse."""
    unlit_share: float = math.nan
    """Share 0..1 of the points in view at which the image is black or burnt out."""
    occluded_share: float = math.nan
    """Share 0..1 of the points in view that lie in parts of the image which do not look like the map."""
    best_regions: float = math.nan
    """Mean correlation −1..1 of the five of twenty regions of the image that agree best."""
    points: int = 0
    """How many points of the map are in view and fit."""
    surprise_share: float = math.nan
    """How far the image moved beyond what was predicted, in shares of its width; NaN without a prediction."""
    frozen_s: float = 0.0
    """For how many seconds nothing in the image has changed."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What the image alone says of the pose, before a filter has taken part: what a smoother needs."""

    camera_from_world: SE3
    noise_covariance: Array
    """(6, 6) of the part of its error that is new in every frame."""
    model_covariance: Array
    """(6, 6) of the part that stays from frame to frame."""
    depth: float
    """Median depth of the scene in metres."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Where the camera was at one frame, how sure we are, and what it took."""

    frame: Frame
    verdict: Verdict
    reason: str
    """A sentence for people; empty when it is TRACKED."""
    score: float
    """Trust 0..1."""
    camera_from_world: SE3
    covariance: Array
    """(6, 6) of `camera_from_world`, for the left perturbation exp(δ) @ camera_from_world, order (translation, rotation)."""
    exposure: Exposure
    outcome: Outcome
    iterations: int
    quality: Quality
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each stage, and `total`."""
    weaknesses: tuple[Weakness, ...] = ()
    """What is weak about this view, in no order; never empty when it is LIMITED, always when it is TRACKED."""
    keyframe_renewed: bool = False
    """Whether the surface was rendered anew for this frame."""
    measurement: Measurement | None = None
    """None where the alignment is not believed."""

    @property
    def world_from_camera(self) -> SE3:
        """The pose of the camera in the map's frame."""
        return self.camera_from_world.inverse()

    @property
    def world_covariance(self) -> Array:
        """(6, 6) covariance of `world_from_camera` for exp(δ) @ world_from_camera: translation and rotation in the map's axes."""
        adjoint = self.world_from_camera.adjoint()
        return adjoint @ self.covariance @ adjoint.T
