"""The classical way: descend, with Adam, on the difference of image and rendering, through the rendering.

Every step draws the map anew at the full size of a pyramid's level, so it costs some hundred times what the points of `Aligner`
cost, and sees as far as the gradients of one level reach. It is here to compare with, and for losses on whole pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from reloc.align.aligner import FEWEST_POINTS, Alignment, measured
from reloc.align.config import AdamConfig, AlignConfig
from reloc.align.descent import DescentRule, descend
from reloc.align.exposure import matched_exposure, neutral_exposure
from reloc.align.keyframe import Keyframe
from reloc.align.layers import Kind, Layer, Layers
from reloc.align.problem import ResidualTerm, Unknowns
from reloc.align.torch_motion import exp_motion
from reloc.align.trace import Trace
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3
from reloc.render.differentiable import DifferentiableRenderer, Drawing

if TYPE_CHECKING:
    from torch import Tensor

# A pose from which less than this share of the pixels is left to compare lowers the loss only by not looking.
_KEPT_IN_VIEW = 0.5


class PictureLoss(Protocol):
    """A further reason to prefer a pose, from whole pictures."""

    def __call__(self, image: Tensor, rendering: Tensor, seen: Tensor) -> Tensor:
        """Return a number from image and rendering (3, H, W), the latter exposed like the image, where `seen` (H, W) is true."""
        ...


class PoseLoss(Protocol):
    """A reason to prefer a pose that does not come from the picture's colours."""

    def __call__(self, camera_from_world: Tensor) -> Tensor:
        """Return a number from a pose, a matrix (4, 4)."""
        ...


class AdamAligner:
    """Aligns frames by first-order descent. Holds no state but its configuration and the map.

    Args:
        config: How to descend.
        align: How the result is measured.
        renderer: Draws the map.
        losses: What is added to the photometric loss.
        trace: Who wants to know of every step.
        beside: What else is added to it.
        measured_beside: The same as residual terms, for how sure the result is.
    """

    def __init__(
        self,
        config: AdamConfig,
        align: AlignConfig,
        renderer: DifferentiableRenderer,
        losses: Sequence[PictureLoss] = (),
        trace: Trace | None = None,
        *,
        beside: Sequence[PoseLoss] = (),
        measured_beside: Sequence[ResidualTerm] = (),
    ) -> None:
        self._config = config
        self._align = align
        self._renderer = renderer
        self._losses, self._beside, self._measured_beside = tuple(losses), tuple(beside), tuple(measured_beside)
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
        """Return where the descent from the likeliest guess leads; it takes too long for several."""
        layer = _layer(frame, self._config.width_px)
        problem = _Problem(self._config, layer, self._renderer, guesses[0], keyframe.depth, self._losses, self._beside)
        if problem.pixels < FEWEST_POINTS:
            start = Unknowns.at(guesses[0], neutral_exposure(3))
            return measured(keyframe, frame, start, Outcome.TOO_FEW_POINTS, 0, self._align)
        step = None if self._trace is None else self._trace.begin(guesses[0])

        def on_step(values: Sequence[Tensor]) -> None:
            if step is not None:
                step(problem.unknowns(values).camera_from_world)

        found = descend(problem.loss, problem.parameters, DescentRule.of(self._config), on_step)
        unknowns = problem.unknowns(found.values)
        on_step(found.values)
        outcome = Outcome.CONVERGED if found.settled else Outcome.MAX_ITERATIONS
        return measured(keyframe, frame, unknowns, outcome, found.iterations, self._align, self._measured_beside)


class _Problem:
    """The loss of one image, as a function of the parameters: a scaled tangent (6,), and gain and bias (3, 2)."""

    def __init__(
        self,
        config: AdamConfig,
        layer: Layer,
        renderer: DifferentiableRenderer,
        start: SE3,
        depth: float,
        losses: Sequence[PictureLoss],
        beside: Sequence[PoseLoss],
    ) -> None:
        import torch

        self._config, self._camera, self._renderer, self._losses, self._beside = config, layer.camera, renderer, losses, beside
        device = renderer.device
        image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(layer.values, 2, 0))).to(device)
        self._valid = ~image.isnan().any(dim=0)
        self._image = torch.nan_to_num(image)
        self._start = torch.from_numpy(start.matrix).to(device)
        # Translations in median depths move the image as far as rotations in radians: one learning rate serves both.
        scale = np.repeat([depth if math.isfinite(depth) else 1.0, 1.0], 3)
        self._scale = torch.from_numpy(scale).to(device)
        drawing = self._draw(self._start)
        seen = drawing.covered & self._valid
        self.pixels = int(seen.sum())
        exposure = matched_exposure(image[:, seen].T.cpu().numpy(), drawing.color[:, seen].T.detach().cpu().numpy())
        self._tangent = torch.zeros(6, dtype=torch.float64, device=device, requires_grad=True)
        self._exposure = torch.tensor(exposure.reshape(3, 2), dtype=torch.float32, device=device, requires_grad=True)

    @property
    def parameters(self) -> list[Tensor]:
        """What is descended on."""
        return [self._tangent, self._exposure]

    def loss(self) -> Tensor:
        """Return the mean clipped squared difference over the pixels that map and image share; infinite where those are few."""
        pose = self._pose(self._tangent)
        drawing = self._draw(pose)
        seen = drawing.covered & self._valid
        if int(seen.sum()) < max(FEWEST_POINTS, _KEPT_IN_VIEW * self.pixels):
            return self._exposure.sum() * math.inf
        gain, bias = self._exposure[:, :, None, None].unbind(1)
        rendering = gain * drawing.color + bias
        squares = ((self._image - rendering) ** 2).clamp(max=self._config.clip**2).mean(dim=0)
        photometric = (squares * seen).sum() / seen.sum()
        further = [loss(self._image, rendering, seen) for loss in self._losses] + [loss(pose) for loss in self._beside]
        return photometric + sum(further)

    def unknowns(self, values: Sequence[Tensor]) -> Unknowns:
        """Return pose and exposure at some values of the parameters."""
        tangent, exposure = values
        pose = SE3.from_matrix(self._pose(tangent).detach().cpu().numpy())
        return Unknowns.at(pose, exposure.cpu().double().numpy().ravel())

    def _pose(self, tangent: Tensor) -> Tensor:
        return exp_motion(tangent * self._scale) @ self._start

    def _draw(self, pose: Tensor) -> Drawing:
        return self._renderer.draw(self._camera, pose)


def _layer(frame: Layers, width_px: int) -> Layer:
    """Return the finest level of raw intensities that is at most so wide, or the coarsest."""
    narrow = [level for level in range(len(frame)) if frame.at(level, Kind.INTENSITY).camera.width <= width_px]
    return frame.at(min(narrow, default=len(frame) - 1), Kind.INTENSITY)
