from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import TrajectoryError
from reloc.estimate import Verdict
from reloc.evaluate.run import load_run
from reloc.export.selection import ExportedPoses, at_rate, fill_gaps, moved, resample, select
from reloc.geometry.se3 import SE3, interpolate
from reloc.geometry.trajectory import save_tum
from tests.tolerances import ALGEBRA
from tests.unit.evaluate.runs import write_run
from tests.unit.evaluate.trajectories import FRAME_NS, walk
from tests.unit.export.made import made
from tests.unit.sinks.estimates import CAMERA, LENS, estimate

T, N, C, R, L = Verdict.TRACKED, Verdict.LIMITED, Verdict.COASTING, Verdict.RELOCALISING, Verdict.LOST


def _run(folder: Path, *verdicts: Verdict) -> Path:
    return write_run(folder, [estimate(i, verdict=verdict) for i, verdict in enumerate(verdicts)])


def test_only_believed_poses_are_taken_unless_others_are_asked_for(tmp_path: Path) -> None:
    run = load_run(_run(tmp_path, T, C, L, T))
    poses = select(run)
    assert poses.indices.tolist() == [0, 3]
    assert poses.names == ("000000.jpg", "000003.jpg")
    assert poses.verdicts == ("TRACKED", "TRACKED")
    np.testing.assert_allclose(poses.trajectory.pose(1).matrix, estimate(3).world_from_camera.matrix, atol=ALGEBRA)
    np.testing.assert_allclose(poses.covariances[1], estimate(3).world_covariance, atol=ALGEBRA)
    assert select(run, frozenset({"COASTING", "TRACKED"})).indices.tolist() == [0, 1, 3]
    assert (poses.camera, poses.lens) == (CAMERA, LENS)


def test_limited_poses_are_believed_and_those_being_searched_are_not(tmp_path: Path) -> None:
    run = load_run(_run(tmp_path, T, N, R, L, T))
    assert select(run).verdicts == ("TRACKED", "LIMITED", "TRACKED")
    assert select(run, frozenset({"TRACKED"})).indices.tolist() == [0, 4]


def test_a_frame_whose_pose_is_no_number_is_left_out_whatever_it_is_called(tmp_path: Path) -> None:
    nowhere = estimate(1, SE3(np.eye(3), np.full(3, np.nan)), verdict=T)
    assert select(load_run(write_run(tmp_path, [estimate(0), nowhere, estimate(2)]))).indices.tolist() == [0, 2]


def test_a_run_without_such_a_pose_is_an_error_that_counts_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="asked for LIMITED, TRACKED, found 1 COASTING, 2 LOST"):
        select(load_run(_run(tmp_path / "a", L, C, L)))
    with pytest.raises(TrajectoryError, match="found no frame at all"):
        select(load_run(_run(tmp_path / "b")))


def test_of_a_bare_trajectory_every_pose_is_taken(tmp_path: Path) -> None:
    save_tum(tmp_path / "t.txt", walk(4))
    poses = select(load_run(tmp_path / "t.txt"))
    assert (len(poses), poses.names, poses.verdicts, poses.camera) == (4, ("",) * 4, ("",) * 4, None)
    assert np.isnan(poses.covariances).all()


def test_cameras_in_a_spoilt_summary_are_unknown(tmp_path: Path) -> None:
    run = load_run(_run(tmp_path, T))
    for summary in (
        {},
        {"camera": 5, "lens": 5},
        {"camera": {"width": "x"}, "lens": {"model": "MAGIC"}},
        {"camera": None, "lens": None},
    ):
        poses = select(replace(run, summary=summary))
        assert (poses.camera, poses.lens) == (None, None)


