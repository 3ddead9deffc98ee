from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.optimize

from reloc.align.exposure import ExposurePrior
from reloc.align.problem import NormalEquations, ResidualTerm, Unknowns
from reloc.align.solver import StopRule, linearize, solve
from reloc.estimate import Outcome
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA, SOLVED

CAMERA = PinholeCamera(320, 240, 250.0, 250.0, 159.5, 119.5)
RULE = StopRule(iterations=50, step=1e-9, cost_decrease=1e-14, fewest=4)
PIXELS = np.repeat([CAMERA.fx / 2.0, CAMERA.fx], 3)
EXPOSURE = np.array([1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Reprojection:
    """Corners that were found in the image, some a little off: least squares without any image."""

    points: np.ndarray
    found_px: np.ndarray

    def residuals(self, unknowns: Unknowns) -> np.ndarray:
        return CAMERA.project(unknowns.camera_from_world.apply(self.points)) - self.found_px

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        residual, (x, y, z) = self.residuals(unknowns), unknowns.camera_from_world.apply(self.points).T
        nothing, f = np.zeros_like(x), CAMERA.fx
        along_u = [f / z, nothing, -f * x / z**2, -f * x * y / z**2, f * (1 + x * x / z**2), -f * y / z]
        along_v = [nothing, f / z, -f * y / z**2, -f * (1 + y * y / z**2), f * x * y / z**2, f * x / z]
        jacobian = np.zeros((8, 2 * len(x)))
        jacobian[:6] = np.concatenate([along_u, along_v], axis=1)
        stacked = residual.T.ravel()
        return NormalEquations(jacobian @ jacobian.T, jacobian @ stacked, 0.5 * float(stacked @ stacked), len(x))


def reprojection(seed: int, noise_px: float) -> Reprojection:
    rng = np.random.default_rng(seed)
    in_camera = rng.uniform([-1, -0.8, 1.5], [1, 0.8, 3.0], (40, 3))
    return Reprojection(ANYWHERE.inverse().apply(in_camera), CAMERA.project(in_camera) + noise_px * rng.standard_normal((40, 2)))


PRIOR = ExposurePrior.around(np.array([1.3, -0.2]), 0.1, 0.05, residual_sigma=1.0)


# The minimum


@pytest.mark.parametrize("seed", range(5))
def test_the_minimum_is_that_of_scipy(seed: int) -> None:
    term = reprojection(seed, noise_px=0.7)
    start = SE3.exp(np.random.default_rng(seed).normal(0, [0.1] * 3 + [0.08] * 3)) @ ANYWHERE
    found = solve([term, PRIOR], Unknowns.at(start, EXPOSURE), RULE, PIXELS)
    judged = scipy.optimize.least_squares(
        lambda delta: term.residuals(Unknowns.at(SE3.exp(delta) @ start, EXPOSURE)).ravel(), np.zeros(6), xtol=1e-15, ftol=1e-15
    )
    pose, expected = found.unknowns.camera_from_world, SE3.exp(judged.x) @ start
    assert found.outcome is Outcome.CONVERGED
    assert rotation_angle(pose, expected) < SOLVED
    np.testing.assert_allclose(pose.translation, expected.translation, rtol=0, atol=SOLVED)
    np.testing.assert_allclose(found.unknowns.exposure, [1.3, -0.2], rtol=0, atol=SOLVED)
    assert found.equations.cost == pytest.approx(judged.cost, rel=1e-9)


def test_without_noise_the_pose_is_exact() -> None:
    start = SE3.exp([0.2, -0.1, 0.15, 0.1, 0.12, -0.1]) @ ANYWHERE
    found = solve([reprojection(0, 0.0), PRIOR], Unknowns.at(start, EXPOSURE), RULE, PIXELS)
    np.testing.assert_allclose(found.unknowns.camera_from_world.matrix, ANYWHERE.matrix, rtol=0, atol=SOLVED)
    assert found.iterations < 12


def test_the_solution_carries_the_equations_at_its_own_unknowns() -> None:
    terms = [reprojection(1, 0.5), PRIOR]
    found = solve(terms, Unknowns.at(SE3.exp(np.full(6, 0.05)) @ ANYWHERE, EXPOSURE), RULE, PIXELS)
    again = linearize(terms, found.unknowns)
    np.testing.assert_allclose(found.equations.hessian, again.hessian, rtol=ALGEBRA)
    assert found.equations.cost == pytest.approx(again.cost, rel=ALGEBRA)


# The step


@dataclass(frozen=True, eq=False)
class Scripted:
    """Answers with equations of its own, and remembers what it was asked."""

    hessian: np.ndarray
    gradient: np.ndarray
    costs: list[float]
    counts: list[int] = field(default_factory=list)
    asked: list[Unknowns] = field(default_factory=list)

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        self.asked.append(unknowns)
        number = len(self.asked) - 1
        count = self.counts[min(number, len(self.counts) - 1)] if self.counts else 100
        return NormalEquations(self.hessian, self.gradient, self.costs[min(number, len(self.costs) - 1)], count)


def random_equations(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(8, 20)) * np.array([1, 1, 1, 3, 3, 3, 0.5, 2])[:, None]
    return factor @ factor.T, 0.1 * rng.normal(size=8)


def steps_asked(term: Scripted) -> np.ndarray:
    """The tangent of each pose and exposure that was asked about, from the first."""
    start = term.asked[0]
    inverse = start.camera_from_world.inverse()
    return np.array([[*(u.camera_from_world @ inverse).log(), *(u.exposure - start.exposure)] for u in term.asked[1:]])


@pytest.mark.parametrize("seed", range(4))
def test_each_step_solves_the_damped_equations(seed: int) -> None:
    # The cost never falls, so the damping λ rises from trial to trial. Each step s must satisfy (H + λ diag H) s = −g.
    hessian, gradient = random_equations(seed)
    term = Scripted(hessian, gradient, costs=[1.0, 2.0])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), RULE, PIXELS)
    steps = steps_asked(term)
    damping = [float(np.median((-gradient - hessian @ s) / (np.diag(hessian) * s))) for s in steps]
    for step, value in zip(steps, damping, strict=True):
        expected = np.linalg.solve(hessian + value * np.diag(np.diag(hessian)), -gradient)
        np.testing.assert_allclose(step, expected, rtol=0, atol=1e-9 * np.abs(steps[0]).max())
    assert found.outcome is Outcome.DIVERGED
    assert 0 <= damping[0] < 0.01
    assert (np.diff(damping) > 0).all()
    # The first step of all is nearly Gauss and Newton's.
    np.testing.assert_allclose(steps[0], np.linalg.solve(hessian, -gradient), rtol=0, atol=0.02 * np.abs(steps[0]).max())


