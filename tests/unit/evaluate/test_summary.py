from __future__ import annotations

import json
import time

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.errors import TrajectoryError
from reloc.evaluate.errors import pairs_by_distance, pairs_by_time, relative_errors
from reloc.evaluate.summary import Statistics, evaluate
from reloc.files import json_document
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from tests.tolerances import ALGEBRA
from tests.unit.evaluate.trajectories import FRAME_NS, disturbed, quaternions_of, rotations_of, walk


def _shifted(trajectory: Trajectory, shift: np.ndarray) -> Trajectory:
    return Trajectory(trajectory.timestamps_ns, trajectory.translations + shift, trajectory.quaternions)


def test_figures_worked_out_by_hand() -> None:
    truth = Trajectory.from_poses(range(0, 5_000_000_000, 1_000_000_000), [SE3.identity()] * 5)
    offsets = [0.0, 0.03, 0.04, 0.10]
    poses = [SE3.exp([offset, 0, 0, 0, 0, np.radians(100 * offset)]) for offset in offsets]
    found = evaluate(
        Trajectory.from_poses(
            truth.timestamps_ns[:4], [SE3(p.rotation, np.array([o, 0, 0])) for p, o in zip(poses, offsets, strict=True)]
        ),
        truth,
    )
    assert (found.frames, found.matched) == (5, 4)
    assert vars(found.position_m) == pytest.approx(
        {"median": 0.035, "rmse": np.sqrt(0.0125 / 4), "p95": 0.091, "max": 0.1}, abs=ALGEBRA
    )
    assert vars(found.rotation_deg) == pytest.approx({"median": 3.5, "rmse": np.sqrt(125 / 4), "p95": 9.1, "max": 10.0}, abs=1e-9)
    # Of five frames one has no pose: it is missed at every limit.
    assert found.recall == {"1cm_1deg": 0.2, "2cm_2deg": 0.2, "5cm_5deg": 0.6}
    assert found.axes["world"]["position_m"] == pytest.approx({"x": 0.035, "y": 0, "z": 0}, abs=ALGEBRA)
    assert found.axes["camera"]["rotation_deg"] == pytest.approx({"x": 0, "y": 0, "z": 3.5}, abs=1e-9)
    assert found.relative["time"].pairs == found.relative["step"].pairs == 3
    assert found.relative["distance"].pairs == 0


def test_recall_needs_position_and_rotation_at_once() -> None:
    truth = walk(10)
    turned = quaternions_of(rotations_of(truth) * Rotation.from_euler("x", 3, degrees=True))
    found = evaluate(Trajectory(truth.timestamps_ns, truth.translations, turned), truth)
    assert found.recall == {"1cm_1deg": 0.0, "2cm_2deg": 0.0, "5cm_5deg": 1.0}
    assert evaluate(_shifted(truth, np.array([0.03, 0, 0])), truth).recall == {"1cm_1deg": 0.0, "2cm_2deg": 0.0, "5cm_5deg": 1.0}


def test_errors_are_told_apart_by_axes_of_the_world_and_of_the_camera() -> None:
    truth = walk(50)
    forward = rotations_of(truth).apply([0.0, 0.0, 0.02])
    yawed = quaternions_of(rotations_of(truth) * Rotation.from_euler("y", 1, degrees=True))
    found = evaluate(Trajectory(truth.timestamps_ns, truth.translations + forward, yawed), truth)
    assert found.axes["camera"]["position_m"] == pytest.approx({"x": 0, "y": 0, "z": 0.02}, abs=ALGEBRA)
    assert found.axes["camera"]["rotation_deg"] == pytest.approx({"x": 0, "y": 1, "z": 0}, abs=1e-9)
    np.testing.assert_allclose(found.errors.offset_in_world, forward, atol=ALGEBRA)
    expected = Rotation.from_quat(np.roll(yawed, -1, axis=-1)) * rotations_of(truth).inv()
    np.testing.assert_allclose(found.errors.turn_in_world, expected.as_rotvec(), atol=ALGEBRA)


def test_a_rotated_estimate_is_not_as_good_as_its_inverse() -> None:
    truth = walk(30)
    transposed = Trajectory(truth.timestamps_ns, truth.translations, truth.quaternions * [1, -1, -1, -1])
    assert evaluate(transposed, truth).rotation_deg.max == pytest.approx(
        np.degrees(2 * rotations_of(truth).magnitude().max()), rel=1e-6
    )


@pytest.mark.parametrize("alignment", ["se3", "sim3"])
def test_alignment_brings_a_trajectory_of_another_frame_back(alignment: str) -> None:
    truth = walk(100)
    scale = {"se3": 1.0, "sim3": 3.0}[alignment]
    elsewhere = truth.moved(SE3.exp([5, 6, 7, 1, 2, -1]), scale)
    assert evaluate(elsewhere, truth).position_m.median > 1.0
    found = evaluate(elsewhere, truth, alignment=alignment)
    assert max(found.position_m.max, found.rotation_deg.max, found.relative["step"].position_m.max) < 1e-7
    assert found.as_mapping()["alignment"]["scale"] == pytest.approx(1 / scale)


