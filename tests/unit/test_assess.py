from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from reloc.align.aligner import Aligner, Alignment
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import make_keyframe
from reloc.align.layers import build_layers
from reloc.assess import AssessConfig, Assessment, Fit, assess
from reloc.estimate import Exposure, Outcome
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.render.software import SoftwareRenderer
from reloc.undistort import Undistorter
from reloc.view import View
from tests.scenes import painted_corner, view_of_the_corner

CONFIG = AssessConfig()
DEPTH = 2.0
# Translations known to 1 mm and rotations to 0.5 mrad: of one condition once translations are counted in depths of 2 m.
INFORMATION = np.diag([1e6, 1e6, 1e6, 4e6, 4e6, 4e6])
GOOD = Alignment(
    camera_from_world=SE3.identity(),
    outcome=Outcome.CONVERGED,
    iterations=9,
    information=INFORMATION,
    residual=0.2,
    inlier_share=0.9,
    visible_share=0.95,
    correlation=np.nan,
    exposure=Exposure(np.ones(1), np.zeros(1)),
)
VIEW = View(correlation=0.85, sharpness=0.8, unlit_share=0.0, occluded_share=0.0, best_regions=0.9, points=1200)
OPEN = "the view leaves a direction of motion undetermined"
shares, correlations = st.floats(0, 1), st.floats(-1, 1)


def judged(
    alignment: Alignment = GOOD, coverage: float = 0.9, nis: float = 5.0, support: int | None = None, view: View = VIEW
) -> Assessment:
    return assess(alignment, view, coverage, DEPTH, nis, CONFIG, support=support)


def with_evidence(logit: float) -> tuple[Alignment, View]:
    """What is worth so much more evidence than a score of one half asks for."""
    regions = (CONFIG.evidence + logit - CONFIG.correlation * 0.5) / CONFIG.regions
    return GOOD, replace(VIEW, correlation=0.5, best_regions=regions)


def score_of(logit: float, nis: float = 5.0, support: int | None = None) -> float:
    alignment, view = with_evidence(logit)
    return judged(alignment, nis=nis, support=support, view=view).score


def test_a_good_alignment_is_believed_without_a_reason() -> None:
    found = judged()
    assert found.believed
    assert found.reason == ""
    assert found.score > 0.99


def test_the_quality_holds_what_was_measured() -> None:
    quality = judged(coverage=0.7, nis=12.0).quality
    assert (quality.inlier_share, quality.visible_share, quality.correlation) == (0.9, 0.95, 0.85)
    assert (quality.coverage, quality.nis, quality.residual) == (0.7, 12.0, 0.2)
    assert quality.condition == pytest.approx(1.0)
    assert (quality.best_regions, quality.sharpness, quality.points) == (0.9, 0.8, 1200)


@pytest.mark.parametrize(
    ("alignment", "coverage", "reason"),
    [
        (replace(GOOD, visible_share=0.02), 0.9, "too little of the mapped surface is in view"),
        (GOOD, 0.005, "the map covers too little of the image"),
        (replace(GOOD, information=np.diag([1e6, 1e6, 1e-3, 4e6, 4e6, 4e6])), 0.9, OPEN),
        (replace(GOOD, information=np.zeros((6, 6))), 0.9, OPEN),
        (replace(GOOD, outcome=Outcome.TOO_FEW_POINTS), 0.9, "the alignment had nothing to work with"),
        (replace(GOOD, outcome=Outcome.DEGENERATE), 0.9, "the alignment had nothing to work with"),
    ],
)
def test_each_fault_alone_is_named(alignment: Alignment, coverage: float, reason: str) -> None:
    found = judged(alignment, coverage)
    assert not found.believed
    assert found.reason == reason
    assert found.score < 0.5


def test_a_rendering_that_does_not_agree_is_named() -> None:
    found = judged(view=replace(VIEW, correlation=-0.3))
    assert (found.believed, found.reason) == (False, "rendering and image do not agree")


@pytest.mark.parametrize("outcome", [Outcome.CONVERGED, Outcome.MAX_ITERATIONS, Outcome.DIVERGED])
def test_a_solver_that_stopped_early_may_still_be_right(outcome: Outcome) -> None:
    assert judged(replace(GOOD, outcome=outcome)).believed


@given(correlations, correlations, shares, shares, st.floats(0, 1e6))
def test_the_score_is_a_share_and_decides(
    correlation: float, regions: float, visible: float, coverage: float, nis: float
) -> None:
    alignment = replace(GOOD, visible_share=visible)
    view = replace(VIEW, correlation=correlation, best_regions=regions)
    found = judged(alignment, coverage, nis, view=view)
    assert 0 <= found.score <= 1
    assert found.believed == (found.score >= CONFIG.tracked_score)
    assert (found.reason == "") == found.believed


