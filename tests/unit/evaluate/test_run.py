from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reloc.errors import TrajectoryError
from reloc.estimate import Exposure, Quality, Verdict
from reloc.evaluate.run import load_frames, load_run
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


@pytest.mark.parametrize("cut", [1, 2, 50, 500])
def test_a_last_line_that_was_cut_off_is_left_out(folder: Path, cut: int) -> None:
    path = folder / "frames.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(load_frames(path)) == {1: 5}.get(cut, 4)


def test_an_empty_file_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "frames.jsonl").write_text("")
    frames = load_frames(tmp_path / "frames.jsonl")
    assert len(frames) == 0
    assert frames.covariances.shape == (0, 6, 6)
    assert len(frames.poses(frames.has_pose)) == 0


@pytest.mark.parametrize("summary", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_summary_that_was_spoilt_is_no_reason_to_refuse_a_run(folder: Path, summary: bytes) -> None:
    (folder / "summary.json").write_bytes(summary)
    assert load_run(folder).summary is None


def _changed(**fields: Any) -> str:
    return json.dumps({"timestamp_ns": 5, "verdict": "TRACKED", **fields})


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "5",
        "null",
        '"text"',
        "{}",
        "[" * 50_000,
        "x" * 400_000,
        "\x00\xff",
        _changed(timestamp_ns=1.5),
        _changed(timestamp_ns=10**30),
        _changed(timestamp_ns="now"),
        _changed(index=1e400),
        _changed(world_from_camera=[1, 2, 3]),
        _changed(world_from_camera={"translation": [1, 2], "quaternion_xyzw": [0, 0, 0, 1]}),
        _changed(world_from_camera={"translation": [1, 2, 3], "quaternion_xyzw": [0, 0, 0, 2]}),
        _changed(world_from_camera={"translation": [1, 2, 3], "quaternion_xyzw": [0, 0, 0, 0]}),
        _changed(covariance=[1] * 36),
        _changed(score="good"),
        _changed(milliseconds=[1]),
    ],
)
def test_a_line_that_is_no_frame_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(f"{_changed(timestamp_ns=1)}\n{line}\n{_changed(timestamp_ns=9)}\n")
    with pytest.raises(TrajectoryError, match=r"line 2 is not a frame.*frames\.jsonl"):
        load_frames(path)


def test_times_that_go_backwards_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(f"{_changed(timestamp_ns=1)}\n{_changed(timestamp_ns=1)}\n")
    with pytest.raises(TrajectoryError, match="line 2 is not later"):
        load_frames(path)


def test_a_bad_line_is_found_among_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.evaluate.run._BATCH", 8)
    lines = [_changed(timestamp_ns=i, milliseconds={f"stage {i % 20}": i}) for i in range(50)]
    path = tmp_path / "frames.jsonl"
    path.write_text("\n".join(lines))
    frames = load_frames(path)
    assert frames.timestamps_ns.tolist() == list(range(50))
    np.testing.assert_array_equal(frames.milliseconds["stage 7"], [i if i % 20 == 7 else np.nan for i in range(50)])
    path.write_text("\n".join([*lines[:41], _changed(timestamp_ns=41, score=[1]), *lines[42:]]))
    with pytest.raises(TrajectoryError, match="line 42 is not a frame"):
        load_frames(path)


def test_a_file_does_not_decide_how_much_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(
        "\n".join(_changed(timestamp_ns=i, milliseconds={f"stage {i} {j}": 1 for j in range(100)}) for i in range(30))
    )
    assert len(load_frames(path).milliseconds) < 100
