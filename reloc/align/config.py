"""What can be chosen about the alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True)
class AlignConfig:
    """Coarse-to-fine photometric alignment."""

    solver: Literal["lm", "adam"] = "lm"
    """How the cost is minimised: `lm` is Levenberg-Marquardt with analytic Jacobians; `adam` is first-order descent through a
    differentiable rendering: hundreds of times slower, to compare with. It looks at raw colours, whatever `residual` and
    `exposure` say, and at a mask through a soft silhouette."""
    residual: Literal["local", "intensity"] = "local"
    """What is compared: intensities, or intensities normalised by the mean and deviation of a window, which shadows spare."""
    exposure: Literal["luminance", "rgb"] = "luminance"
    """One gain and bias on the luminance, or three gains and three biases on red, green and blue (three times the work)."""
    points: Annotated[int, Ge(100)] = 2000
    """Surface points that are aligned, at most, at each level of the pyramid."""
    coarsest_width_px: Annotated[int, Ge(8)] = 28
    """The pyramid is halved as long as its images stay at least this wide: smaller starts from further off, but confuses more."""
    window_px: Annotated[int, Ge(3)] = 31
    """Side of the window of the local normalisation on the fine levels; the coarse ones, of fewer pixels, take smaller ones."""
    noise_floor: Annotated[float, Gt(0), Le(1)] = 0.02
    """Deviation, in intensities 0..1, below which the local normalisation takes texture for noise."""
    iterations: Annotated[int, Ge(1)] = 25
    """Steps of the solver at each level, at most."""
    step_px: Annotated[float, Gt(0)] = 0.03
    """A level has converged when a step moves the image by less than this."""
    cost_decrease: Annotated[float, Gt(0)] = 1e-3
    """A level has converged when a step lowers the cost by less than this share of it."""
    clip_fine: Annotated[float, Gt(0)] = 2.0
    """Residuals beyond this many times their scale count for nothing (Tukey), at the finest level."""
    clip_coarse: Annotated[float, Gt(0)] = 4.0
    """The same at the coarsest level; wider, for there the start is furthest off."""
    gain_sigma: Annotated[float, Gt(0)] = 0.1
    """Standard deviation of the prior on the exposure gain, around the gain that matches the contrast of image and rendering."""
    bias_sigma: Annotated[float, Gt(0)] = 0.05
    """Standard deviation of the prior on the exposure bias, in intensities 0..1."""

    def as_solved(self) -> AlignConfig:
        """Return the settings with what the solver cannot do otherwise."""
        return replace(self, residual="intensity", exposure="rgb") if self.solver == "adam" else self


@dataclass(frozen=True)
class AdamConfig:
    """First-order descent (align.solver: adam)."""

    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """How far a step goes at first: in radians, in median depths of the view, and in intensities 0..1."""
    steps: Annotated[int, Ge(1)] = 300
    """Steps at most, each of which draws the map once."""
    patience: Annotated[int, Ge(1)] = 25
    """Stops when the loss has not fallen for so many steps."""
    least_decrease: Annotated[float, Ge(0)] = 1e-5
    """What counts as falling."""
    clip: Annotated[float, Gt(0)] = 0.2
    """Differences of intensities 0..1 beyond this count as this much (clipped L2)."""
    width_px: Annotated[int, Ge(8)] = 240
    """Compares the finest level of the pyramid that is at most this wide."""
    softness_px: Annotated[float, Gt(0)] = 0.7
    """Masks: over how many pixels the outline of the map fades, so that it has a gradient."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where torch computes; `auto` takes a graphics card where there is one."""


@dataclass(frozen=True)
class KeyframeConfig:
    """Which surface points are aligned, and for how long."""

    moved_share: Annotated[float, Gt(0)] = 0.06
    """A new view is rendered once the camera has moved by this share of the median depth."""
    turned_deg: Annotated[float, Gt(0)] = 4.0
    """A new view is rendered once the camera has turned by this many degrees."""
    search_zoom: Annotated[float, Gt(0), Le(1)] = 0.98
    """While the pose is searched for, views are rendered with this share of the camera's focal length. With all of it every point
    falls on a pixel at the very pose that the search has led to: there, unlike anywhere near, interpolation blurs nothing, which
    makes a bump in the cost that drives the pose away."""
    grazing_cosine: Annotated[float, Ge(0), Le(1)] = 0.15
    """Surface seen at a flatter angle than this cosine is left out, as is what is seen from behind."""
    depth_step: Annotated[float, Gt(0)] = 0.15
    """Pixels whose neighbours differ in depth by more than this share of it lie on an occluding edge and are left out."""
    rim_px: Annotated[int, Ge(0)] = 2
    """Points closer than this to such an edge or to a hole are left out."""
    two_sided: bool = False
    """Also align surface that is seen from behind, for maps whose faces are not wound consistently."""


@dataclass(frozen=True)
class SilhouetteConfig:
    """Coarse-to-fine alignment of the map's outline with that of a mask."""

    rim_points: Annotated[int, Ge(100)] = 2000
    """Points of either outline that are compared, at most."""
    starts: Annotated[int, Ge(0)] = 4
    """How many poses aimed at the mask are tried on the coarsest level, beside the guess; 0 for no more than the guess."""
    rounds: Annotated[int, Ge(1)] = 8
    """At each level the map is rendered anew so often, at most."""
    steps: Annotated[int, Ge(1)] = 4
    """Steps of the solver from one rendering to the next, at most."""
    solved_px: Annotated[float, Gt(0)] = 0.03
    """The solver has converged when a step moves the outline by less than this."""
    settled_px: Annotated[float, Gt(0)] = 0.1
    """A level has converged when what happens between two renderings moves the outline by less than this, on average."""
    clip_fine: Annotated[float, Gt(0)] = 3.0
    """Distances beyond this many times their scale count for nothing (Tukey), at the finest level: holes in a mask, say."""
    clip_coarse: Annotated[float, Gt(0)] = 4.0
    """The same at the coarsest level."""
    least_width_px: Annotated[float, Gt(0)] = 2.0
    """Distances below this always count."""
    believed_overlap: Annotated[float, Gt(0), Le(1)] = 0.8
    """A pose is believed where intersection over union of map and mask is at least this."""
    model_error: Annotated[float, Ge(1)] = 16.0
    """Factor on the covariance that the misfit of the outlines gives, since a mesh that is too small all around fits all the same
    (set on made-up deformations of a mesh, checked on photographs; docs/silhouettes.md)."""
    absorbed_misfit: Annotated[float, Gt(0)] = 0.04
    """With one view, 1 − IoU at which that factor is twice as large: what of a wrong shape is left over says how much of it the
    pose may have absorbed. Several views contradict one another, and what the pose cannot absorb counts by itself."""

    def shape_factor(self, overlaps: Sequence[float]) -> float:
        """Return the factor on the covariance for the overlaps (intersection over union) that all views have reached."""
        absorbed = 1.0 - overlaps[0] if len(overlaps) == 1 else 0.0
        return self.model_error * (1.0 + absorbed / self.absorbed_misfit)
