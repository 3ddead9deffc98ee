from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from reloc.align.linked import RigTerm, ScaledTerm, WeightedTerm, scaled_pose
from reloc.align.outline import Outline, outline_of_rendering
from reloc.align.problem import ResidualTerm, Unknowns
from reloc.align.robust import tukey
from reloc.align.silhouette import SilhouetteTerm, silhouette_term
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.software import SoftwareRenderer
from tests.scenes import lump, view_of_the_lump
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, TWIN

CAMERA = PinholeCamera(160, 120, 190.0, 192.0, 79.3, 58.8)
POSE = view_of_the_lump()
# Where the outline is differentiated is not where it was rendered: there, points fall on pixels, where the distance has knots.
MOVED = SE3.exp([0.03, -0.02, 0.06, 0.012, -0.008, 0.02]) @ POSE
ON_THE_RIG = SE3.exp([0.4, -0.2, 0.1, 0.3, -0.5, 0.2])
CENTER = np.array([0.2, -0.3, 0.1])
NOTHING = np.empty(0)


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(lump())


def outline(pose: SE3) -> Outline:
    return outline_of_rendering(renderer().render(CAMERA, pose))


@cache
def term() -> SilhouetteTerm:
    mask = outline(SE3.exp([0.05, 0.04, -0.1, 0.02, 0.01, 0.05]) @ POSE)
    return silhouette_term(mask, renderer().render(CAMERA, POSE), 2000).clipped_at(6.0)


def differentiated(wanted: ResidualTerm, start: Unknowns) -> np.ndarray:
    """The gradient of the cost by central differences."""
    size, step = 6 + len(start.exposure), 1e-6
    return np.array(
        [
            (wanted.linearize(start.moved(step * one)).cost - wanted.linearize(start.moved(-step * one)).cost) / (2 * step)
            for one in np.eye(size)
        ]
    )


def test_the_gradient_is_the_derivative_of_the_cost() -> None:
    start = Unknowns.at(MOVED, NOTHING)
    gradient = term().linearize(start).gradient
    assert np.abs(gradient - differentiated(term(), start)).max() < FINITE_DIFFERENCE * np.abs(gradient).max()


def test_each_row_of_the_jacobian_is_the_derivative_of_its_residual() -> None:
    start, step = Unknowns.at(MOVED, NOTHING), 1e-6
    ahead = [term().residuals(start.moved(step * one)) for one in np.eye(6)]
    behind = [term().residuals(start.moved(-step * one)) for one in np.eye(6)]
    slopes = (np.array(ahead) - np.array(behind)) / (2 * step)
    # H = Σ w j jᵀ and g = Σ w j r, put together from those slopes and from the robust cost itself.
    residuals = term().residuals(start)
    weights = np.array([tukey(r, term().width)[1] for r in residuals])
    equations = term().linearize(start)
    assert not np.isnan(residuals).any()
    scale = np.sqrt(np.outer(*2 * [np.diag(equations.hessian)]))
    assert (np.abs((slopes * weights) @ slopes.T - equations.hessian) / scale).max() < FINITE_DIFFERENCE
    assert equations.count == len(residuals)


def test_an_outline_upon_itself_has_no_residual() -> None:
    same = silhouette_term(outline(POSE), renderer().render(CAMERA, POSE), 2000)
    assert np.abs(same.residuals(Unknowns.at(POSE, NOTHING))).max() < FINITE_DIFFERENCE


def test_a_mask_that_sticks_out_is_seen_only_by_its_own_points() -> None:
    """What a one-directional distance is blind to: a limb of the object that the map lacks."""
    inside = outline(POSE).inside.copy()
    right = int(np.nonzero(inside.any(axis=0))[0].max())
    middle = int(np.nonzero(inside[:, right])[0].mean())
    inside[middle - 2 : middle + 3, right : right + 25] = True
    limb = silhouette_term(Outline(inside, np.ones_like(inside)), renderer().render(CAMERA, POSE), 2000)
    residuals = limb.residuals(Unknowns.at(POSE, NOTHING))
    rim = len(limb.rim_in_world)
    assert np.abs(residuals[:rim]).max() < 5
    assert residuals[rim:].max() > 20


