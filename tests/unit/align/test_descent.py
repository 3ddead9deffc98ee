from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from reloc.align.descent import DescentRule, descend


def rule(iterations: int = 100, patience: int = 5, least_decrease: float = 1e-5, learning_rate: float = 0.1) -> DescentRule:
    return DescentRule(learning_rate, iterations, patience, least_decrease)


def scripted(values: Sequence[float]) -> tuple[Callable[[], torch.Tensor], torch.Tensor]:
    """A loss that takes given values whatever the parameter is, and the parameter."""
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    coming = iter(values)
    return lambda: next(coming) + 0.0 * parameter.sum(), parameter


def test_a_valley_is_descended_to_its_bottom() -> None:
    x = torch.tensor([-1.0, 1.5], dtype=torch.float64, requires_grad=True)
    found = descend(lambda: (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2, [x], rule(1500, 300, 1e-12, 0.03))
    assert found.values[0].tolist() == pytest.approx([1, 1], abs=0.02)


def test_the_best_point_is_kept_not_the_last() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    found = descend(lambda: (x**2).sum(), [x], rule(12, learning_rate=0.3))
    assert found.loss == pytest.approx(float(found.values[0] ** 2))
    assert float(x.detach() ** 2) > found.loss


@pytest.mark.parametrize(
    ("values", "iterations", "lowest"),
    [
        ([1.0] * 20, 6, 1.0),  # the first sets the mark, five more do not fall
        ([5.0, 4.0, 3.0] + [3.0] * 20, 8, 3.0),
        ([1.0, 0.5] + [0.5 - 1e-6] * 20, 7, 0.5 - 1e-6),  # too small to count as falling, and yet the best
        ([1 - 4e-6 * i for i in range(40)], 40, 1 - 4e-6 * 39),  # small falls that add up
    ],
)
def test_it_stops_when_the_loss_has_not_fallen_for_so_many_steps(values: list[float], iterations: int, lowest: float) -> None:
    loss, parameter = scripted(values)
    found = descend(loss, [parameter], rule(iterations=40))
    assert found.iterations == iterations
    assert found.settled == (iterations < 40)
    assert found.loss == pytest.approx(lowest, abs=1e-9)


def test_a_loss_that_is_not_finite_ends_it_at_the_best_so_far() -> None:
    loss, parameter = scripted([1.0, 0.5, float("nan")])
    found = descend(loss, [parameter], rule())
    assert (found.loss, found.iterations, found.settled) == (0.5, 3, False)
