from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import ConfigError
from reloc.first_pose import first_pose
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, save_tum
from tests.tolerances import ALGEBRA, TUM_DECIMALS

# A quarter turn about z: x goes to y. In a file the real part comes last.
QUARTER_TURN = "0 0 0.7071067811865476 0.7071067811865476"


@pytest.mark.parametrize("text", [f"1 2 3 {QUARTER_TURN}", f"  1, 2, 3, {QUARTER_TURN.replace(' ', ', ')} "])
def test_seven_numbers_are_the_pose_of_the_camera_in_the_world(text: str) -> None:
    pose = first_pose(text, 0)
    np.testing.assert_allclose(pose.apply(np.array([1.0, 0.0, 0.0])), [1.0, 3.0, 3.0], atol=ALGEBRA)


def _trajectory(path: Path) -> list[SE3]:
    poses = [SE3.exp([i, 0, 0, 0, 0.1 * i, 0]) for i in range(3)]
    save_tum(path, Trajectory.from_poses([0, 100_000_000, 200_000_000], poses))
    return poses


@pytest.mark.parametrize(
    ("timestamp_ns", "index"), [(0, 0), (49_000_000, 0), (51_000_000, 1), (170_000_000, 2), (210_000_000, 2)]
)
def test_a_file_gives_the_pose_nearest_in_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, timestamp_ns: int, index: int
) -> None:
    poses = _trajectory(tmp_path / "poses.txt")
    with caplog.at_level(logging.WARNING):
        found = first_pose(str(tmp_path / "poses.txt"), timestamp_ns)
    np.testing.assert_allclose(found.matrix, poses[index].matrix, atol=10 * TUM_DECIMALS)
    assert caplog.text == ""


def test_a_pose_from_another_time_is_taken_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _trajectory(tmp_path / "poses.txt")
    first_pose(str(tmp_path / "poses.txt"), 5_200_000_000)
    assert "is 5.000 s away" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "seven numbers"),
        ("1 2 3 0 0 0 nan", "seven numbers"),
        ("1 2 3 0 0 0 0", "length 1, found 0"),
        ("1 2 3 0 0 0 2", "length 1, found 2"),
        ("1 2 3 a 0 0 1", "seven numbers"),
        ("nowhere.txt", r"seven numbers.*or a file with a trajectory; there is no such file \[nowhere\.txt\]"),
        ("", "seven numbers"),
        (".", r"no ground truth in the folder.* \[\.\]"),
    ],
)
def test_what_is_no_pose_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        first_pose(text, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "no first pose: .*holds no pose"), ("0 1 2 3 0 0 0 nan\n", "no first pose: line 1"), ("\0\1", "no first pose")],
)
def test_a_file_without_a_pose_is_explained(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "poses.txt"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        first_pose(str(path), 0)
    assert str(caught.value).count(str(path)) == 1
