"""Coarse to fine for masks: from a guess to the pose at which the outlines of map and masks lie on one another.

The map is rendered anew every few steps of the solver, since another part of the surface makes its outline as the pose moves.
Several cameras of a rig, each with its own mask, share one pose; a single camera is a rig of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.align.aim import aimed_poses
from reloc.align.clustered import clustered_covariance
from reloc.align.config import SilhouetteConfig
from reloc.align.linked import RigTerm, ScaledTerm, scaled_pose
from reloc.align.mask_views import MaskView
from reloc.align.outline import outline_of_rendering, overlap, rim_points, surface_behind
from reloc.align.problem import POSE_SIZE, ResidualTerm, Unknowns
from reloc.align.robust import robust_scale
from reloc.align.silhouette import SilhouetteTerm, silhouette_term
from reloc.align.solver import StopRule, solve
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer, Rendering

Array = NDArray[np.float64]

_FEWEST_POINTS = 20
_COST_DECREASE = 1e-3
_POINTS_WATCHED = 100
"""Points of the outline by which it is told whether it still moves."""
SECTORS = 24
"""Parts that an outline is cut into, whose errors count as independent: a wrong shape is wrong over such a stretch."""
_PIXEL_SIGMA = 12.0**-0.5
"""Pixels by which an outline of whole pixels errs at each of them: evenly over one."""


@dataclass(frozen=True, eq=False)
class MaskAlignment:
    """The pose at which the map's outline fits the masks best, and how well."""

    rig_from_world: SE3
    """For a single camera without a rig, camera_from_world."""
    outcome: Outcome
    iterations: int
    """Of the solver, over all levels and starts."""
    covariance: Array
    """(6, 6) of the left perturbation of `rig_from_world`."""
    overlaps: tuple[float, ...]
    """Intersection over union of mask and map, 0..1, at the finest level, for each view."""
    residual_px: float
    """Robust standard deviation of the distances between the outlines, at the finest level."""
    scale: float = 1.0
    """What the map is to be multiplied by, about its middle; 1 where that was not asked."""
    scale_sigma: float = 0.0
    """Its standard deviation."""

    @property
    def overlap(self) -> float:
        """The mean over the views."""
        return float(np.mean(self.overlaps))


@dataclass(frozen=True, eq=False)
class _Look:
    """A state, what the cameras see in it, and how well that fits."""

    rig_from_world: SE3
    log_scale: Array
    """(1,), or (0,) where the scale is fixed."""
    renderings: tuple[Rendering, ...]
    overlaps: tuple[float, ...]
    outcome: Outcome = Outcome.MAX_ITERATIONS
    iterations: int = 0

    @property
    def overlap(self) -> float:
        return float(np.mean(self.overlaps))


