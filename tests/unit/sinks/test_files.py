from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.errors import OutputError
from reloc.estimate import Outcome, Quality, Verdict
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import load_tum
from reloc.sinks.frames_jsonl import FramesSink
from reloc.sinks.lines import LineFile
from reloc.sinks.sink import Sink
from reloc.sinks.trajectory_file import TrajectorySink
from tests.tolerances import ALGEBRA, TUM_DECIMALS
from tests.unit.sinks.estimates import CAMERA, INFO, estimate

QUARTER_TURN = SE3(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([1.0, 2.0, 3.0]))


def _refuse(constant: str) -> None:
    raise ValueError(f"not JSON: {constant}")


def _records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line, parse_constant=_refuse) for line in path.read_text().splitlines()]


def test_only_believed_poses_reach_the_trajectory_and_each_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "trajectory.txt"
    sink = TrajectorySink(path)
    assert isinstance(sink, Sink)
    sink.open(INFO, CAMERA)
    assert path.read_text().startswith("# timestamp tx ty tz qx qy qz qw")
    verdicts = [Verdict.TRACKED, Verdict.COASTING, Verdict.LOST, Verdict.LIMITED, Verdict.RELOCALISING]
    lines = []
    for index, verdict in enumerate(verdicts):
        sink.write(estimate(index, verdict=verdict))
        lines.append(len(path.read_text().splitlines()))
    assert lines == [2, 2, 2, 3, 3]
    sink.write(estimate(9, camera_from_world=SE3(np.eye(3), np.array([np.nan, 0, 0]))))
    sink.close()
    loaded = load_tum(path)
    assert loaded.timestamps_ns.tolist() == [0, 99_999_999]
    np.testing.assert_allclose(loaded.pose(1).matrix, estimate(3).world_from_camera.matrix, atol=10 * TUM_DECIMALS)


def test_the_pose_in_the_trajectory_is_world_from_camera_with_the_real_part_last(tmp_path: Path) -> None:
    sink = TrajectorySink(tmp_path / "t.txt")
    sink.open(INFO, CAMERA)
    sink.write(estimate(world_from_camera=QUARTER_TURN))
    sink.close()
    last = (tmp_path / "t.txt").read_text().splitlines()[-1].replace("-0.000000000", "0.000000000")
    assert last == "0.000000000 1.000000000 2.000000000 3.000000000 0.000000000 0.000000000 0.707106781 0.707106781"


def test_a_frame_is_written_with_everything_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    sink = FramesSink(path)
    assert isinstance(sink, Sink)
    sink.open(INFO, CAMERA)
    sink.write(estimate(3, QUARTER_TURN, timestamp_ns=1_700_000_000_000_000_007, keyframe_renewed=True))
    (record,) = _records(path)
    sink.close()
    pose = record.pop("world_from_camera")
    covariance = np.array(record.pop("covariance"))
    assert record == {
        "index": 3,
        "name": "000003.jpg",
        "timestamp_ns": 1_700_000_000_000_000_007,
        "timestamp": 1_700_000_000.0,
        "verdict": "TRACKED",
        "reason": "",
        "weaknesses": [],
        "score": 0.9,
        "exposure": {"gain": [1.1], "bias": [0.02]},
        "outcome": "CONVERGED",
        "iterations": 11,
        "inlier_share": 0.9,
        "correlation": 0.8,
        "coverage": 0.95,
        "visible_share": 0.85,
        "condition": 12.0,
        "residual": 0.03,
        "nis": 5.5,
        "sharpness": 0.7,
        "unlit_share": 0.1,
        "occluded_share": 0.2,
        "best_regions": 0.6,
        "points": 800,
        "surprise_share": 0.01,
        "frozen_s": 0.0,
        "keyframe_renewed": True,
        "milliseconds": {"align": 4.0, "total": 7.0},
    }
    assert pose["translation"] == pytest.approx([1, 2, 3], abs=ALGEBRA)
    np.testing.assert_allclose(Rotation.from_quat(pose["quaternion_xyzw"]).as_matrix(), QUARTER_TURN.rotation, atol=ALGEBRA)
    # The camera's x axis is the world's y axis: variances change places, and a turn about the camera moves a point at the origin.
    assert covariance[3:, 3:] == pytest.approx(np.diag([5e-6, 4e-6, 6e-6]), abs=ALGEBRA)
    np.testing.assert_allclose(covariance, estimate(3, QUARTER_TURN).world_covariance, atol=ALGEBRA)


def test_every_verdict_is_written_and_what_is_unknown_is_null(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    sink = FramesSink(path)
    sink.open(INFO, CAMERA)
    unknown = Quality(0.0, np.nan, 0.0, 0.0, np.inf, np.nan, np.nan)
    lost = estimate(
        1, verdict=Verdict.LOST, reason='the lens is "covered"\nor so', score=np.nan, quality=unknown,
        covariance=np.full((6, 6), np.nan), outcome=Outcome.TOO_FEW_POINTS,
    )  # fmt: skip
    for each in (estimate(0, verdict=Verdict.COASTING), lost):
        sink.write(each)
    first, second = _records(path)
    sink.close()
    assert [first["verdict"], second["verdict"], second["outcome"]] == ["COASTING", "LOST", "TOO_FEW_POINTS"]
    assert second["reason"] == 'the lens is "covered"\nor so'
    assert [second[key] for key in ("score", "nis", "condition", "correlation")] == [None] * 4


def test_lines_survive_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    script = (
        "import os, sys; from pathlib import Path; from reloc.sinks.lines import LineFile\n"
        "file = LineFile(Path(sys.argv[1])); file.open()\n"
        "for i in range(100): file.write(f'line {i}')\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=False, timeout=60)
    assert path.read_text().splitlines() == [f"line {i}" for i in range(100)]


def test_a_place_that_cannot_be_written_to_is_said_on_opening(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for sink in (TrajectorySink(tmp_path / "file" / "t.txt"), FramesSink(tmp_path)):
        with pytest.raises(OutputError, match="cannot write the file"):
            sink.open(INFO, CAMERA)
        sink.close()


def test_a_full_disk_is_said_on_writing() -> None:
    full = LineFile(Path("/dev/full"))
    full.open()
    with pytest.raises(OutputError, match=r"No space left on device.*/dev/full"):
        full.write("x")
    full.close()
    with pytest.raises(ValueError, match="not open"):
        full.write("x")


class _HalfFull(io.RawIOBase):
    """Takes ten bytes a time, and all in all as many as there is room for."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""

    def write(self, data: Any) -> int:
        taken = min(10, len(data), self.room - len(self.content))
        self.content += bytes(data[:taken])
        return taken or _no_space()

    def truncate(self, size: int | None = None) -> int:
        self.content = self.content[:size]
        return len(self.content)


def _no_space() -> int:
    raise OSError(28, "No space left on device")


def test_half_a_line_is_taken_back_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = _HalfFull(40)
    monkeypatch.setattr(Path, "open", lambda *_, **__: disk)
    file = LineFile(tmp_path / "lines.txt")
    file.open()
    file.write("a line of 25 characters .")
    with pytest.raises(OutputError, match="No space left"):
        file.write("a line of 25 characters .")
    assert disk.content == b"a line of 25 characters .\n"
