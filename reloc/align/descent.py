"""First-order descent with torch's Adam (Kingma and Ba, ICLR 2015). It knows neither images nor meshes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reloc.align.config import AdamConfig

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DescentRule:
    """How far to step and when to stop."""

    learning_rate: float
    iterations: int
    """At most this many steps."""
    patience: int
    """Stop when the loss has not fallen for so many steps."""
    least_decrease: float
    """What counts as falling."""

    @classmethod
    def of(cls, config: AdamConfig) -> DescentRule:
        """Return the rule of a configuration."""
        return cls(config.learning_rate, config.steps, config.patience, config.least_decrease)


@dataclass(frozen=True, eq=False)
class Descent:
    """The best point of a descent, which need not be its last."""

    values: list[Tensor]
    """The parameters there; where it began if the loss was finite nowhere."""
    loss: float
    iterations: int
    settled: bool
    """Whether it stopped because the loss no longer fell."""


def descend(
    loss: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    rule: DescentRule,
    on_step: Callable[[Sequence[Tensor]], None] | None = None,
) -> Descent:
    """Move `parameters` in place along the gradient of `loss`, and return the best that was seen.

    Ends early, unsettled, where the loss is no longer finite. `on_step` is called with the parameters after each step.
    """
    import torch

    optimizer = torch.optim.Adam(parameters, lr=rule.learning_rate)
    best, lowest, milestone, waited = _copied(parameters), math.inf, math.inf, 0
    for iteration in range(1, rule.iterations + 1):
        current = loss()
        value = float(current.detach())
        if not math.isfinite(value):
            return Descent(best, lowest, iteration, settled=False)
        if value < lowest:
            best, lowest = _copied(parameters), value
        # Many small falls that add up to a large one count as falling.
        waited = 0 if value < milestone - rule.least_decrease else waited + 1
        milestone = value if waited == 0 else milestone
        if waited >= rule.patience:
            return Descent(best, lowest, iteration, settled=True)
        optimizer.zero_grad()
        current.backward()
        optimizer.step()
        if on_step is not None:
            on_step([parameter.detach() for parameter in parameters])
    return Descent(best, lowest, rule.iterations, settled=False)


def _copied(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]