def test_what_is_not_known_says_nothing() -> None:
    known = np.ones((CAMERA.height, CAMERA.width), bool)
    known[:, :80] = False
    mask = Outline(outline(POSE).inside, known)
    half = silhouette_term(mask, renderer().render(CAMERA, POSE), 2000)
    residuals = half.residuals(Unknowns.at(POSE, NOTHING))[: len(half.rim_in_world)]
    assert np.array_equal(np.isnan(residuals), half.rim_pixel[:, 0] < 80)
    assert half.linearize(Unknowns.at(POSE, NOTHING)).count == np.count_nonzero(~np.isnan(residuals)) + len(half.answer_gap)


def test_out_of_view_there_is_nothing_to_compare() -> None:
    away = SE3.exp([0.0, 0.0, 0.0, 0.0, 1.5, 0.0]) @ POSE
    nothing = silhouette_term(outline(POSE), renderer().render(CAMERA, away), 2000)
    assert nothing.linearize(Unknowns.at(away, NOTHING)).count == 0
    assert nothing.sectors(8) == [nothing]


def test_sectors_add_up_to_the_whole() -> None:
    start = Unknowns.at(MOVED, NOTHING)
    parts = [part.linearize(start) for part in term().sectors(24)]
    whole = term().linearize(start)
    assert len(parts) == 24
    assert sum(part.count for part in parts) == whole.count
    assert np.allclose(sum(part.hessian for part in parts), whole.hessian, rtol=TWIN)
    assert np.allclose(sum(part.gradient for part in parts), whole.gradient, rtol=0, atol=TWIN * np.abs(whole.gradient).max())


@pytest.mark.parametrize("exposure", [NOTHING, np.array([1.0, 0.5])])
def test_unknowns_that_are_no_pose_have_no_part(exposure: np.ndarray) -> None:
    equations = term().linearize(Unknowns.at(MOVED, exposure))
    assert equations.hessian.shape == 2 * (6 + len(exposure),)
    assert not equations.gradient[6:].any()
    assert not equations.hessian[6:].any()


def test_on_a_rig_the_gradient_is_that_by_the_pose_of_the_rig() -> None:
    rig = ON_THE_RIG.inverse() @ MOVED
    start = Unknowns.at(rig, NOTHING)
    linked = RigTerm(term(), ON_THE_RIG)
    gradient = linked.linearize(start).gradient
    assert linked.linearize(start).cost == pytest.approx(term().linearize(Unknowns.at(MOVED, NOTHING)).cost, rel=TWIN)
    assert np.abs(gradient - differentiated(linked, start)).max() < FINITE_DIFFERENCE * np.abs(gradient).max()


def test_the_gradient_by_the_size_of_the_map() -> None:
    start = Unknowns.at(MOVED, np.array([0.02]))
    scaled = ScaledTerm(term(), CENTER)
    gradient = scaled.linearize(start).gradient
    assert gradient.shape == (7,)
    assert np.abs(gradient - differentiated(scaled, start)).max() < FINITE_DIFFERENCE * np.abs(gradient).max()


def test_size_and_rig_together_share_the_last_unknown() -> None:
    start = Unknowns.at(ON_THE_RIG.inverse() @ MOVED, np.array([7.0, 0.02]))
    both = RigTerm(ScaledTerm(term(), CENTER), ON_THE_RIG, (1,))
    gradient = both.linearize(start).gradient
    assert gradient[6] == 0.0
    assert np.abs(gradient - differentiated(both, start)).max() < FINITE_DIFFERENCE * np.abs(gradient).max()


def test_a_larger_map_looks_as_the_scaled_pose_says() -> None:
    points = np.random.default_rng(1).normal(size=(20, 3))
    grown = CENTER + 1.3 * (points - CENTER)
    expected = CAMERA.project(POSE.apply(grown))
    assert np.allclose(CAMERA.project(scaled_pose(POSE, 1.3, CENTER).apply(points)), expected, atol=1e3 * ALGEBRA)


def test_a_weight_multiplies_cost_gradient_and_hessian() -> None:
    start = Unknowns.at(MOVED, NOTHING)
    plain, weighted = term().linearize(start), WeightedTerm(term(), 0.25).linearize(start)
    assert weighted.cost == 0.25 * plain.cost
    assert np.array_equal(weighted.gradient, 0.25 * plain.gradient)
    assert np.array_equal(weighted.hessian, 0.25 * plain.hessian)
    assert weighted.count == plain.count
