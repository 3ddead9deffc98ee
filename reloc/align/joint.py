"""An image and a mask of it aligned at once: the texture of the map and its outline, each as far as it can be trusted."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig, KeyframeConfig, SilhouetteConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers
from reloc.align.linked import WeightedTerm
from reloc.align.mask_problem import SECTORS
from reloc.align.mask_views import MaskView
from reloc.align.outline import Outline, outline_of_rendering, overlap
from reloc.align.problem import Unknowns
from reloc.align.robust import robust_scale
from reloc.align.silhouette import silhouette_term
from reloc.align.trace import Trace
from reloc.geometry.se3 import SE3
from reloc.render.renderer import Renderer, Rendering

_ROUNDS = 2
"""The outline of the map is that of the pose where it was rendered: once more from where the first alignment has led."""
_NEARBY_PX = 4.0
"""How far, as a standard deviation in pixels, the pose of the mask alone leaves the texture off."""
_PIXEL_VARIANCE = 1 / 12


class JointAligner(Protocol):
    """Brings an image and a mask of it into register with the map, by whatever solver."""

    def align(self, frame: Layers, mask: MaskView, start: SE3) -> tuple[Keyframe, Alignment]:
        """Return the last keyframe and the pose that image and mask agree on.

        Args:
            frame: The layers of the image.
            mask: The mask, its finest level as large as the image's.
            start: camera_from_world, near the solution: what the mask alone gives.
        """
        ...


class LmJointAligner:
    """Aligns by Levenberg-Marquardt. Holds no state but its configuration and the map.

    Args:
        renderer: Draws the map.
        align: How to align the texture.
        keyframes: Which surface points to align.
        silhouette: How to align the outline.
        inflation: The factor that makes the covariance of the texture's alignment a true one; that of the outline is.
        trace: Who wants to know of every step.
    """

    def __init__(
        self,
        renderer: Renderer,
        align: AlignConfig,
        keyframes: KeyframeConfig,
        silhouette: SilhouetteConfig,
        inflation: float,
        trace: Trace | None = None,
    ) -> None:
        self._renderer, self._align, self._keyframes, self._silhouette = renderer, align, keyframes, silhouette
        self._inflation, self._trace = inflation, trace

    def align(self, frame: Layers, mask: MaskView, start: SE3) -> tuple[Keyframe, Alignment]:
        """Return the last keyframe and the pose that image and mask agree on."""
        camera, pose = frame.main[0].camera, start
        for _ in range(_ROUNDS):
            keyframe = make_keyframe(self._renderer, camera, pose, self._align, self._keyframes)
            outline = calibrated_outline(mask.levels[0].outline, keyframe.rendering, self._silhouette)
            aligner = Aligner(self._align, beside=[WeightedTerm(outline, self._inflation)], trace=self._trace)
            alignment = aligner.align(keyframe, frame, [pose], uncertainty_px=_NEARBY_PX)
            pose = alignment.camera_from_world
        return keyframe, alignment


def calibrated_outline(mask: Outline, rendering: Rendering, config: SilhouetteConfig) -> WeightedTerm:
    """Return the comparison of outlines with a cost in variances: as sure as so many independent stretches of outline make it."""
    term = silhouette_term(mask, rendering, config.rim_points)
    residuals = term.residuals(Unknowns.at(rendering.camera_from_world, np.empty(0)))
    scale = robust_scale(residuals)
    count = max(int(np.count_nonzero(~np.isnan(residuals))), 1)
    factor = config.shape_factor([overlap(mask, outline_of_rendering(rendering))])
    variance = factor * (scale**2 * count / SECTORS + _PIXEL_VARIANCE)
    return WeightedTerm(term.clipped_at(max(config.clip_fine * scale, config.least_width_px)), 1 / variance)
