from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import chi2

from reloc.batch.jobs import Job
from reloc.batch.join import Known, fuse, join_pieces
from reloc.errors import TrajectoryError
from reloc.estimate import Estimate, Verdict
from reloc.evaluate.run import load_run
from reloc.geometry.se3 import SE3, rotation_angle
from tests.tolerances import ALGEBRA, SOLVED
from tests.unit.evaluate.runs import write_run
from tests.unit.sinks.estimates import estimate


def _covariance(seed: int, scale: float = 1e-3) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(6, 6)) * scale
    return root @ root.T + scale**2 * np.eye(6)


def test_the_pose_between_two_is_that_of_weighted_least_squares() -> None:
    a = Known(SE3.exp([0.4, -1.0, 0.3, 0.5, 0.1, -0.7]), _covariance(1))
    b = Known(SE3.exp([1e-4, -2e-4, 1e-4, 2e-4, 1e-4, -1e-4]) @ a.world_from_camera, _covariance(2))
    roots = [np.linalg.inv(np.linalg.cholesky(one.covariance)) for one in (a, b)]

    def residuals(delta: np.ndarray) -> np.ndarray:
        pose = SE3.exp(delta) @ a.world_from_camera
        offsets = [(pose @ one.world_from_camera.inverse()).log() for one in (a, b)]
        return np.concatenate([root @ offset for root, offset in zip(roots, offsets, strict=True)])

    solved = least_squares(residuals, np.zeros(6), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    fused, distance = fuse(a, b)
    expected = SE3.exp(solved.x) @ a.world_from_camera
    np.testing.assert_allclose(fused.world_from_camera.matrix, expected.matrix, atol=SOLVED)
    assert distance == pytest.approx(2 * solved.cost, rel=1e-3)


def test_two_that_say_the_same_are_not_surer_than_one() -> None:
    one = Known(SE3.exp([0.4, -1.0, 0.3, 0.5, 0.1, -0.7]), _covariance(3))
    fused, distance = fuse(one, one)
    np.testing.assert_allclose(fused.world_from_camera.matrix, one.world_from_camera.matrix, atol=ALGEBRA)
    np.testing.assert_allclose(fused.covariance, one.covariance, rtol=1e-6, atol=1e-15)
    assert distance == pytest.approx(0.0, abs=ALGEBRA)


def test_the_surer_one_counts_and_the_order_does_not() -> None:
    sure, vague = Known(SE3.identity(), 1e-10 * np.eye(6)), Known(SE3.exp([0.01, 0, 0, 0, 0.01, 0]), 1e-4 * np.eye(6))
    first, second = fuse(sure, vague)[0], fuse(vague, sure)[0]
    np.testing.assert_allclose(first.world_from_camera.matrix, np.eye(4), atol=1e-7)
    np.testing.assert_allclose(first.world_from_camera.matrix, second.world_from_camera.matrix, atol=ALGEBRA)
    np.testing.assert_allclose(first.covariance, second.covariance, atol=ALGEBRA)


def test_the_distance_of_honest_poses_is_distributed_as_chi_squared() -> None:
    rng = np.random.default_rng(4)
    covariances = _covariance(5), _covariance(6)
    truth = SE3.exp([0.4, -1.0, 0.3, 0.5, 0.1, -0.7])
    distances = []
    for _ in range(1000):
        one, other = (Known(SE3.exp(rng.multivariate_normal(np.zeros(6), c)) @ truth, c) for c in covariances)
        distances.append(fuse(one, other)[1])
    assert np.mean(distances) == pytest.approx(6.0, abs=0.55)  # five times sqrt(12 / 1000)
    assert np.mean(np.array(distances) < chi2.ppf(0.9, 6)) == pytest.approx(0.9, abs=0.05)


def _job(folder: Path) -> Job:
    return Job("walk", folder / "walk", folder, (), "digest", None)


def _pieces(folder: Path, first: list[Estimate], second: list[Estimate]) -> list[Path]:
    return [write_run(folder / "0", first), write_run(folder / "1", second)]


def _summary(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())


def test_pieces_that_agree_become_one_run_without_a_seam(tmp_path: Path) -> None:
    whole = [estimate(i) for i in range(20)]
    outcome = join_pieces(_job(tmp_path), _pieces(tmp_path, whole[:12], whole[8:]), 3.5)
    assert (outcome.exit_code, outcome.error) == (0, "")
    found, expected = load_run(tmp_path / "walk"), load_run(write_run(tmp_path / "expected", whole))
    assert found.frames is not None
    assert expected.frames is not None
    assert found.frames.indices.tolist() == list(range(20))
    np.testing.assert_allclose(found.trajectory.translations, expected.trajectory.translations, atol=1e-9)
    np.testing.assert_allclose(found.frames.covariances, expected.frames.covariances, atol=ALGEBRA)
    summary = _summary(tmp_path / "walk")
    assert (summary["frames"], summary["pieces"], summary["wall_s"], summary["source"]) == (20, 2, 3.5, "kitchen")
    assert summary["verdicts"]["TRACKED"] == 20
    (seam,) = summary["seams"]
    assert (seam["first"], seam["frames"], seam["compared"], seam["agrees"]) == ("000008.jpg", 4, 4, True)
    assert seam["worst_m"] < 1e-9


def test_where_one_piece_is_lost_the_other_is_believed(tmp_path: Path) -> None:
    whole = [estimate(i) for i in range(12)]
    lost = [estimate(i, SE3.identity(), verdict=Verdict.LOST, score=0.1) for i in range(4, 8)]
    join_pieces(_job(tmp_path), _pieces(tmp_path, whole[:8], [*lost, *whole[8:]]), 0.0)
    found = load_run(tmp_path / "walk")
    assert len(found.trajectory) == 12
    np.testing.assert_allclose(
        found.trajectory.translations, load_run(write_run(tmp_path / "e", whole)).trajectory.translations, atol=1e-9
    )
    (seam,) = _summary(tmp_path / "walk")["seams"]
    assert (seam["frames"], seam["compared"]) == (4, 0)


def test_pieces_that_mean_different_places_are_not_mixed_but_named(tmp_path: Path) -> None:
    first = [estimate(i, score=0.6) for i in range(8)]
    moved = SE3.exp([1.0, 0, 0, 0, 0, 0])
    second = [estimate(i, moved @ estimate(i).world_from_camera, score=0.9) for i in range(4, 12)]
    outcome = join_pieces(_job(tmp_path), _pieces(tmp_path, first, second), 0.0)
    assert outcome.error == "pieces disagree from 000004.jpg on"
    (seam,) = _summary(tmp_path / "walk")["seams"]
    assert seam["agrees"] is False
    assert seam["worst_m"] == pytest.approx(1.0, abs=1e-6)
    found = load_run(tmp_path / "walk").trajectory
    for index, source in ((3, first[3]), (4, second[0]), (7, second[3])):
        np.testing.assert_allclose(found.translations[index], source.world_from_camera.translation, atol=1e-8)


def test_poses_in_the_overlap_lie_between_those_of_the_pieces(tmp_path: Path) -> None:
    tilt = SE3.exp([2e-3, 0, 0, 0, 1e-3, 0])
    first = [estimate(i) for i in range(8)]
    second = [estimate(i, tilt @ estimate(i).world_from_camera) for i in range(4, 12)]
    join_pieces(_job(tmp_path), _pieces(tmp_path, first, second), 0.0)
    found = load_run(tmp_path / "walk").trajectory
    for index in range(4, 8):
        a, b = first[index].world_from_camera, second[index - 4].world_from_camera
        assert rotation_angle(found.pose(index), a) == pytest.approx(rotation_angle(a, b) / 2, rel=1e-3)


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    whole = [estimate(i) for i in range(12)]
    with pytest.raises(TrajectoryError, match="one lacks frames"):
        join_pieces(_job(tmp_path), _pieces(tmp_path, whole[:8], [*whole[4:6], *whole[7:]]), 0.0)
    (tmp_path / "1" / "frames.jsonl").write_text('{"verdict": "PERHAPS", "timestamp_ns": 1}\n')
    with pytest.raises(TrajectoryError, match="cannot be read"):
        join_pieces(_job(tmp_path), [tmp_path / "0", tmp_path / "1"], 0.0)
    (tmp_path / "1" / "frames.jsonl").write_text("")
    with pytest.raises(TrajectoryError, match="holds no frame"):
        join_pieces(_job(tmp_path), [tmp_path / "0", tmp_path / "1"], 0.0)
    assert not (tmp_path / "walk").exists()