@given(correlations, correlations)
def test_more_agreement_never_lowers_the_score(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for measure in ("correlation", "best_regions"):
        low_view, high_view = (replace(VIEW, **{measure: value}) for value in (low, high))
        assert judged(view=low_view).score <= judged(view=high_view).score


@given(st.floats(-5, 5))
def test_the_score_is_the_logistic_law_of_the_evidence(logit: float) -> None:
    assert score_of(logit) == pytest.approx(scipy.special.expit(logit))


def test_a_pose_of_which_a_part_is_hidden_is_believed_and_one_that_fits_nowhere_is_not() -> None:
    half_hidden, nowhere = (judged(view=replace(VIEW, correlation=0.35, best_regions=best)) for best in (0.8, 0.4))
    assert (half_hidden.believed, nowhere.believed) == (True, False)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_surprise_never_raises_the_score(a: float, b: float) -> None:
    low, high = (score_of(1.0, nis=nis) for nis in sorted((a, b)))
    assert low >= high


def test_a_surprise_asks_for_better_evidence() -> None:
    # e times the gate makes it e times less likely.
    assert score_of(1.0, nis=math.e * CONFIG.nis) == pytest.approx(0.5)
    assert score_of(1.0, nis=CONFIG.nis) == score_of(1.0, nis=0.0)
    assert judged(GOOD, nis=20 * CONFIG.nis).believed


def test_a_pose_is_won_back_only_with_a_better_score_than_it_is_kept_with() -> None:
    doubtful, view = with_evidence(0.5)
    kept, won = (assess(doubtful, view, 0.9, DEPTH, 5.0, CONFIG, steady=steady) for steady in (True, False))
    assert CONFIG.tracked_score < kept.score == won.score < CONFIG.regained_score
    assert (kept.believed, won.believed) == (True, False)
    assert won.reason
    assert assess(GOOD, VIEW, 0.9, DEPTH, 5.0, CONFIG, steady=False).believed


def test_without_a_prediction_there_is_no_surprise() -> None:
    assert judged(nis=math.nan).score == judged(nis=0.0).score


@pytest.mark.parametrize("information", [INFORMATION, np.zeros((6, 6))])
def test_a_view_of_nothing_which_has_no_depth_leaves_every_direction_open(information: np.ndarray) -> None:
    found = assess(replace(GOOD, information=information), VIEW, 0.0, math.nan, 5.0, CONFIG)
    assert found.quality.condition == math.inf
    assert (found.score, found.believed) == (0.0, False)


# Covariances


def random_information(seed: int) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(6, 20)) * np.array([300, 300, 200, 900, 900, 700])[:, None]
    return factor @ factor.T