def test_gaps_are_filled_between_believed_poses_and_nowhere_else(tmp_path: Path) -> None:
    run = load_run(_run(tmp_path, L, T, L, C, T, T, *[L] * 5, T, L))
    assert run.frames is not None
    # The second gap lasts six frames, 200 ms.
    filled = fill_gaps(select(run), run.frames, 0.15)
    assert filled.indices.tolist() == [1, 2, 3, 4, 5, 11]
    assert filled.verdicts == ("TRACKED", "INTERPOLATED", "INTERPOLATED", "TRACKED", "TRACKED", "TRACKED")
    assert filled.names[1] == "000002.jpg"
    expected = interpolate(estimate(1).world_from_camera, estimate(4).world_from_camera, 1 / 3)
    np.testing.assert_allclose(filled.trajectory.pose(1).matrix, expected.matrix, atol=ALGEBRA)
    assert fill_gaps(select(run), run.frames, 0.25).indices.tolist() == list(range(1, 12))


def test_poses_at_other_times_lie_on_the_geodesic_and_keep_what_was_measured() -> None:
    poses = made()
    own = poses.trajectory.timestamps_ns
    times = np.sort(np.concatenate([own[[2, 3]], own[2:3] + FRAME_NS // 4]))
    found = resample(poses, times, 0.5)
    assert found.verdicts == ("TRACKED", "INTERPOLATED", "TRACKED")
    assert found.indices.tolist() == [4, -1, 6]
    assert found.names == ("000004.jpg", "", "000006.jpg")
    share = (FRAME_NS // 4) / FRAME_NS
    expected = interpolate(poses.trajectory.pose(2), poses.trajectory.pose(3), share)
    np.testing.assert_allclose(found.trajectory.pose(1).matrix, expected.matrix, atol=ALGEBRA)
    np.testing.assert_allclose(
        found.covariances[1], (1 - share) * poses.covariances[2] + share * poses.covariances[3], atol=ALGEBRA
    )
    np.testing.assert_array_equal(found.covariances[0], poses.covariances[2])


def test_times_outside_or_in_a_long_gap_are_left_out() -> None:
    poses = made()
    first, last = poses.trajectory.timestamps_ns[[0, -1]]
    assert len(resample(poses, np.array([first - 1, first, last, last + 1]), 0.5)) == 2
    assert len(resample(poses, np.array([first, first + 5]), 0.001)) == 1
    with pytest.raises(TrajectoryError, match="s on both sides"):
        resample(poses, np.array([first - 1]), 0.5)


def test_a_clock_ticks_evenly_from_the_first_pose_to_the_last() -> None:
    times = at_rate(made(), 7.0)
    own = made().trajectory.timestamps_ns
    assert times[0] == own[0]
    assert own[-1] - 1e9 / 7.0 < times[-1] <= own[-1]
    assert set(np.diff(times)) == {142_857_142, 142_857_143}
    with pytest.raises(TrajectoryError, match="at most"):
        at_rate(made(), 1e9)


def test_a_change_of_frame_and_scale_moves_poses_and_covariances_alike() -> None:
    poses = made()
    target = SE3.exp([1.0, 2.0, 3.0, 0.3, 0.2, -0.5])
    found = moved(poses, target, 2.0)

    def changed(pose: SE3) -> SE3:
        return target @ SE3(pose.rotation, 2.0 * pose.translation)

    step, jacobian = 1e-6, np.zeros((6, 6))
    for i, unit in enumerate(np.eye(6)):
        pose = poses.trajectory.pose(4)
        plus, minus = changed(SE3.exp(step * unit) @ pose), changed(SE3.exp(-step * unit) @ pose)
        here = changed(pose).inverse()
        jacobian[:, i] = ((plus @ here).log() - (minus @ here).log()) / (2 * step)
    np.testing.assert_allclose(found.trajectory.pose(4).matrix, changed(poses.trajectory.pose(4)).matrix, atol=1e-9)
    np.testing.assert_allclose(found.covariances[4], jacobian @ poses.covariances[4] @ jacobian.T, rtol=1e-5, atol=1e-9)


def test_the_parts_between_gaps_are_found() -> None:
    poses = made(6)
    kept = replace(poses, trajectory=poses.trajectory.selected(np.array([0, 1, 4, 5])))
    parts = ExportedPoses.parts
    assert parts(kept, 0.05) == [slice(0, 2), slice(2, 4)]
    assert parts(kept, 0.5) == [slice(0, 4)]
