"""Levenberg-Marquardt over a sum of residual terms. It knows neither images nor meshes.

Levenberg (1944), Marquardt (1963); damping by the diagonal of H, as in Nocedal and Wright, "Numerical Optimization", 10.3.

A robust cost bends less than its weights say, and noise in a gradient counts as slope: H is too large, and near the minimum the
steps fall short, one after the other in the same direction. What they have in common says by how much, and the next one may be
lengthened so (Aitken's method, for vectors: Irons and Tuck, "A version of the Aitken accelerator for computer iteration", 1969).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.problem import NormalEquations, ResidualTerm, Unknowns
from reloc.estimate import Outcome
from reloc.geometry.se3 import SE3

Array = NDArray[np.float64]

_FIRST_DAMPING = 1e-3
_LEAST_DAMPING = 1e-7
_MOST_DAMPING = 1e4
_DAMPING_UP = 10.0
_DAMPING_DOWN = 0.2
# A step that pushes most of the measurements out of view lowers the cost only by not looking.
_KEPT_IN_VIEW = 0.5


@dataclass(frozen=True)
class StopRule:
    """When the solver has done enough."""

    iterations: int
    """At most this many steps."""
    step: float
    """Converged when a step, measured by `scale`, is shorter than this. It is taken, but not worth a look at what it does."""
    cost_decrease: float
    """Converged when the cost falls by less than this share of it."""
    fewest: int
    """With fewer measurements in view than this there is nothing to solve."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the solver ended, and why there."""

    unknowns: Unknowns
    equations: NormalEquations
    """At `unknowns`, or a last short step before them."""
    outcome: Outcome
    iterations: int


def solve(
    terms: Sequence[ResidualTerm],
    start: Unknowns,
    rule: StopRule,
    scale: Array,
    trace: Callable[[SE3], None] | None = None,
    most_relaxation: float = 1.0,
) -> Solution:
    """Return the minimum of the sum of the terms near `start`.

    Args:
        terms: What to minimise.
        start: Where to begin.
        rule: When to stop.
        scale: (6,) factors that make the pose part of a step comparable with `rule.step`: pixels a metre and a radian, say.
        trace: Called with the pose after each step that was taken.
        most_relaxation: Up to so many times its length a step is taken, where those before it have fallen short.
    """
    unknowns, equations = start, linearize(terms, start)
    if equations.count < rule.fewest:
        return Solution(unknowns, equations, Outcome.TOO_FEW_POINTS, 0)
    damping, relaxation, before = _FIRST_DAMPING, 1.0, None
    for iteration in range(1, rule.iterations + 1):
        step = _damped_step(equations, damping)
        if step is None:
            return Solution(unknowns, equations, Outcome.DEGENERATE, iteration)
        relaxation = 1.0 if before is None else _relaxed(relaxation, before, step, scale, most_relaxation)
        candidate = unknowns.moved(relaxation * step)
        if _length(step, scale) < rule.step:
            if trace is not None:
                trace(candidate.camera_from_world)
            return Solution(candidate, equations, Outcome.CONVERGED, iteration)
        at_candidate = linearize(terms, candidate)
        if at_candidate.cost < equations.cost and at_candidate.count >= _KEPT_IN_VIEW * equations.count:
            decrease = (equations.cost - at_candidate.cost) / equations.cost
            unknowns, equations, before = candidate, at_candidate, step
            damping = max(damping * _DAMPING_DOWN, _LEAST_DAMPING)
            if trace is not None:
                trace(unknowns.camera_from_world)
            if decrease < rule.cost_decrease:
                return Solution(unknowns, equations, Outcome.CONVERGED, iteration)
        else:
            damping, before = damping * _DAMPING_UP, None
            if damping > _MOST_DAMPING:
                return Solution(unknowns, equations, Outcome.DIVERGED, iteration)
    return Solution(unknowns, equations, Outcome.MAX_ITERATIONS, rule.iterations)


def linearize(terms: Sequence[ResidualTerm], unknowns: Unknowns) -> NormalEquations:
    """Return the sum of the terms' normal equations."""
    return reduce(add, (term.linearize(unknowns) for term in terms))


def _damped_step(equations: NormalEquations, damping: float) -> Array | None:
    """Return −(H + λ diag H)⁻¹ g, or None where H is singular or not finite."""
    step = _solve_damped(equations.hessian, equations.gradient, damping)
    return step if math.isfinite(float(step @ step)) else None


@njit(cache=True, nogil=True)
def _length(step, scale):  # type: ignore[no-untyped-def]
    """Return the largest entry of the pose's part of a step, each times its scale."""
    length = 0.0
    for i in range(len(scale)):
        length = max(length, abs(step[i] * scale[i]))
    return length


@njit(cache=True, nogil=True, error_model="numpy")
def _relaxed(relaxation, before, step, scale, most):  # type: ignore[no-untyped-def]
    """Return the factor 1..`most` for a step, from that of the step before and what became of it.

    Of the steps r, then s, it is the last factor times r · (r − s) / |r − s|², by the pose alone. Steps that grow say: far.
    """
    shared, ahead, change = 0.0, 0.0, 0.0
    for i in range(len(scale)):
        first, second = before[i] * scale[i], step[i] * scale[i]
        shared += first * (first - second)
        ahead += first * second
        change += (first - second) ** 2
    if shared <= 0.0:
        return most if ahead > 0.0 else 1.0
    return min(max(relaxation * shared / change, 1.0), most)


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_damped(hessian, gradient, damping):  # type: ignore[no-untyped-def]
    """Solve by LDLᵀ without pivoting, which H + λ diag H, positive definite, does not need; NaN or infinite where it is not.

    Its own code because the library call costs ten times the arithmetic of 8 unknowns, forty times a frame.
    """
    size = len(gradient)
    lower, pivot, step = np.eye(size), np.empty(size), np.empty(size)
    for j in range(size):
        total = hessian[j, j] * (1.0 + damping)
        for k in range(j):
            total -= lower[j, k] * lower[j, k] * pivot[k]
        pivot[j] = total if total > 0.0 else np.nan
        for i in range(j + 1, size):
            total = hessian[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k] * pivot[k]
            lower[i, j] = total / pivot[j]
    for i in range(size):
        step[i] = -gradient[i]
        for k in range(i):
            step[i] -= lower[i, k] * step[k]
    for i in range(size):
        step[i] /= pivot[i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            step[i] -= lower[k, i] * step[k]
    return step
