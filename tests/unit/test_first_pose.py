from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import ConfigError
from reloc.first_pose import first_pose, some_pose
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


# A COLMAP model


def _model(folder: Path, *names: str) -> list[SE3]:
    """Write a model by hand: each camera stands at (i, 0, 0) in the world and is turned by a quarter about z."""
    folder.mkdir(parents=True, exist_ok=True)
    turn = SE3.from_quaternion([0.5**0.5, 0, 0, 0.5**0.5], [0, 0, 0])
    poses = [SE3(turn.rotation, np.array([i, 0.0, 0.0])) for i in range(len(names))]
    lines = ["# by hand"]
    for i, (name, pose) in enumerate(zip(names, poses, strict=True)):
        inverse = pose.inverse()
        numbers = " ".join(f"{value:.12f}" for value in (*inverse.wxyz, *inverse.translation))
        lines += [f"{i + 1} {numbers} 1 {name}", ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    (folder / "cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
    return poses


@pytest.mark.parametrize("place", [".", "sparse", "sparse/0"])
def test_a_colmap_model_gives_the_pose_of_the_image_of_that_name(tmp_path: Path, place: str) -> None:
    poses = _model(tmp_path / place, "a.jpg", "left/b.jpg", "c.jpg")
    for name, index in (("a.jpg", 0), ("b.jpg", 1), ("left/b.jpg", 1), ("c.jpg", 2)):
        found = first_pose(str(tmp_path), 0, name)
        np.testing.assert_allclose(found.matrix, poses[index].matrix, atol=TUM_DECIMALS)
    np.testing.assert_allclose(some_pose(str(tmp_path / place)).matrix, poses[0].matrix, atol=TUM_DECIMALS)


def test_an_image_that_a_colmap_model_does_not_tell_apart_is_explained(tmp_path: Path) -> None:
    _model(tmp_path, "left/a.jpg", "right/a.jpg")
    with pytest.raises(ConfigError, match=r"none of the 2 images is called `d\.jpg`"):
        first_pose(str(tmp_path), 0, "d.jpg")
    with pytest.raises(ConfigError, match=r"2 of the 2 images are called `a\.jpg`"):
        first_pose(str(tmp_path), 0, "a.jpg")
    (tmp_path / "images.txt").write_text("1 0 0\n")
    with pytest.raises(ConfigError, match="no first pose: this is not COLMAP's list of images"):
        first_pose(str(tmp_path), 0, "a.jpg")


def test_a_recording_beside_its_model_gives_the_pose_nearest_in_time(tmp_path: Path) -> None:
    poses = _trajectory(tmp_path / "groundtruth.txt")
    _model(tmp_path / "sparse", "other.jpg")
    found = first_pose(str(tmp_path), 100_000_000, "query.jpg")
    np.testing.assert_allclose(found.matrix, poses[1].matrix, atol=10 * TUM_DECIMALS)