class MaskAligner:
    """Aligns a map to masks. Holds no state but its configuration.

    Args:
        renderer: Draws the map.
        center: (3,) the middle of the map in the world: what to aim at, and what stays where it is when the map is scaled.
        config: How to align.
    """

    def __init__(self, renderer: Renderer, center: Array, config: SilhouetteConfig | None = None) -> None:
        self._renderer = renderer
        self._center = np.asarray(center, dtype=np.float64)
        self._config = config or SilhouetteConfig()

    def align(self, views: Sequence[MaskView], guess: SE3, *, refine_scale: bool = False) -> MaskAlignment:
        """Return the best alignment that the guess leads to.

        Args:
            views: The masks; at least one, and for `refine_scale` at least two, since one view cannot tell size from distance.
            guess: rig_from_world; for a single camera camera_from_world.
            refine_scale: Whether the size of the map is unknown as well.
        """
        levels = max(len(view.levels) for view in views)
        log_scale = np.zeros(int(refine_scale))
        starts = [self._look(views, 0, pose, log_scale) for pose in self._starts(views, guess)]
        refined = [self._refine(views, 0, levels, start) for start in starts]
        best = max(refined, key=lambda look: look.overlap)
        iterations = sum(look.iterations for look in refined)
        for level in range(1, levels):
            best = self._refine(views, level, levels, self._look(views, level, best.rig_from_world, best.log_scale))
            iterations += best.iterations
        return self._measure(views, levels - 1, best, iterations)

    def _starts(self, views: Sequence[MaskView], guess: SE3) -> list[SE3]:
        """Return poses to begin at: the guess, and some at which the view that sees most of the object is aimed at its mask."""
        view = max(views, key=lambda one: one.at(0).outline.area)
        camera_from_world = view.camera_from_rig @ guess
        aimed = aimed_poses(self._renderer, view.at(0), camera_from_world, self._center, self._config.starts)
        return [view.camera_from_rig.inverse() @ pose for pose in aimed]

    def _look(self, views: Sequence[MaskView], level: int, rig_from_world: SE3, log_scale: Array) -> _Look:
        """Render the map for all views."""
        scale = float(np.exp(log_scale.sum()))
        poses = [scaled_pose(view.camera_from_rig @ rig_from_world, scale, self._center) for view in views]
        renderings = tuple(self._renderer.render(view.at(level).camera, pose) for view, pose in zip(views, poses, strict=True))
        overlaps = tuple(
            overlap(view.at(level).outline, outline_of_rendering(rendering))
            for view, rendering in zip(views, renderings, strict=True)
        )
        return _Look(rig_from_world, log_scale, renderings, overlaps)

    def _refine(self, views: Sequence[MaskView], level: int, levels: int, start: _Look) -> _Look:
        """Solve and render in turns on one level, until the pose stays; return the look with the largest overlap."""
        here = best = start
        iterations, outcome = 0, Outcome.MAX_ITERATIONS
        per_unit = _pixels_per_unit(views, level, start)
        rule = StopRule(self._config.steps, self._config.solved_px, _COST_DECREASE, _FEWEST_POINTS)
        for _ in range(self._config.rounds):
            unknowns = Unknowns.at(here.rig_from_world, here.log_scale)
            solution = solve(self._terms(views, level, levels, here), unknowns, rule, per_unit)
            iterations += solution.iterations
            if solution.outcome in (Outcome.TOO_FEW_POINTS, Outcome.DEGENERATE):
                outcome = solution.outcome
                break
            before = here
            here = self._look(views, level, solution.unknowns.camera_from_world, solution.unknowns.exposure)
            best = max(best, here, key=lambda look: look.overlap)
            if _moved_px(before, here) < self._config.settled_px:
                outcome = Outcome.CONVERGED
                break
        return _Look(best.rig_from_world, best.log_scale, best.renderings, best.overlaps, outcome, iterations)

    def _terms(self, views: Sequence[MaskView], level: int, levels: int, look: _Look) -> list[ResidualTerm]:
        """Return what to minimise around a look, its robust cost as wide as the residuals ask for."""
        terms, residuals = self._open_terms(views, level, look)
        coarse = 1.0 - level / max(levels - 1, 1)
        clip = self._config.clip_fine + coarse * (self._config.clip_coarse - self._config.clip_fine)
        width = max(clip * robust_scale(residuals), self._config.least_width_px)
        scaled = len(look.log_scale) > 0
        return [self._linked(term.clipped_at(width), view, scaled) for term, view in zip(terms, views, strict=True)]

    def _open_terms(self, views: Sequence[MaskView], level: int, look: _Look) -> tuple[list[SilhouetteTerm], Array]:
        """Return the terms around a look, without any clipping, and their residuals."""
        terms = [
            silhouette_term(view.at(level).outline, rendering, self._config.rim_points)
            for view, rendering in zip(views, look.renderings, strict=True)
        ]
        residuals = [
            term.residuals(Unknowns.at(rendering.camera_from_world, np.empty(0)))
            for term, rendering in zip(terms, look.renderings, strict=True)
        ]
        return terms, np.concatenate(residuals)

    def _linked(self, term: ResidualTerm, view: MaskView, scaled: bool) -> RigTerm:
        """Return a term of one camera as one of the rig's pose, and of the map's size where that is unknown."""
        if scaled:
            return RigTerm(ScaledTerm(term, self._center), view.camera_from_rig, (0,))
        return RigTerm(term, view.camera_from_rig)

    def _measure(self, views: Sequence[MaskView], level: int, look: _Look, iterations: int) -> MaskAlignment:
        """Say how well the finest level fits, and how sure that makes the pose."""
        terms, residuals = self._open_terms(views, level, look)
        scale = robust_scale(residuals)
        width = max(self._config.clip_fine * scale, self._config.least_width_px)
        unknowns = Unknowns.at(look.rig_from_world, look.log_scale)
        parts = [
            self._linked(part.clipped_at(width), view, len(look.log_scale) > 0).linearize(unknowns)
            for term, view in zip(terms, views, strict=True)
            for part in term.sectors(SECTORS)
        ]
        covariance = self._config.model_error * clustered_covariance(parts, _PIXEL_SIGMA)
        size = float(np.exp(look.log_scale.sum()))
        return MaskAlignment(
            rig_from_world=look.rig_from_world,
            outcome=look.outcome,
            iterations=iterations,
            covariance=covariance[:POSE_SIZE, :POSE_SIZE],
            overlaps=look.overlaps,
            residual_px=scale,
            scale=size,
            scale_sigma=size * float(np.sqrt(np.diag(covariance)[POSE_SIZE:].sum())),
        )


def _moved_px(before: _Look, after: _Look) -> float:
    """Return by how many pixels the outline of one look moves to another, on average over its points."""
    moves = [0.0]
    for old, new in zip(before.renderings, after.renderings, strict=True):
        pixel = rim_points(outline_of_rendering(old), _POINTS_WATCHED).pixel
        if len(pixel):
            seen = new.camera.project(new.camera_from_world.apply(surface_behind(old, pixel)))
            moves.append(float(np.linalg.norm(seen - pixel, axis=1).mean()))
    return max(moves)


def _pixels_per_unit(views: Sequence[MaskView], level: int, look: _Look) -> Array:
    """Return (6,) about how many pixels a unit of translation and a radian move the map, in the view that shows most of it."""
    best = max(range(len(views)), key=lambda i: look.renderings[i].coverage)
    depth, focal = look.renderings[best].depth, views[best].at(level).camera.fx
    seen = depth[depth > 0]
    return np.repeat([focal / float(np.median(seen)) if seen.size else focal, focal], 3)
