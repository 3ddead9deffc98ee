from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.errors import TrajectoryError
from reloc.estimate import Exposure, Quality, Verdict
from reloc.evaluate.run import load_run
from reloc.geometry.trajectory import save_tum
from tests.tolerances import ALGEBRA, TUM_DECIMALS
from tests.unit.evaluate.runs import write_run
from tests.unit.evaluate.trajectories import walk
from tests.unit.sinks.estimates import QUALITY, estimate

VERDICTS = [Verdict.TRACKED, Verdict.COASTING, Verdict.LOST, Verdict.TRACKED]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    unknown = Quality(0.0, np.nan, 0.0, 0.0, np.inf, np.nan, np.nan)
    rgb = Exposure(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.1, 0.2]))
    estimates = [estimate(i, verdict=verdict, reason="covered" * (i == 2), exposure=rgb) for i, verdict in enumerate(VERDICTS)]
    estimates.append(estimate(4, verdict=Verdict.LOST, quality=unknown, score=np.nan, milliseconds={"total": 3.0}))
    return write_run(tmp_path / "run", estimates)


def test_what_the_sinks_wrote_comes_back(folder: Path) -> None:
    run = load_run(folder)
    frames = run.frames
    assert frames is not None
    assert run.name == "run"
    assert run.trajectory.timestamps_ns.tolist() == [0, 99_999_999]
    assert frames.timestamps_ns.tolist() == [i * 33_333_333 for i in range(5)]
    assert frames.indices.tolist() == [0, 1, 2, 3, 4]
    assert frames.names[3] == "000003.jpg"
    assert frames.verdicts.tolist() == ["TRACKED", "COASTING", "LOST", "TRACKED", "LOST"]
    assert frames.reasons == ("", "", "covered", "", "")
    poses = frames.poses(frames.has_pose)
    for i in range(5):
        np.testing.assert_allclose(poses.pose(i).matrix, estimate(i).world_from_camera.matrix, atol=ALGEBRA)
        np.testing.assert_allclose(frames.covariances[i], estimate(i).world_covariance, atol=ALGEBRA)
    np.testing.assert_allclose(run.trajectory.translations[1], poses.translations[3], atol=TUM_DECIMALS)
    np.testing.assert_array_equal(frames.measures["residual"], [QUALITY.residual] * 4 + [np.nan])
    np.testing.assert_array_equal(frames.measures["score"], [0.9] * 4 + [np.nan])
    np.testing.assert_allclose(frames.exposure["gain"], [2.0] * 4 + [1.1])
    np.testing.assert_array_equal(frames.milliseconds["align"], [4.0] * 4 + [np.nan])
    np.testing.assert_array_equal(frames.milliseconds["total"], [7.0] * 4 + [3.0])
    assert run.summary is not None
    assert run.summary["frames"] == 5


def test_a_frame_that_was_not_aligned_has_no_exposure(tmp_path: Path) -> None:
    """As `reloc track` writes it: null, where a number was expected."""
    nothing = Exposure(np.array([np.nan]), np.array([np.nan]))
    run = load_run(write_run(tmp_path / "run", [estimate(0), estimate(1, verdict=Verdict.LOST, exposure=nothing)]))
    assert run.frames is not None
    np.testing.assert_array_equal(run.frames.exposure["gain"], [1.1, np.nan])
    np.testing.assert_array_equal(run.frames.exposure["bias"], [0.02, np.nan])


def test_a_bare_file_is_a_run_without_frames(tmp_path: Path) -> None:
    save_tum(tmp_path / "orb.txt", walk(5))
    run = load_run(tmp_path / "orb.txt")
    assert (run.name, len(run.trajectory), run.frames, run.summary) == ("orb", 5, None, None)


def test_a_folder_needs_only_its_trajectory(folder: Path) -> None:
    for name in ("frames.jsonl", "summary.json"):
        (folder / name).unlink()
    assert load_run(folder).frames is None
    (folder / "trajectory.txt").unlink()
    with pytest.raises(TrajectoryError, match=r"expected a trajectory\.txt"):
        load_run(folder)


@pytest.mark.parametrize("summary", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_summary_that_was_spoilt_is_no_reason_to_refuse_a_run(folder: Path, summary: bytes) -> None:
    (folder / "summary.json").write_bytes(summary)
    assert load_run(folder).summary is None