def test_steps_that_do_not_help_leave_the_start_as_it_is() -> None:
    term = Scripted(*random_equations(0), costs=[1.0, 2.0])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), RULE, PIXELS)
    assert found.unknowns is term.asked[0]
    assert found.equations.cost == 1.0


def singular_direction() -> np.ndarray:
    hessian, _ = random_equations(0)
    hessian[3] = hessian[:, 3] = 0
    return hessian


@pytest.mark.parametrize(
    "hessian",
    [np.zeros((8, 8)), singular_direction(), -np.eye(8), np.full((8, 8), np.nan)],
    ids=["zero", "one direction open", "negative", "NaN"],
)
def test_equations_without_a_solution_are_degenerate(hessian: np.ndarray) -> None:
    term = Scripted(hessian, np.ones(8), costs=[1.0, 0.5])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), RULE, PIXELS)
    assert found.outcome is Outcome.DEGENERATE
    assert found.unknowns is term.asked[0]


def test_a_gradient_that_is_not_finite_is_degenerate() -> None:
    term = Scripted(np.eye(8), np.full(8, np.nan), costs=[1.0, 0.5])
    assert solve([term], Unknowns.at(ANYWHERE, EXPOSURE), RULE, PIXELS).outcome is Outcome.DEGENERATE


# Relaxation


@dataclass(frozen=True, eq=False)
class Stiff:
    """A term whose Hessian is too large, as that of a robust cost is: every plain step falls short."""

    term: ResidualTerm
    factor: float
    asked: list[Unknowns] = field(default_factory=list)

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        self.asked.append(unknowns)
        equations = self.term.linearize(unknowns)
        return NormalEquations(self.factor * equations.hessian, equations.gradient, equations.cost, equations.count)


@pytest.mark.parametrize("seed", range(4))
def test_relaxed_steps_reach_the_same_minimum_in_less_than_half_as_many(seed: int) -> None:
    start = Unknowns.at(SE3.exp([0.02, -0.01, 0.015, 0.01, 0.012, -0.01]) @ ANYWHERE, EXPOSURE)
    plain, relaxed = (
        solve([Stiff(reprojection(seed, 0.5), 2.0), PRIOR], start, RULE, PIXELS, most_relaxation=most) for most in (1.0, 3.0)
    )
    assert plain.outcome is relaxed.outcome is Outcome.CONVERGED
    assert relaxed.iterations < 0.5 * plain.iterations
    found, expected = relaxed.unknowns.camera_from_world, plain.unknowns.camera_from_world
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=0, atol=SOLVED)


