"""Coarse to fine for masks: from a guess to the pose at which the outlines of map and masks lie on one another.

The map is rendered anew every few steps of the solver, since another part of the surface makes its outline as the pose moves.
Several cameras of a rig, each with its own mask, share one pose; a single camera is a rig of one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reloc.align.config import SilhouetteConfig
from reloc.align.mask_problem import Look, MaskAlignment, MaskProblem
from reloc.align.mask_views import MaskView
from reloc.align.outline import outline_of_rendering, rim_points, surface_behind
from reloc.align.problem import ResidualTerm, Unknowns
from reloc.align.robust import robust_scale
from reloc.align.solver import StopRule, solve
from reloc.align.trace import Trace
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer

Array = NDArray[np.float64]

_FEWEST_POINTS = 20
_COST_DECREASE = 1e-3
_POINTS_WATCHED = 100
"""Points of the outline by which it is told whether it still moves."""


class MaskAligner:
    """Aligns a map to masks. Holds no state but its configuration.

    Args:
        renderer: Draws the map.
        center: (3,) the middle of the map in the world: what to aim at, and what stays where it is when the map is scaled.
        config: How to align.
        trace: Who wants to know of every step.
    """

    def __init__(
        self, renderer: Renderer, center: Array, config: SilhouetteConfig | None = None, trace: Trace | None = None
    ) -> None:
        self._config = config or SilhouetteConfig()
        self._problem = MaskProblem(renderer, center, self._config)
        self._trace = trace

    def align(self, views: Sequence[MaskView], guess: SE3, *, refine_scale: bool = False) -> MaskAlignment:
        """Return the best alignment that the guess leads to.

        Args:
            views: The masks; at least one, and for `refine_scale` at least two, since one view cannot tell size from distance.
            guess: rig_from_world; for a single camera camera_from_world.
            refine_scale: Whether the size of the map is unknown as well.
        """
        levels = max(len(view.levels) for view in views)
        log_scale = np.zeros(int(refine_scale))
        starts = [self._problem.look(views, 0, pose, log_scale) for pose in self._problem.starts(views, guess)]
        refined = [self._refine(views, 0, levels, start) for start in starts]
        best = max(refined, key=lambda look: look.overlap)
        iterations = sum(look.iterations for look in refined)
        for level in range(1, levels):
            best = self._refine(views, level, levels, self._problem.look(views, level, best.rig_from_world, best.log_scale))
            iterations += best.iterations
        return self._problem.measure(views, levels - 1, best, iterations)

    def _refine(self, views: Sequence[MaskView], level: int, levels: int, start: Look) -> Look:
        """Solve and render in turns on one level, until the pose stays; return the look with the largest overlap."""
        here = best = start
        iterations, outcome = 0, Outcome.MAX_ITERATIONS
        per_unit = _pixels_per_unit(views, level, start)
        rule = StopRule(self._config.steps, self._config.solved_px, _COST_DECREASE, _FEWEST_POINTS)
        for _ in range(self._config.rounds):
            unknowns = Unknowns.at(here.rig_from_world, here.log_scale)
            step = None if self._trace is None else self._trace.begin(here.rig_from_world)
            solution = solve(self._terms(views, level, levels, here), unknowns, rule, per_unit, step)
            iterations += solution.iterations
            if solution.outcome in (Outcome.TOO_FEW_POINTS, Outcome.DEGENERATE):
                outcome = solution.outcome
                break
            before = here
            here = self._problem.look(views, level, solution.unknowns.camera_from_world, solution.unknowns.exposure)
            best = max(best, here, key=lambda look: look.overlap)
            if _moved_px(before, here) < self._config.settled_px:
                outcome = Outcome.CONVERGED
                break
        return best.ended(outcome, iterations)

    def _terms(self, views: Sequence[MaskView], level: int, levels: int, look: Look) -> list[ResidualTerm]:
        """Return what to minimise around a look, its robust cost as wide as the residuals ask for."""
        terms, residuals = self._problem.open_terms(views, level, look)
        coarse = 1.0 - level / max(levels - 1, 1)
        clip = self._config.clip_fine + coarse * (self._config.clip_coarse - self._config.clip_fine)
        width = max(clip * robust_scale(residuals), self._config.least_width_px)
        scaled = len(look.log_scale) > 0
        return [self._problem.linked(term.clipped_at(width), view, scaled) for term, view in zip(terms, views, strict=True)]


def _moved_px(before: Look, after: Look) -> float:
    """Return by how many pixels the outline of one look moves to another, on average over its points."""
    moves = [0.0]
    for old, new in zip(before.renderings, after.renderings, strict=True):
        pixel = rim_points(outline_of_rendering(old), _POINTS_WATCHED).pixel
        if len(pixel):
            seen = new.camera.project(new.camera_from_world.apply(surface_behind(old, pixel)))
            moves.append(float(np.linalg.norm(seen - pixel, axis=1).mean()))
    return max(moves)


def _pixels_per_unit(views: Sequence[MaskView], level: int, look: Look) -> Array:
    """Return (6,) about how many pixels a unit of translation and a radian move the map, in the view that shows most of it."""
    best = max(range(len(views)), key=lambda i: look.renderings[i].coverage)
    depth, focal = look.renderings[best].depth, views[best].at(level).camera.fx
    seen = depth[depth > 0]
    return np.repeat([focal / float(np.median(seen)) if seen.size else focal, focal], 3)
