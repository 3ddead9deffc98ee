"""An image and a mask of it aligned by first-order descent, on the sum of both losses."""

from __future__ import annotations

from collections.abc import Sequence

from reloc.align.adam import AdamAligner, PictureLoss
from reloc.align.aligner import Alignment
from reloc.align.config import AdamConfig, AlignConfig, KeyframeConfig, SilhouetteConfig
from reloc.align.joint import calibrated_outline
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Layers
from reloc.align.linked import WeightedTerm
from reloc.align.mask_views import MaskView
from reloc.align.overlap_loss import OverlapLoss
from reloc.align.trace import Trace
from reloc.geometry.se3 import SE3
from reloc.render.differentiable import DifferentiableRenderer, SoftRenderer
from reloc.render.renderer import Renderer


class AdamJointAligner:
    """A `JointAligner` that holds no state but its configuration and the map.

    Args:
        config: How to descend.
        align: How the result is measured.
        keyframes: At which surface points it is measured.
        silhouette: How the outline is compared when it is measured.
        inflation: The factor that makes the covariance of the texture's alignment a true one; that of the outline is.
        views: Draws the views that the result is measured against.
        colors: Draws the map's colours.
        outlines: Draws its soft silhouette.
        losses: What is added to the photometric loss.
        trace: Who wants to know of every step.
    """

    def __init__(
        self,
        config: AdamConfig,
        align: AlignConfig,
        keyframes: KeyframeConfig,
        silhouette: SilhouetteConfig,
        inflation: float,
        *,
        views: Renderer,
        colors: DifferentiableRenderer,
        outlines: SoftRenderer,
        losses: Sequence[PictureLoss] = (),
        trace: Trace | None = None,
    ) -> None:
        self._config, self._align, self._keyframes, self._silhouette = config, align, keyframes, silhouette
        self._inflation, self._views, self._colors, self._outlines = inflation, views, colors, outlines
        self._losses, self._trace = losses, trace

    def align(self, frame: Layers, mask: MaskView, start: SE3) -> tuple[Keyframe, Alignment]:
        """Return the keyframe at the start and the pose that image and mask agree on."""
        keyframe = make_keyframe(self._views, frame.main[0].camera, start, self._align, self._keyframes)
        # The squares are clipped: at the worst the photometric loss is clip². Either loss has the other's range.
        overlap = OverlapLoss(self._outlines, mask.at_most(self._config.width_px), self._config.clip**2)
        outline = calibrated_outline(mask.levels[0].outline, keyframe.rendering, self._silhouette)
        aligner = AdamAligner(
            self._config,
            self._align,
            self._colors,
            self._losses,
            self._trace,
            beside=[overlap],
            measured_beside=[WeightedTerm(outline, self._inflation)],
        )
        return keyframe, aligner.align(keyframe, frame, [start])
