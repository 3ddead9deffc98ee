"""An image and a mask of it aligned at once: the texture of the map and its outline, each as far as it can be trusted."""

from __future__ import annotations

import numpy as np

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig, KeyframeConfig, SilhouetteConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers
from reloc.align.linked import WeightedTerm
from reloc.align.mask_aligner import SECTORS
from reloc.align.outline import Outline
from reloc.align.problem import Unknowns
from reloc.align.robust import robust_scale
from reloc.align.silhouette import silhouette_term
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer, Rendering

_ROUNDS = 2
"""The outline of the map is that of the pose where it was rendered: once more from where the first alignment has led."""
_NEARBY_PX = 4.0
"""How far, as a standard deviation in pixels, the pose of the mask alone leaves the texture off."""
_PIXEL_VARIANCE = 1 / 12


def align_both(
    renderer: Renderer,
    frame: Layers,
    mask: Outline,
    start: SE3,
    align: AlignConfig,
    keyframes: KeyframeConfig,
    silhouette: SilhouetteConfig,
    inflation: float,
) -> tuple[Keyframe, Alignment]:
    """Return the last keyframe and the pose that image and mask agree on.

    Args:
        renderer: Draws the map.
        frame: The layers of the image.
        mask: The outline of the object at the finest level of `frame`.
        start: camera_from_world, near the solution: what the mask alone gives.
        align: How to align the texture.
        keyframes: Which surface points to align.
        silhouette: How to align the outline.
        inflation: The factor that makes the covariance of the texture's alignment a true one; that of the outline is.
    """
    camera, pose = frame.main[0].camera, start
    for _ in range(_ROUNDS):
        keyframe = make_keyframe(renderer, camera, pose, align, keyframes)
        outline = calibrated_outline(mask, keyframe.rendering, silhouette)
        aligner = Aligner(align, beside=[WeightedTerm(outline, inflation)])
        alignment = aligner.align(keyframe, frame, [pose], uncertainty_px=_NEARBY_PX)
        pose = alignment.camera_from_world
    return keyframe, alignment


def calibrated_outline(mask: Outline, rendering: Rendering, config: SilhouetteConfig) -> WeightedTerm:
    """Return the comparison of outlines with a cost in variances: as sure as so many independent stretches of outline make it."""
    term = silhouette_term(mask, rendering, config.rim_points)
    residuals = term.residuals(Unknowns.at(rendering.camera_from_world, np.empty(0)))
    scale = robust_scale(residuals)
    count = max(int(np.count_nonzero(~np.isnan(residuals))), 1)
    variance = config.model_error * (scale**2 * count / SECTORS + _PIXEL_VARIANCE)
    return WeightedTerm(term.clipped_at(max(config.clip_fine * scale, config.least_width_px)), 1 / variance)
