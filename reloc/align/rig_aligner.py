"""Coarse to fine for a rig: the images that its cameras took at one instant, brought into register with the map by one pose.

Each camera has its own keyframe, its own pyramid and its own exposure; the pose is shared. A camera that is missing is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reloc.align.aligner import FEWEST_POINTS, Alignment, first_level, measured, start_exposure, term_at
from reloc.align.config import AlignConfig
from reloc.align.exposure import ExposurePrior
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Layers
from reloc.align.linked import RigTerm, WeightedTerm
from reloc.align.photometric import PhotometricTerm
from reloc.align.problem import POSE_SIZE, ResidualTerm, Unknowns
from reloc.align.robust import robust_scale
from reloc.align.solver import Solution, StopRule, solve
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

_BEAM = (6, 2)
"""How many results of a search go on from the coarsest level, and from all finer ones."""


@dataclass(frozen=True, eq=False)
class RigView:
    """What one camera of the rig saw, and how the map looks from about there."""

    keyframe: Keyframe
    layers: Layers
    camera_from_rig: SE3


@dataclass(frozen=True, eq=False)
class _Candidate:
    rig_from_world: SE3
    exposure: Array
    outcome: Outcome = Outcome.MAX_ITERATIONS
    iterations: int = 0


class RigAligner:
    """Aligns all cameras of a rig at once. Holds no state but its configuration."""

    def __init__(self, config: AlignConfig) -> None:
        self._config = config

    def align(
        self, views: Sequence[RigView], guesses: Sequence[SE3], *, uncertainty_px: float = math.inf
    ) -> tuple[Alignment, tuple[Alignment, ...]]:
        """Return the best alignment of the rig that any guess leads to, and what it looks like from each camera.

        Args:
            views: What the cameras saw; at least one.
            guesses: Poses rig_from_world to begin at, the likeliest first.
            uncertainty_px: How far, as a standard deviation in pixels of the finest level, a single guess may be off.
        """
        levels = max(len(view.layers) for view in views)
        top = first_level(uncertainty_px, levels)
        candidates = [_Candidate(guess, self._exposure(views, top, guess)) for guess in guesses]
        iterations = 0
        for level in range(top, -1, -1):
            if len(candidates) > 1:
                candidates = _best(views, level, candidates, _BEAM[0 if level == top else 1])
            candidates = [self._refine(views, level, levels, one.rig_from_world) for one in candidates]
            iterations += sum(one.iterations for one in candidates)
        return self._measured(views, _best(views, 0, candidates, 1)[0], iterations)

    def _exposure(self, views: Sequence[RigView], level: int, rig_from_world: SE3) -> Array:
        """Return the exposures of all cameras in turn to begin at."""
        return np.concatenate(
            [start_exposure(_term(view, level), view.camera_from_rig @ rig_from_world, view.layers.kind) for view in views]
        )

    def _refine(self, views: Sequence[RigView], level: int, levels: int, rig_from_world: SE3) -> _Candidate:
        """Align on one level, from one pose."""
        exposure = self._exposure(views, level, rig_from_world)
        start = Unknowns.at(rig_from_world, exposure)
        share = level / max(levels - 1, 1)
        clip = self._config.clip_fine + share * (self._config.clip_coarse - self._config.clip_fine)
        terms: list[ResidualTerm] = []
        for view, own in zip(views, _places(views), strict=True):
            term, mine = _term(view, level), exposure[list(own)]
            scale = robust_scale(term.sample(Unknowns.at(view.camera_from_rig @ rig_from_world, mine)).residual)
            prior = ExposurePrior.around(mine, self._config.gain_sigma, self._config.bias_sigma, scale)
            # In variances of its own residual each camera counts by how sure it is, however noisy or large its image.
            for one in (term.clipped_at(clip * scale), prior):
                terms.append(RigTerm(WeightedTerm(one, 1 / scale**2), view.camera_from_rig, own))
        focal, depth = _term(views[0], level).camera.fx, views[0].keyframe.depth
        rule = StopRule(self._config.iterations, self._config.step_px, self._config.cost_decrease, FEWEST_POINTS)
        solution: Solution = solve(terms, start, rule, np.repeat([focal / depth, focal], 3))
        found = solution.unknowns
        return _Candidate(found.camera_from_world, found.exposure, solution.outcome, solution.iterations)

    def _measured(self, views: Sequence[RigView], best: _Candidate, iterations: int) -> tuple[Alignment, tuple[Alignment, ...]]:
        """Say how well the best candidate fits, in each camera and in all of them."""
        each = []
        for view, own in zip(views, _places(views), strict=True):
            unknowns = Unknowns.at(view.camera_from_rig @ best.rig_from_world, best.exposure[list(own)])
            each.append(measured(view.keyframe, view.layers, unknowns, best.outcome, iterations, self._config))
        adjoints = [view.camera_from_rig.adjoint() for view in views]
        seen = np.array(
            [max(one.visible_share * len(_term(view, 0).points), 1e-9) for one, view in zip(each, views, strict=True)]
        )

        def mean(values: Sequence[float]) -> float:
            return float(np.average(values, weights=seen))

        together = Alignment(
            camera_from_world=best.rig_from_world,
            outcome=best.outcome,
            iterations=iterations,
            information=sum(
                (a.T @ one.information @ a for a, one in zip(adjoints, each, strict=True)), np.zeros((POSE_SIZE, POSE_SIZE))
            ),
            residual=mean([one.residual for one in each]),
            inlier_share=mean([one.inlier_share for one in each]),
            visible_share=max(one.visible_share for one in each),
            correlation=mean([one.correlation for one in each]),
            exposure=each[0].exposure,
        )
        return together, tuple(each)


def _term(view: RigView, level: int) -> PhotometricTerm:
    """Return the comparison of a camera at a level, or at its coarsest where it has fewer."""
    level = min(level, len(view.layers) - 1)
    return term_at(view.keyframe, view.layers, level, view.layers.kind)


def _places(views: Sequence[RigView]) -> list[tuple[int, ...]]:
    """Return for each camera which of all exposures are its own."""
    sizes = [2 * _term(view, 0).points.value.shape[1] for view in views]
    ends = np.cumsum([0, *sizes]).tolist()
    return [tuple(range(begin, end)) for begin, end in pairwise(ends)]


def _best(views: Sequence[RigView], level: int, candidates: Sequence[_Candidate], count: int) -> list[_Candidate]:
    """Return the candidates at which rendering and images agree best, over all cameras, the best first."""
    if len(candidates) == 1:
        return list(candidates)
    agreement = np.zeros(len(candidates))
    for view in views:
        poses = [view.camera_from_rig @ one.rig_from_world for one in candidates]
        rotations, translations = np.stack([pose.rotation for pose in poses]), np.stack([pose.translation for pose in poses])
        agreement += _term(view, level).agreement(rotations, translations)
    return [candidates[index] for index in np.argsort(-agreement, kind="stable")[:count]]
