from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reloc.estimate import Estimate, Verdict
from reloc.evaluate.frames_file import load_frames
from reloc.evaluate.trust import CHI2_6_95, Trust, assess_trust
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from tests.unit.evaluate.runs import write_run
from tests.unit.evaluate.trajectories import walk
from tests.unit.sinks.estimates import estimate

TRUTH = walk(600, start_ns=0)


def _trust(folder: Path, estimates: list[Estimate], truth: Trajectory = TRUTH) -> Trust:
    return assess_trust(load_frames(write_run(folder, estimates) / "frames.jsonl"), truth, 0.01)


def _off(index: int, metres: float, verdict: Verdict = Verdict.TRACKED, score: float = 0.9) -> Estimate:
    """Return an estimate of frame `index` that is off by `metres`."""
    true = TRUTH.pose(index)
    return estimate(index, SE3(true.rotation, true.translation + np.array([0, metres, 0])), verdict=verdict, score=score)


def test_verdicts_and_scores_are_counted_against_the_errors(tmp_path: Path) -> None:
    nowhere = estimate(9, SE3(np.eye(3), np.full(3, np.nan)), verdict=Verdict.LOST, score=np.nan)
    estimates = [
        *(_off(i, 0.01) for i in range(5)),
        _off(5, 0.30, score=0.7),  # TRACKED, and wrong
        _off(6, 0.02, Verdict.COASTING, score=0.5),  # not believed, though right
        _off(7, 0.50, Verdict.LOST, score=0.1),
        _off(8, 0.60, Verdict.LOST, score=0.15),
        nowhere,
    ]
    found = _trust(tmp_path, estimates)
    assert found.frames == 10
    assert {name: (group.frames, group.good) for name, group in found.verdicts.items()} == {
        "TRACKED": (6, 5),
        "COASTING": (1, 1),
        "LOST": (3, 0),
    }
    assert found.verdicts["TRACKED"].position_m.max == pytest.approx(0.30)
    assert found.verdicts["LOST"].position_m.median == pytest.approx(0.55)
    assert [(group.frames, group.good) for group in found.scores.values()] == [(2, 0), (0, 0), (1, 1), (1, 0), (5, 5)]
    assert list(found.scores) == ["0.0-0.2", "0.2-0.4", "0.4-0.6", "0.6-0.8", "0.8-1.0"]
    assert found.wrongly_tracked == 1
    assert found.bad_precision == pytest.approx(3 / 4)
    assert found.bad_recall == pytest.approx(3 / 4)
    assert (found.wrongly_limited, found.nees.frames, found.nees_limited.frames) == (0, 6, 0)
    # Six good and three bad frames have a score: of the 18 pairs only (0.5 good, 0.7 bad) is in the wrong order.
    assert found.score_auc == pytest.approx(17 / 18)


def test_limited_poses_are_believed_and_counted_apart(tmp_path: Path) -> None:
    limited = [_off(5, 0.02, Verdict.LIMITED), _off(6, 0.30, Verdict.LIMITED)]
    found = _trust(tmp_path, [*(_off(i, 0.01) for i in range(5)), *limited, _off(7, 0.5, Verdict.LOST)])
    assert (found.wrongly_tracked, found.wrongly_limited) == (0, 1)
    assert (found.bad_precision, found.bad_recall) == (1.0, 0.5)
    assert (found.nees.frames, found.nees_limited.frames) == (5, 2)
    assert found.nees_limited.mean > found.nees.mean


def test_a_turned_pose_is_not_good_either(tmp_path: Path) -> None:
    true = TRUTH.pose(3)
    turned = SE3(SE3.exp([0, 0, 0, 0, np.radians(6.0), 0]).rotation @ true.rotation, true.translation)
    assert _trust(tmp_path, [estimate(3, turned)]).wrongly_tracked == 1


def test_ranks_are_those_of_scipy_with_ties(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    metres = rng.exponential(0.05, 200)
    scores = np.round(np.clip(1 - 5 * metres + rng.normal(0, 0.2, 200), 0, 1), 1)
    found = _trust(tmp_path, [_off(i, m, score=s) for i, (m, s) in enumerate(zip(metres, scores, strict=True))])
    assert found.score_rank_correlation == pytest.approx(stats.spearmanr(scores, metres).statistic)
    good = metres <= 0.05
    u = stats.mannwhitneyu(scores[good], scores[~good]).statistic
    assert found.score_auc == pytest.approx(u / (good.sum() * (~good).sum()))


def test_an_honest_covariance_has_the_nees_of_the_chi_square_law(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    root = np.diag([3e-3, 2e-3, 4e-3, 2e-3, 1e-3, 3e-3]) @ (np.eye(6) + 0.3 * rng.normal(size=(6, 6)))
    estimates = []
    for i in range(600):
        # The aligner's convention: exp(δ) @ camera_from_world, so that the test passes through Estimate.world_covariance.
        noisy = SE3.exp(root @ rng.normal(size=6)) @ TRUTH.pose(i).inverse()
        estimates.append(estimate(i, noisy.inverse(), covariance=root @ root.T))
    honest = _trust(tmp_path / "honest", estimates).nees
    low, high = stats.chi2.ppf([0.001, 0.999], 6 * 600) / 600
    assert honest.frames == 600
    assert low < honest.mean < high
    assert honest.median == pytest.approx(stats.chi2.median(6), abs=0.4)
    assert honest.share_within_95 == pytest.approx(0.95, abs=0.03)
    assert stats.chi2.cdf(CHI2_6_95, 6) == pytest.approx(0.95, abs=1e-12)
    boastful = _trust(
        tmp_path / "boastful", [estimate(i, e.world_from_camera, covariance=e.covariance / 9) for i, e in enumerate(estimates)]
    ).nees
    assert boastful.mean == pytest.approx(9 * honest.mean)
    assert boastful.sigma_position_m == pytest.approx(honest.sigma_position_m / 3)
    assert boastful.sigma_rotation_deg == pytest.approx(honest.sigma_rotation_deg / 3)


def test_the_claimed_deviation_is_that_of_the_position_itself(tmp_path: Path) -> None:
    # A camera far from the origin that knows where it is to a millimetre, and its turn to a degree.
    truth = Trajectory.from_poses([0], [SE3(np.eye(3), np.array([100.0, 0, 0]))])
    covariance = np.diag([1e-6, 1e-6, 1e-6, *[np.radians(1) ** 2] * 3])
    nees = _trust(tmp_path, [estimate(0, truth.pose(0), covariance=covariance)], truth).nees
    assert nees.sigma_position_m == pytest.approx(np.sqrt(3) * 1e-3, rel=1e-3)
    assert nees.sigma_rotation_deg == pytest.approx(np.sqrt(3), rel=1e-3)


@pytest.mark.parametrize("covariance", [np.zeros((6, 6)), -np.eye(6), np.full((6, 6), np.nan)])
def test_frames_without_a_usable_covariance_have_no_nees(tmp_path: Path, covariance: np.ndarray) -> None:
    nees = _trust(tmp_path, [estimate(0, TRUTH.pose(0), covariance=covariance), estimate(1, TRUTH.pose(1))]).nees
    assert nees.frames == 1
    assert nees.mean == pytest.approx(0.0, abs=1e-9)


def test_a_run_without_a_frame_of_the_ground_truth_says_nothing(tmp_path: Path) -> None:
    found = _trust(tmp_path, [])
    assert (found.frames, found.wrongly_tracked, found.nees.frames) == (0, 0, 0)
    assert np.isnan([found.bad_precision, found.bad_recall, found.score_auc, found.score_rank_correlation]).all()
