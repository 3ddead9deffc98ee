"""How good an alignment is, and how sure we may be of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from reloc.align.aligner import Alignment
from reloc.estimate import Measurement, Outcome, Quality
from reloc.geometry.uncertainty import spread_rad
from reloc.view import View

Array = NDArray[np.float64]

_REMEMBERED = 0.8
"""By this factor a frame the expectation of how well the next will fit is lowered, where one has fitted worse."""


@dataclass(frozen=True)
class AssessConfig:
    """When a pose is believed."""

    tracked_score: Annotated[float, Ge(0), Le(1)] = 0.5
    """A score of at least this is believed, where the frame before was."""
    regained_score: Annotated[float, Ge(0), Le(1)] = 0.8
    """A score of at least this is believed in the first frame, after a frame that was not believed, and of a pose that was
    searched for nearby: what is lost is won back with more evidence than it is kept with. Below it, a better is searched for."""
    correlation: Annotated[float, Ge(0)] = 8.5
    """What the correlation of rendering and image counts for. The score is the chance that a pose is right, by a logistic law
    whose three numbers were fitted on right and wrong poses of several recordings, and proven on those left out
    (docs/verdict.md)."""
    regions: Annotated[float, Ge(0)] = 13.4
    """What the correlation of the regions that agree best counts for."""
    evidence: float = 11.7
    """How much of both makes a score of one half."""
    fallen_share: Annotated[float, Ge(0), Le(1)] = 0.8
    """A correlation below this share of that of the frame before has its reason in front of the camera, or in a pose beside the
    right one, which agrees all the same where the surface is far away: a better pose is searched for."""
    grown_spread: Annotated[float, Gt(1)] = 2.0
    """So is one where the fit leaves the pose this many times as unsure as in the frame before, which saw nearly the same."""
    evidence_anew: Annotated[float, Ge(0)] = 2.5
    """How much more a pose needs that was found anywhere in the map, with no idea of where to look."""
    support: Annotated[float, Gt(0)] = 14.0
    """How many features of the image must speak for such a pose for a score of one half; with fewer it falls in proportion."""
    visible_share: Annotated[float, Gt(0), Le(1)] = 0.3
    """With less than this share of the keyframe's points in view the score falls in proportion."""
    coverage: Annotated[float, Gt(0), Le(1)] = 0.05
    """With less than this share of the image covered by the map the score falls in proportion."""
    condition: Annotated[float, Gt(1)] = 1e5
    """Information whose eigenvalues differ by more than this factor leaves a direction open; the score falls in proportion."""
    nis: Annotated[float, Gt(0)] = 60.0
    """Normalised innovation squared from which on a pose needs more evidence; a perfect filter's stay below 22.5."""
    coasting_s: Annotated[float, Ge(0)] = 0.5
    """How long the prediction stands in for frames that cannot be aligned; then the camera is lost."""
    relocalising_s: Annotated[float, Ge(0)] = 10.0
    """For how long without a pose the verdict is RELOCALISING, where the map has known views; then LOST, and still searched."""
    noise_inflation: Annotated[float, Gt(0)] = 4.0
    """Factor on the covariance that the residuals' scatter gives, for the part of the error that is new in every frame."""
    model_error: Annotated[float, Ge(0)] = 35.0
    """The same for the part that stays from frame to frame, since mesh, texture and lens are not perfect. No filter averages it
    out, so it is added to what the filter claims."""


@dataclass(frozen=True)
class Fit:
    """How well an image fits at a pose: what the next is held against, whose view is nearly the same."""

    correlation: float
    """Pearson correlation −1..1 of rendering and image."""
    spread_rad: float
    """Standard deviation of the direction of a point at the median depth, as the residuals' scatter leaves it."""

    def is_fallen_from(self, before: Fit, config: AssessConfig) -> bool:
        """Return whether it is so much worse than another that a better pose may be near."""
        return (
            self.correlation < config.fallen_share * before.correlation
            or self.spread_rad > config.grown_spread * before.spread_rad
        )

    def remembered_after(self, before: Fit | None) -> Fit:
        """Return what to hold the next frame against.

        A fall is forgotten in a few frames, not at once, lest what a search has not mended be the measure of the next.
        """
        if before is None:
            return self
        correlation = max(self.correlation, _REMEMBERED * before.correlation)
        return Fit(correlation, min(self.spread_rad, before.spread_rad / _REMEMBERED))