def test_pairs_lie_the_asked_length_apart() -> None:
    truth = walk(300)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(truth.translations, axis=0), axis=1))])
    first, second = pairs_by_distance(truth.translations, 0.5)
    assert len(first) > 200
    np.testing.assert_allclose(along[second] - along[first], 0.5, atol=0.05)
    first, second = pairs_by_time(truth.timestamps_ns, 1.0)
    assert second[:270].tolist() == list(range(30, 300))
    # The last frames have an end that is a little early, at most a tenth.
    assert first.tolist() == list(range(272))
    assert second[270:].tolist() == [299, 299]


def test_where_the_camera_stood_still_the_first_frame_of_the_rest_ends_the_pair() -> None:
    positions = np.array([0.0, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0])[:, None] * [[1.0, 0, 0]]
    first, second = pairs_by_distance(positions, 1.0)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (1, 5), (2, 6), (3, 6), (4, 6)]
    # The rest lies a little short of the length that was asked for.
    first, second = pairs_by_distance(positions, 1.04)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (1, 5), (2, 6), (3, 6), (4, 6)]


def test_relative_errors_are_those_of_the_motions_between_poses() -> None:
    truth = walk(40)
    estimate = disturbed(truth).moved(SE3.exp([1, 2, 3, 0.5, 0.6, -0.7]))
    first, second = np.arange(30), np.arange(10, 40)
    found = relative_errors(estimate, truth, first, second)
    for i, j in zip(first, second, strict=True):
        true_motion = truth.pose(i).inverse() @ truth.pose(j)
        error = true_motion.inverse() @ (estimate.pose(i).inverse() @ estimate.pose(j))
        assert found.position_m[i] == pytest.approx(np.linalg.norm(error.translation), abs=ALGEBRA)
        assert found.rotation_rad[i] == pytest.approx(np.linalg.norm(error.log()[3:]), abs=ALGEBRA)


def test_no_frame_is_paired_over_a_gap_that_is_too_long() -> None:
    times = np.array([0, 1, 2, 5, 6]) * 1_000_000_000
    first, second = pairs_by_time(times, 1.0)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (1, 2), (3, 4)]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_poses_give_figures_that_say_so(count: int) -> None:
    truth = walk(5)
    found = evaluate(truth.selected(np.arange(count)), truth)
    assert found.matched == count
    assert found.recall["1cm_1deg"] == count / 5
    figures = json.loads(json_document(found.as_mapping()))
    assert figures["relative"]["step"]["position_m"] == {"median": None, "rmse": None, "p95": None, "max": None}
    assert figures["position_m"]["median"] == [None, 0.0][count]


def test_clocks_that_never_meet_are_an_error_that_shows_both() -> None:
    truth = walk(5, start_ns=0)
    late = Trajectory(truth.timestamps_ns + 10**12, truth.translations, truth.quaternions)
    with pytest.raises(TrajectoryError, match=r"spans 1000\.000000000 to 1000\.133333332 s, the ground truth 0\.000000000 to"):
        evaluate(late, truth)
    with pytest.raises(TrajectoryError, match="the ground truth holds no pose"):
        evaluate(truth, truth.selected(np.zeros(0, dtype=np.int64)))


def test_the_tolerance_decides_what_is_matched() -> None:
    truth = walk(20)
    late = Trajectory(truth.timestamps_ns + 9_000_000, truth.translations, truth.quaternions)
    assert evaluate(late, truth).matched == 20
    with pytest.raises(TrajectoryError, match=r"within 0\.005 s"):
        evaluate(late, truth, max_difference_s=0.005)
    shifted_by_a_frame = Trajectory(truth.timestamps_ns + FRAME_NS, truth.translations, truth.quaternions)
    assert evaluate(shifted_by_a_frame, truth).matched == 19
    assert evaluate(shifted_by_a_frame, truth).position_m.max > 0.005


def test_statistics_are_those_of_numpy() -> None:
    values = np.random.default_rng(3).exponential(size=137)
    found = Statistics.of(values)
    expected = (np.median(values), np.sqrt((values**2).mean()), np.percentile(values, 95), values.max())
    assert (found.median, found.rmse, found.p95, found.max) == pytest.approx(expected)


def test_a_hundred_thousand_frames_take_less_than_five_seconds() -> None:
    truth = walk(100_000)
    estimate = disturbed(truth)
    start = time.process_time()
    assert evaluate(estimate, truth, alignment="sim3").matched == 100_000
    assert time.process_time() - start < 5.0
