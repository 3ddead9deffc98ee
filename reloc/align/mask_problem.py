"""What a map and the masks of an object say of a pose: how it looks, how the outlines compare, and how sure that makes it.

It is the same for every solver. Several cameras of a rig, each with its own mask, share one pose; one camera is a rig of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reloc.align.aim import aimed_poses
from reloc.align.clustered import clustered_covariance
from reloc.align.config import SilhouetteConfig
from reloc.align.linked import RigTerm, ScaledTerm, scaled_pose
from reloc.align.mask_views import MaskView
from reloc.align.outline import outline_of_rendering, overlap
from reloc.align.problem import POSE_SIZE, ResidualTerm, Unknowns
from reloc.align.robust import robust_scale
from reloc.align.silhouette import SilhouetteTerm, silhouette_term
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer, Rendering

Array = NDArray[np.float64]

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
class Look:
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
        """The mean over the views."""
        return float(np.mean(self.overlaps))

    def ended(self, outcome: Outcome, iterations: int) -> Look:
        """Return the look as the end of a solver's way."""
        return replace(self, outcome=outcome, iterations=iterations)


class FrameMaskAligner(Protocol):
    """Brings a map and masks into register, by whatever solver."""

    def align(self, views: Sequence[MaskView], guess: SE3, *, refine_scale: bool = False) -> MaskAlignment:
        """Return the best alignment that the guess leads to; see `MaskAligner` for the arguments."""
        ...


class MaskProblem:
    """Holds no state but its configuration.

    Args:
        renderer: Draws the map.
        center: (3,) the middle of the map in the world: what to aim at, and what stays where it is when the map is scaled.
        config: How to compare outlines.
    """

    def __init__(self, renderer: Renderer, center: Array, config: SilhouetteConfig) -> None:
        self._renderer = renderer
        self.center = np.asarray(center, dtype=np.float64)
        self._config = config

    def starts(self, views: Sequence[MaskView], guess: SE3) -> list[SE3]:
        """Return poses to begin at: the guess, and some at which the view that sees most of the object is aimed at its mask."""
        view = max(views, key=lambda one: one.at(0).outline.area)
        camera_from_world = view.camera_from_rig @ guess
        aimed = aimed_poses(self._renderer, view.at(0), camera_from_world, self.center, self._config.starts)
        return [view.camera_from_rig.inverse() @ pose for pose in aimed]

    def look(self, views: Sequence[MaskView], level: int, rig_from_world: SE3, log_scale: Array) -> Look:
        """Render the map for all views."""
        scale = float(np.exp(log_scale.sum()))
        poses = [scaled_pose(view.camera_from_rig @ rig_from_world, scale, self.center) for view in views]
        renderings = tuple(self._renderer.render(view.at(level).camera, pose) for view, pose in zip(views, poses, strict=True))
        overlaps = tuple(
            overlap(view.at(level).outline, outline_of_rendering(rendering))
            for view, rendering in zip(views, renderings, strict=True)
        )
        return Look(rig_from_world, log_scale, renderings, overlaps)

    def open_terms(self, views: Sequence[MaskView], level: int, look: Look) -> tuple[list[SilhouetteTerm], Array]:
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

    def linked(self, term: ResidualTerm, view: MaskView, scaled: bool) -> RigTerm:
        """Return a term of one camera as one of the rig's pose, and of the map's size where that is unknown."""
        if scaled:
            return RigTerm(ScaledTerm(term, self.center), view.camera_from_rig, (0,))
        return RigTerm(term, view.camera_from_rig)

    def measure(self, views: Sequence[MaskView], level: int, look: Look, iterations: int) -> MaskAlignment:
        """Say how well the finest level fits, and how sure that makes the pose."""
        terms, residuals = self.open_terms(views, level, look)
        scale = robust_scale(residuals)
        width = max(self._config.clip_fine * scale, self._config.least_width_px)
        unknowns = Unknowns.at(look.rig_from_world, look.log_scale)
        parts = [
            self.linked(part.clipped_at(width), view, len(look.log_scale) > 0).linearize(unknowns)
            for term, view in zip(terms, views, strict=True)
            for part in term.sectors(SECTORS)
        ]
        covariance = self._config.shape_factor(look.overlaps) * clustered_covariance(parts, _PIXEL_SIGMA)
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