@pytest.mark.parametrize("seed", range(3))
def test_the_covariance_is_the_inverse_information(seed: int) -> None:
    information = random_information(seed)
    found = replace(GOOD, information=information).residual_covariance
    np.testing.assert_allclose(found @ information, np.eye(6), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found, found.T, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_of_the_error_are_multiples_of_it(seed: int) -> None:
    alignment = replace(GOOD, information=random_information(seed))
    found, scatter = judged(alignment), np.linalg.inv(alignment.information)
    np.testing.assert_allclose(found.noise_covariance, CONFIG.noise_inflation * scatter, rtol=1e-6)
    np.testing.assert_allclose(found.model_covariance, CONFIG.model_error * scatter, rtol=1e-6)


@pytest.mark.parametrize("information", [np.zeros((6, 6)), np.diag([1e6, 1e6, 0.0, 4e6, 4e6, 4e6]), -1e-3 * np.eye(6)])
def test_where_nothing_is_known_the_covariance_is_huge_but_a_number(information: np.ndarray) -> None:
    found = replace(GOOD, information=information).residual_covariance
    assert np.isfinite(found).all()
    assert np.linalg.eigvalsh(found)[0] > 0
    assert np.linalg.eigvalsh(found)[-1] > 1e4


def held_against(before: Fit) -> Assessment:
    return assess(GOOD, VIEW, 0.9, DEPTH, 5.0, CONFIG, before=before)


def test_a_fall_of_the_correlation_is_doubted_but_believed() -> None:
    as_sure, limit = judged().fit, VIEW.correlation / CONFIG.fallen_share
    steady, fallen = (held_against(replace(as_sure, correlation=limit + more)) for more in (-0.01, 0.01))
    assert [(one.doubtful, one.believed) for one in (steady, fallen)] == [(False, True), (True, True)]
    assert judged().doubtful is False


def test_a_pose_that_is_far_less_sure_than_the_one_before_is_doubted_but_believed() -> None:
    as_good, limit = judged().fit, judged().fit.spread_rad / CONFIG.grown_spread
    steady, grown = (held_against(replace(as_good, spread_rad=share * limit)) for share in (1.01, 0.99))
    assert [(one.doubtful, one.believed) for one in (steady, grown)] == [(False, True), (True, True)]


def test_the_spread_is_that_of_the_worst_direction() -> None:
    # 1 mm at 2 m is 0.5 mrad, as much as the rotation: together √2 times that.
    assert judged().fit.spread_rad == pytest.approx(math.sqrt(2) * 0.5e-3, rel=1e-6)
    slack = replace(GOOD, information=np.diag([1e6, 1e4, 1e6, 4e6, 4e6, 4e6]))
    assert judged(slack).fit.spread_rad == pytest.approx(math.hypot(5e-3, 0.5e-3), rel=1e-6)


def test_a_fall_is_remembered_for_a_few_frames() -> None:
    before, fallen = Fit(0.7, 1e-3), Fit(0.4, 5e-3)
    remembered, doubts = before, []
    for _ in range(12):
        doubts.append(fallen.is_fallen_from(remembered, CONFIG))
        remembered = fallen.remembered_after(remembered)
    assert doubts[:2] == [True, True]
    assert not any(doubts[6:])
    assert doubts == sorted(doubts, reverse=True)
    assert remembered == fallen


def test_a_better_fit_is_the_measure_at_once() -> None:
    assert Fit(0.7, 1e-3).remembered_after(Fit(0.4, 5e-3)) == Fit(0.7, 1e-3)
    assert Fit(0.7, 1e-3).remembered_after(None) == Fit(0.7, 1e-3)


@pytest.mark.parametrize("depth", [0.5, 2.0, 9.0])
def test_the_condition_has_no_unit(depth: float) -> None:
    # The same scene in a map of another scale: translations and depth grow alike.
    scale = np.repeat([DEPTH / depth, 1.0], 3)
    scaled = replace(GOOD, information=scale[:, None] * random_information(0) * scale)
    plain = replace(GOOD, information=random_information(0))
    found = assess(scaled, VIEW, 0.9, depth, 5.0, CONFIG).quality.condition
    assert found == pytest.approx(judged(plain).quality.condition, rel=1e-6)
    weighed = np.repeat([DEPTH, 1.0], 3)
    assert found == pytest.approx(np.linalg.cond(weighed[:, None] * random_information(0) * weighed), rel=1e-6)


# Found anywhere in the map


def test_a_pose_found_anywhere_needs_more_evidence() -> None:
    alignment, view = with_evidence(CONFIG.evidence_anew / 2)
    assert judged(alignment, view=view).believed
    found = judged(alignment, view=view, support=1000)
    assert (found.believed, found.reason) == (False, "rendering and image do not agree")
    assert score_of(CONFIG.evidence_anew, support=1000) == pytest.approx(0.5)


def test_a_pose_found_anywhere_needs_features_that_speak_for_it() -> None:
    enough = math.ceil(2 * CONFIG.support)
    assert judged(support=enough).score == judged(support=1000).score > 0.99
    scores = [judged(support=support).score for support in range(enough + 1)]
    assert scores == sorted(scores)
    assert scores[0] == 0
    few = judged(support=math.floor(CONFIG.support))
    assert (few.believed, few.reason) == (False, "too few features of the image are found on the map")


# Honest under noise, where nothing else is off


# A camera's in good light, two and a half grey values; its in poor light; that of the table of the design.
@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.08])
def test_under_simulated_noise_the_nees_is_inside_its_band(sigma: float) -> None:
    lens = LensCamera(LensModel.PINHOLE, 160, 120, 130.0, 131.0, 79.1, 60.3, ())
    undistort, true, align = Undistorter(lens, working_width=160, color=False), view_of_the_corner(), AlignConfig()
    renderer, seeds = SoftwareRenderer(painted_corner()), 60
    clean = renderer.shade(renderer.render(lens.pinhole, true), color=False)
    nees = np.empty(seeds)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        noisy = np.rint(255 * np.clip(clean + sigma * rng.standard_normal(clean.shape), 0, 1)).astype(np.uint8)
        frame = undistort(RawFrame(0, 0, noisy))
        layers = build_layers(frame.image, frame.valid, frame.camera, align)
        # The map is drawn where the camera is thought to be: drawn from the very pose, all points would fall on pixels, where
        # interpolation takes off less of the noise than anywhere else, and the truth would be the one place to avoid.
        guess = SE3.exp(rng.standard_normal(6) * np.repeat([0.01, 0.004], 3)) @ true
        keyframe = make_keyframe(renderer, frame.camera, guess, align, KeyframeConfig())
        found = Aligner(align).align(keyframe, layers, [guess])
        error = (found.camera_from_world @ true.inverse()).log()
        nees[seed] = error @ np.linalg.solve(found.residual_covariance, error)
    low, high = scipy.stats.chi2.ppf([0.005, 0.995], 6 * seeds) / seeds
    assert low < nees.mean() < high
    # What the filter is fed is not too small for any.
    assert np.mean(nees / CONFIG.noise_inflation < scipy.stats.chi2.ppf(0.95, 6)) >= 0.95
