"""Coarse to fine: from one or many guesses to the pose at which the image agrees best with the map.

Every guess is refined on the coarsest level in several ways (raw intensities, locally normalised ones, as it stands, and where
asked without the regions that disagree). The next level, which sees more, decides which of the results go on. So a level that is
misled by a shadow, by the sky beside the map or by an occluder costs time, not the pose. On the finest levels, parts of the image
that do not look like the map have no say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reloc.align.agreement import neighbourhood_trust
from reloc.align.clustered import covariance_of
from reloc.align.config import AlignConfig
from reloc.align.exposure import ExposurePrior, matched_exposure, neutral_exposure
from reloc.align.information import pose_information
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Kind, Layers
from reloc.align.linked import WeightedTerm
from reloc.align.occlusion import regional_trust
from reloc.align.photometric import PhotometricTerm
from reloc.align.problem import ResidualTerm, Unknowns
from reloc.align.robust import robust_scale
from reloc.align.solver import Solution, StopRule, solve
from reloc.align.taking import as_taken, measured_taking
from reloc.align.trace import Trace
from reloc.estimate import Exposure, Outcome
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

FEWEST_POINTS = 30
_BEAM = (8, 4, 2)
"""How many results of a search go on to the coarsest level, to the next, and to all finer ones."""
_CAPTURE_PX = 1.0
"""A level is sure to find its way from a guess whose standard deviation, in its own pixels, is no more than this."""
_JUDGED_LEVELS = 2
"""So many of the finest levels are begun so near the pose that what does not look like the map there shows something else."""
_MOST_RELAXATION = 3.0
"""From a prediction, a step may be taken so many times its length where those before it fell short: a third less iterations. From
anywhere, on a cost that robustness makes bumpy, longer steps end no lower (on castle's façade further along a flat valley)."""
_UNLIKELY = 2.0
"""Further than so many standard deviations from the prediction a pose is unlikely enough to try another way from there."""
_SAME_PX = 0.5
"""Results that are closer than this, in pixels of the level, are one."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The pose that fits best, and how well it fits at the finest level."""

    camera_from_world: SE3
    outcome: Outcome
    iterations: int
    """Over all levels and guesses."""
    information: Array
    """(6, 6) inverse covariance of the left perturbation of `camera_from_world`, by the residuals' own scatter."""
    residual: float
    """Robust standard deviation of the residuals, in the unit of the kind that decides."""
    inlier_share: float
    """Share 0..1 of the points in view whose residual the robust cost still weighs."""
    visible_share: float
    """Share 0..1 of the keyframe's points that are in view."""
    correlation: float
    """Pearson correlation of rendering and image over the points in view."""
    exposure: Exposure
    """On raw intensities."""

    @cached_property
    def residual_covariance(self) -> Array:
        """(6, 6) the covariance that the pose would have if residuals were independent: the inverse information."""
        return covariance_of(self.information)


@dataclass(frozen=True, eq=False)
class _Candidate:
    pose: SE3
    solution: Solution | None = None


@dataclass(frozen=True)
class _Search:
    """How much is made of a guess."""

    doubtful: bool
    """Whether regions of the image that disagree with it are left out."""
    most_relaxation: float
    """See `solve`."""


class FrameAligner(Protocol):
    """Brings frames and keyframes into register, by whatever solver."""

    def align(
        self,
        keyframe: Keyframe,
        frame: Layers,
        guesses: Sequence[SE3],
        *,
        uncertainty_px: float = math.inf,
        doubtful: bool = False,
    ) -> Alignment:
        """Return the best alignment that any guess leads to; see `Aligner` for the arguments."""
        ...


class Aligner:
    """Aligns frames to keyframes by Levenberg-Marquardt. Holds no state but its configuration.

    Args:
        config: How to align.
        beside: Further reasons to prefer a pose (a silhouette, say), their cost in variances of one residual.
        trace: Who wants to know of every step.
    """

    def __init__(self, config: AlignConfig, beside: Sequence[ResidualTerm] = (), trace: Trace | None = None) -> None:
        self._config = config
        self._beside = tuple(beside)
        self._trace = trace

    def align(
        self,
        keyframe: Keyframe,
        frame: Layers,
        guesses: Sequence[SE3],
        *,
        uncertainty_px: float = math.inf,
        doubtful: bool = False,
    ) -> Alignment:
        """Return the best alignment that any guess leads to.

        Args:
            keyframe: The view of the map.
            frame: The layers of the image.
            guesses: Poses camera_from_world to begin at, the likeliest first.
            uncertainty_px: How far, as a standard deviation in pixels of the finest level, a single guess may be off.
            doubtful: Also try without the regions of the image that disagree with the guess. Costs half as much again.
        """
        search = _Search(doubtful, _MOST_RELAXATION if len(guesses) == 1 and math.isfinite(uncertainty_px) else 1.0)
        runs = self._runs(keyframe, frame, guesses, uncertainty_px, search)
        finalists, iterations = [c for run in runs for c in run[0]], sum(run[1] for run in runs)
        taken = self._as_taken(keyframe, frame, finalists)
        if taken is not keyframe:
            # The level before the finest was misled as well.
            finalists = [self._refine(taken, frame, min(1, len(frame) - 1), frame.kind, c.pose, search) for c in finalists]
            iterations += _iterations(finalists)
        last = [self._refine(taken, frame, 0, frame.kind, c.pose, search) for c in finalists]
        best = self._select(taken, frame, 0, frame.kind, last, 1)[0]
        assert best.solution is not None
        unknowns, outcome = best.solution.unknowns, best.solution.outcome
        return measured(keyframe, frame, unknowns, outcome, iterations + _iterations(last), self._config, self._beside)

    def _runs(
        self, keyframe: Keyframe, frame: Layers, guesses: Sequence[SE3], uncertainty_px: float, search: _Search
    ) -> list[tuple[list[_Candidate], int]]:
        """Descend from the guesses in as many ways as their number and uncertainty ask for; see `_descend`."""
        top = first_level(uncertainty_px, len(frame))
        kinds = frame.kinds_at(len(frame) - 1)
        if len(guesses) > 1:
            # From far off, mixing the kinds lets the misled one crowd out the other: each follows its own judgement to the end.
            return [self._descend(keyframe, frame, guesses, top, (kind,), search) for kind in kinds]
        if not is_captured(uncertainty_px, len(frame)):
            return [self._descend(keyframe, frame, guesses, top, kinds, search)]
        # From near by, the kind that decides finds the way alone.
        run = self._descend(keyframe, frame, guesses, top, kinds[:1], search)
        found = run[0][0].pose
        if top > 1 and keyframe.apart_px(found, guesses[0]) > _UNLIKELY * uncertainty_px:
            # Either the prediction was wrong or a coarse level misled: the finest level decides.
            return [run, self._descend(keyframe, frame, guesses, 1, kinds[:1], search)]
        return [run]

    def _as_taken(self, keyframe: Keyframe, frame: Layers, candidates: list[_Candidate]) -> Keyframe:
        """Return the keyframe as the camera took it, judged from the best candidate; the same one where that is plain."""
        best = self._select(keyframe, frame, min(1, len(frame) - 1), frame.kind, candidates, 1)[0]
        taking = measured_taking(keyframe, frame, best.pose)
        return keyframe if taking.is_plain else as_taken(keyframe, taking, self._config)

    def _descend(
        self, keyframe: Keyframe, frame: Layers, guesses: Sequence[SE3], top: int, kinds: Sequence[Kind], search: _Search
    ) -> tuple[list[_Candidate], int]:
        """Refine from the level `top` down to the second finest, by the kinds given, the first of which judges.

        Returns:
            What is left for the finest level, and the iterations that it took.
        """
        iterations = 0
        candidates = [_Candidate(guess) for guess in guesses]
        if len(candidates) > _BEAM[0]:
            candidates = self._select(keyframe, frame, top, kinds[0], candidates, _BEAM[0])
        whole = replace(search, doubtful=False)
        for level in range(top, 0, -1):
            here = [kind for kind in frame.kinds_at(level) if kind in kinds] or [frame.kind]
            ways = [(kind, whole) for kind in here] + [(here[0], search)] * search.doubtful
            refined = [self._refine(keyframe, frame, level, kind, c.pose, way) for c in candidates for kind, way in ways]
            iterations += _iterations(refined)
            survivors = _BEAM[min(top - level, len(_BEAM) - 1)] if len(guesses) > 1 else 1
            judge = kinds[0] if kinds[0] in frame.kinds_at(level - 1) else frame.kind
            candidates = self._select(keyframe, frame, level - 1, judge, [*refined, *candidates], survivors)
        return candidates, iterations

    def _refine(self, keyframe: Keyframe, frame: Layers, level: int, kind: Kind, pose: SE3, search: _Search) -> _Candidate:
        """Align on one level, from one pose, in one way."""
        term = term_at(keyframe, frame, level, kind)
        exposure = start_exposure(term, pose, kind)
        start = Unknowns.at(pose, exposure)
        samples = term.sample(start)
        scale = robust_scale(samples.residual)
        trust = None
        if search.doubtful:
            trust = regional_trust(samples, term.camera, scale)
        elif level < _JUDGED_LEVELS and kind is Kind.LOCAL:
            trust = neighbourhood_trust(samples, term.points.value, term.camera)
        if trust is not None:
            scale = robust_scale(samples.residual[trust > 0.5])
        clip = self._clip(level, len(frame))
        prior = ExposurePrior.around(exposure, self._config.gain_sigma, self._config.bias_sigma, scale)
        focal = term.camera.fx
        rule = StopRule(self._config.iterations, self._config.step_px, self._config.cost_decrease, FEWEST_POINTS)
        per_unit = np.repeat([focal / keyframe.depth, focal], 3)
        beside = [WeightedTerm(one, scale**2) for one in self._beside]
        trace = None if self._trace is None else self._trace.begin(pose)
        terms: list[ResidualTerm] = [term.clipped_at(clip * scale, trust), prior, *beside]
        solution = solve(terms, start, rule, per_unit, trace, search.most_relaxation)
        return _Candidate(solution.unknowns.camera_from_world, solution)

    def _clip(self, level: int, levels: int) -> float:
        """Return the robust width in scales: wide at the coarsest level, narrow at the finest."""
        share = level / max(levels - 1, 1)
        return self._config.clip_fine + share * (self._config.clip_coarse - self._config.clip_fine)

    def _select(
        self, keyframe: Keyframe, frame: Layers, level: int, judge: Kind, candidates: list[_Candidate], count: int
    ) -> list[_Candidate]:
        """Return the `count` different candidates that the layer of a level and kind likes best, the best first."""
        if len(candidates) == 1:
            return candidates
        ranking = np.argsort(_disagreement(term_at(keyframe, frame, level, judge), candidates), kind="stable")
        angle = _SAME_PX / frame.at(level, judge).camera.fx
        chosen: list[_Candidate] = []
        for index in ranking:
            pose = candidates[index].pose
            if not any(_is_near(pose, other.pose, keyframe.depth, angle) for other in chosen):
                chosen.append(candidates[index])
            if len(chosen) == count:
                break
        return chosen


def measured(
    keyframe: Keyframe,
    frame: Layers,
    unknowns: Unknowns,
    outcome: Outcome,
    iterations: int,
    config: AlignConfig,
    beside: Sequence[ResidualTerm] = (),
) -> Alignment:
    """Say how well a solver's result fits at the finest level; `beside` are further terms that took part."""
    term = term_at(keyframe, frame, 0, frame.kind)
    residuals = term.sample(unknowns).residual
    seen = np.logical_not(np.isnan(residuals).any(axis=1))
    scale = robust_scale(residuals)
    inside = np.abs(residuals[seen]) < config.clip_fine * scale
    visible_share = float(seen.mean()) if seen.size else 0.0
    return Alignment(
        camera_from_world=unknowns.camera_from_world,
        outcome=outcome,
        iterations=iterations,
        information=pose_information(term.clipped_at(config.clip_fine * scale), unknowns, beside, residuals),
        residual=scale,
        inlier_share=float(inside.mean()) if inside.size else 0.0,
        visible_share=visible_share,
        # The agreement is the correlation times the share in view.
        correlation=float(term.agreement(unknowns.rotation[None], unknowns.translation[None])[0]) / max(visible_share, 1e-12),
        exposure=_raw_exposure(keyframe, frame, unknowns),
    )


def first_level(uncertainty_px: float, levels: int) -> int:
    """Return the finest level that reaches far enough, at least the second finest, at most the coarsest."""
    if not is_captured(uncertainty_px, levels):
        return levels - 1
    return min(max(1, math.ceil(math.log2(max(uncertainty_px / _CAPTURE_PX, 1.0)))), levels - 1)


def is_captured(uncertainty_px: float, levels: int) -> bool:
    """Return whether the coarsest level is sure to find its way from a guess that may be so far off."""
    return bool(uncertainty_px < _CAPTURE_PX * 2 ** (levels - 1))


def _iterations(candidates: Sequence[_Candidate]) -> int:
    return sum(c.solution.iterations for c in candidates if c.solution is not None)


def term_at(keyframe: Keyframe, frame: Layers, level: int, kind: Kind) -> PhotometricTerm:
    """Return the comparison of keyframe and image at one level of one kind."""
    layer = frame.at(level, kind)
    return PhotometricTerm(keyframe.references[level][kind], layer.values, layer.camera)


def start_exposure(term: PhotometricTerm, pose: SE3, kind: Kind) -> Array:
    """Return the exposure to begin at: normalised intensities need none, raw ones that which matches their contrast."""
    neutral = neutral_exposure(term.points.value.shape[1])
    if kind is Kind.LOCAL:
        return neutral
    residuals = term.sample(Unknowns.at(pose, neutral)).residual
    return matched_exposure(residuals + term.points.value, term.points.value)


def _disagreement(term: PhotometricTerm, candidates: list[_Candidate]) -> Array:
    """Return (M,) numbers that rank candidates, the best first."""
    return -term.agreement(np.stack([c.pose.rotation for c in candidates]), np.stack([c.pose.translation for c in candidates]))


def _is_near(a: SE3, b: SE3, depth: float, angle: float) -> bool:
    """Return whether two poses differ by less than an angle, translations seen from `depth`."""
    difference = (a @ b.inverse()).log()
    return bool(np.abs(difference[:3]).max() < angle * depth and np.abs(difference[3:]).max() < angle)


def _raw_exposure(keyframe: Keyframe, frame: Layers, unknowns: Unknowns) -> Exposure:
    """Return gain and bias on raw intensities, from the finest level that holds them."""
    if frame.kind is Kind.INTENSITY:
        pairs = unknowns.exposure
    else:
        levels = [level for level in range(len(frame)) if Kind.INTENSITY in frame.kinds_at(level)]
        if not levels:
            channels = keyframe.references[0][frame.kind].value.shape[1]
            return Exposure(np.full(channels, np.nan), np.full(channels, np.nan))
        pairs = start_exposure(term_at(keyframe, frame, levels[0], Kind.INTENSITY), unknowns.camera_from_world, Kind.INTENSITY)
    return Exposure(pairs[0::2], pairs[1::2])
