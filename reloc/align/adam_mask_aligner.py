"""The classical way for masks: descend, with Adam, on the overlap of a mask and the soft silhouette of the map.

It is here to compare with: every step draws the soft silhouette anew, on one level, where `MaskAligner` compares two thousand
points of the outlines and goes from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reloc.align.config import AdamConfig
from reloc.align.descent import Descent, DescentRule, descend
from reloc.align.mask_problem import Look, MaskAlignment, MaskProblem
from reloc.align.mask_views import MaskView
from reloc.align.overlap_loss import OverlapLoss
from reloc.align.torch_motion import exp_about, scaled_view
from reloc.align.trace import Trace
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3
from reloc.render.differentiable import SoftRenderer

if TYPE_CHECKING:
    from torch import Tensor


class AdamMaskAligner:
    """Aligns a map to masks by first-order descent. Holds no state but its configuration and the map.

    Args:
        config: How to descend.
        renderer: Draws the map's soft silhouette.
        problem: Where to begin, and how the result is measured.
        trace: Who wants to know of every step.
    """

    def __init__(self, config: AdamConfig, renderer: SoftRenderer, problem: MaskProblem, trace: Trace | None = None) -> None:
        self._config, self._renderer, self._problem, self._trace = config, renderer, problem, trace

    def align(self, views: Sequence[MaskView], guess: SE3, *, refine_scale: bool = False) -> MaskAlignment:
        """Return where the descent from the likeliest start leads; it takes too long for several."""
        log_scale = np.zeros(int(refine_scale))
        looks = [self._problem.look(views, 0, pose, log_scale) for pose in self._problem.starts(views, guess)]
        start = max(looks, key=lambda look: look.overlap)
        finest = max(len(view.levels) for view in views) - 1
        if start.overlap == 0:
            # Where they do not touch, the overlap says nothing about where to go.
            nowhere = self._problem.look(views, finest, start.rig_from_world, log_scale)
            return self._problem.measure(views, finest, nowhere.ended(Outcome.TOO_FEW_POINTS, 0), 0)
        parameters = _Parameters(start, self._problem.center, self._renderer.device)
        found = self._descend(views, parameters, start)
        pose, log_scale = parameters.at(found.values)
        outcome = Outcome.CONVERGED if found.settled else Outcome.MAX_ITERATIONS
        end = self._problem.look(views, finest, pose, log_scale).ended(outcome, found.iterations)
        return self._problem.measure(views, finest, end, found.iterations)

    def _descend(self, views: Sequence[MaskView], parameters: _Parameters, start: Look) -> Descent:
        """Return the lowest mean loss over the views that was found."""
        import torch

        device = self._renderer.device
        losses = [OverlapLoss(self._renderer, view.at_most(self._config.width_px)) for view in views]
        from_rig = [torch.from_numpy(view.camera_from_rig.matrix).to(device) for view in views]
        step = None if self._trace is None else self._trace.begin(start.rig_from_world)

        def loss() -> Tensor:
            poses = [parameters.seen_from(camera) for camera in from_rig]
            return torch.stack([one(pose) for one, pose in zip(losses, poses, strict=True)]).mean()

        def on_step(values: Sequence[Tensor]) -> None:
            if step is not None:
                step(parameters.at(values)[0])

        found = descend(loss, parameters.tensors, DescentRule.of(self._config), on_step)
        on_step(found.values)
        return found


class _Parameters:
    """What is descended on: a motion of the map about its middle (6,), and where it is unknown the logarithm of its size (1,).

    A perturbation of the camera would turn the map about the camera: to be seen from another side, it would have to be turned and
    moved back in one, which first-order descent is slow at.
    """

    def __init__(self, start: Look, center: NDArray[np.float64], device: str) -> None:
        import torch

        middle = start.rig_from_world.apply(center)
        self._start, self._center, self._middle = (
            torch.from_numpy(one).to(device) for one in (start.rig_from_world.matrix, center, middle)
        )
        # Translations in distances move the image as far as rotations in radians: one learning rate serves both.
        scale = np.repeat([float(np.linalg.norm(middle)), 1.0], 3)
        self._scale = torch.from_numpy(scale).to(device)
        self._tangent = torch.zeros(6, dtype=torch.float64, device=device, requires_grad=True)
        self._log_scale = torch.zeros(len(start.log_scale), dtype=torch.float64, device=device, requires_grad=True)

    @property
    def tensors(self) -> list[Tensor]:
        """The parameters: the motion, and the logarithm of the size if it is unknown."""
        return [self._tangent, self._log_scale] if len(self._log_scale) else [self._tangent]

    def seen_from(self, camera_from_rig: Tensor) -> Tensor:
        """Return the pose (4, 4) from which a camera of the rig sees the map as it is where it would see it moved and scaled."""
        pose = camera_from_rig @ self._moved(self._tangent)
        return scaled_view(pose, self._log_scale.sum(), self._center) if len(self._log_scale) else pose

    def at(self, values: Sequence[Tensor]) -> tuple[SE3, NDArray[np.float64]]:
        """Return rig_from_world and log scale (1,) or (0,) at some values of the parameters."""
        pose = SE3.from_matrix(self._moved(values[0]).detach().cpu().numpy())
        return pose, values[1].cpu().numpy() if len(values) > 1 else np.zeros(0)

    def _moved(self, tangent: Tensor) -> Tensor:
        return exp_about(tangent * self._scale, self._middle) @ self._start