@dataclass(frozen=True, eq=False)
class Assessment:
    """What the alignment is worth."""

    score: float
    """Trust 0..1."""
    believed: bool
    doubtful: bool
    """Whether it is worth searching for a better pose, believed or not."""
    reason: str
    """What is wrong, for people; empty where it is believed."""
    noise_covariance: Array
    """(6, 6) of the part of the error of the measured camera_from_world that is new in every frame."""
    model_covariance: Array
    """(6, 6) of the part that stays from frame to frame."""
    quality: Quality
    fit: Fit

    def measurement(self, alignment: Alignment, depth: float) -> Measurement | None:
        """Return what a smoother needs of the alignment that was assessed, or None where it is not believed."""
        if not self.believed:
            return None
        return Measurement(alignment.camera_from_world, self.noise_covariance, self.model_covariance, depth)


def assess(
    alignment: Alignment,
    view: View,
    coverage: float,
    depth: float,
    nis: float,
    config: AssessConfig,
    *,
    support: int | None = None,
    steady: bool = True,
    before: Fit | None = None,
) -> Assessment:
    """Return how far an alignment can be trusted.

    Args:
        alignment: What was found.
        view: What was measured of the image there.
        coverage: Share 0..1 of the image that the map covers.
        depth: Median depth in metres, which makes translations and rotations comparable.
        nis: Normalised innovation squared against the prediction; NaN where there was none.
        config: The thresholds.
        support: How many features of the image speak for the pose, where it was found with no idea of where to look and more is
            asked of it; None where it was expected about there.
        steady: Whether the frame before was believed and the pose was found where it was expected; if not, a better score is
            asked for, unless there is support.
        before: What to hold the fit against; None where nothing was believed before.
    """
    condition = _condition(alignment.information, depth)
    quality = Quality(
        inlier_share=alignment.inlier_share,
        coverage=coverage,
        visible_share=alignment.visible_share,
        condition=condition,
        residual=alignment.residual,
        nis=nis,
        **vars(view),
    )
    # Each factor of e beyond the gate makes a pose e times less likely.
    surprise = max(0.0, math.log(nis / config.nis)) if nis > config.nis else 0.0
    evidence = config.correlation * view.correlation + config.regions * view.best_regions - config.evidence
    doubt = surprise + (0.0 if support is None else config.evidence_anew)
    factors = {
        "rendering and image do not agree": _logistic(evidence - doubt),
        "too few features of the image are found on the map": 1.0
        if support is None
        else min(1.0, 0.5 * support / config.support),
        "too little of the mapped surface is in view": min(1.0, alignment.visible_share / config.visible_share),
        "the map covers too little of the image": min(1.0, coverage / config.coverage),
        "the view leaves a direction of motion undetermined": min(1.0, config.condition / condition),
        "the alignment had nothing to work with": float(alignment.outcome not in (Outcome.TOO_FEW_POINTS, Outcome.DEGENERATE)),
    }
    score = math.prod(factors.values())
    believed = score >= (config.tracked_score if steady or support is not None else config.regained_score)
    reason = "" if believed else min(factors, key=lambda name: factors[name])
    scatter = alignment.residual_covariance
    fit = Fit(view.correlation, spread_rad(scatter, depth))
    doubtful = score < config.regained_score or (before is not None and fit.is_fallen_from(before, config))
    noise, model = config.noise_inflation * scatter, config.model_error * scatter
    return Assessment(score, believed, doubtful, reason, noise, model, quality, fit)


def _condition(information: Array, depth: float) -> float:
    """Return the ratio of the eigenvalues of the information, translations in depths; infinite where one is not positive."""
    scale = np.repeat([depth, 1.0], 3)
    scaled = scale[:, None] * information * scale
    if not np.isfinite(scaled).all():  # a view of nothing has no depth
        return math.inf
    values = np.linalg.eigvalsh(scaled)
    return float(values[-1] / values[0]) if values[0] > 0 else math.inf


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(min(x, 60.0), -60.0)))