@pytest.mark.parametrize("most", [1.0, 2.0, 3.0])
def test_no_step_is_lengthened_by_more_than_the_most(most: float) -> None:
    # The gradient stays as it is, as on a slope without end.
    hessian, gradient = random_equations(0)
    term = Scripted(hessian, gradient, costs=[1.0 / (n + 1) for n in range(20)])
    solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(6, 1e-12, 1e-6, 4), PIXELS, most_relaxation=most)
    exposures = np.array([unknowns.exposure for unknowns in term.asked])
    lengths = np.linalg.norm(np.diff(exposures, axis=0), axis=1)
    np.testing.assert_allclose(lengths[1:] / lengths[0], most, rtol=0.01)


def test_after_a_step_that_did_not_help_the_next_is_a_plain_one() -> None:
    hessian, gradient = random_equations(0)
    term = Scripted(hessian, gradient, costs=[1.0, 0.5, 2.0, 2.0, 2.0])
    solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(4, 1e-12, 1e-6, 4), PIXELS, most_relaxation=3.0)
    start, first, lengthened, after = (unknowns.exposure for unknowns in term.asked[:4])
    np.testing.assert_allclose(lengthened - first, 3 * (first - start), rtol=0.01)
    np.testing.assert_allclose(after - first, first - start, rtol=0.01)


# Stopping


def test_too_few_points_are_not_solved_for() -> None:
    term = Scripted(*random_equations(0), costs=[1.0, 0.5], counts=[29])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(10, 0.01, 1e-3, fewest=30), PIXELS)
    assert (found.outcome, found.iterations, len(term.asked)) == (Outcome.TOO_FEW_POINTS, 0, 1)


def test_a_step_that_pushes_the_points_out_of_view_is_refused_however_cheap() -> None:
    term = Scripted(*random_equations(0), costs=[1.0, 0.01], counts=[100, 49])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), RULE, PIXELS)
    assert found.unknowns is term.asked[0]
    assert found.outcome is Outcome.DIVERGED


def test_it_stops_when_the_cost_hardly_falls() -> None:
    term = Scripted(*random_equations(0), costs=[1.0, 0.5, 0.4996])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(10, 1e-12, 1e-3, 4), PIXELS)
    assert (found.outcome, found.iterations) == (Outcome.CONVERGED, 2)
    assert found.equations.cost == 0.4996


def test_it_stops_when_the_step_is_short_in_pixels() -> None:
    hessian = np.eye(8)
    gradient = np.array([0, 0, 0, 0, 1e-4, 0, 0, 0])
    # A turn of 1e-4 rad moves the image by 0.025 px at this focal length.
    for limit, iterations in ((0.026, 1), (0.024, 5)):
        term = Scripted(hessian, gradient, costs=[1.0, 0.8, 0.6, 0.4, 0.2, 0.1])
        assert solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(5, limit, 1e-3, 4), PIXELS).iterations == iterations


def test_a_last_short_step_is_taken_without_a_look_at_what_it_does() -> None:
    gradient = np.array([0, 0, 0, 0, 1e-4, 0, 0, 0])
    term, seen = Scripted(np.eye(8), gradient, costs=[1.0, 2.0]), list[SE3]()
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(5, 0.026, 1e-3, 4), PIXELS, seen.append)
    assert len(term.asked) == 1
    assert rotation_angle(found.unknowns.camera_from_world, ANYWHERE) == pytest.approx(1e-4, rel=0.01)
    assert [pose == found.unknowns.camera_from_world for pose in seen] == [True]


def test_it_stops_after_as_many_iterations_as_it_may_take() -> None:
    term = Scripted(*random_equations(0), costs=[1.0 / (n + 1) for n in range(20)])
    found = solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(6, 1e-12, 1e-6, 4), PIXELS)
    assert (found.outcome, found.iterations, len(term.asked)) == (Outcome.MAX_ITERATIONS, 6, 7)


def test_an_exposure_that_moves_does_not_count_as_a_long_step() -> None:
    gradient = np.array([0, 0, 0, 0, 0, 0, 5.0, 0])
    term = Scripted(np.eye(8), gradient, costs=[1.0, 0.5])
    assert solve([term], Unknowns.at(ANYWHERE, EXPOSURE), StopRule(5, 0.01, 1e-3, 4), PIXELS).iterations == 1


def test_every_term_is_a_residual_term() -> None:
    assert isinstance(reprojection(0, 0.0), ResidualTerm)
    assert isinstance(PRIOR, ResidualTerm)
