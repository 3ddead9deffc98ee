from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from reloc.cli import make_app
from reloc.errors import ConfigError
from reloc.geometry.pose_text import parse_pose
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, save_tum
from tests.tolerances import TUM_DECIMALS

WORLD_FROM_A = SE3.exp([1.0, 2.0, 3.0, 0.1, 0.2, -0.4])
WORLD_FROM_B = SE3.exp([1.2, 2.1, 2.7, 0.3, 0.1, -0.2])
B_FROM_A = WORLD_FROM_B.inverse() @ WORLD_FROM_A


def relative(*arguments: object) -> str:
    result = CliRunner().invoke(make_app("rig"), ["rig", "relative", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.stdout


@pytest.fixture
def tum(tmp_path: Path) -> Path:
    save_tum(tmp_path / "poses.txt", Trajectory.from_poses([1_500_000_000, 2_500_000_000], [WORLD_FROM_A, WORLD_FROM_B]))
    return tmp_path / "poses.txt"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    lines = []
    for name, pose in (("a/left.jpg", WORLD_FROM_A.inverse()), ("b.jpg", WORLD_FROM_B.inverse())):
        lines += [" ".join(map(repr, ["1", *pose.wxyz.tolist(), *pose.translation.tolist()])).replace("'", "") + f" 1 {name}", ""]
    (tmp_path / "images.txt").write_text("# images\n" + "\n".join(lines) + "\n")
    return tmp_path / "images.txt"


def test_two_poses_of_a_trajectory(tum: Path) -> None:
    found = json.loads(relative(f"{tum}#1.5", f"{tum}#2.5", "--json"))
    assert np.allclose(parse_pose(" ".join(map(str, found["b_from_a"]))).matrix, B_FROM_A.matrix, atol=10 * TUM_DECIMALS)
    assert found["distance"] == pytest.approx(np.linalg.norm(B_FROM_A.translation))
    assert found["angle_deg"] == pytest.approx(np.degrees(np.linalg.norm(B_FROM_A.log()[3:])))


def test_two_images_of_colmap_in_text_for_people(images: Path) -> None:
    first, second = relative(f"{images}#left.jpg", f"{images}#b.jpg").splitlines()
    assert first.startswith("b_from_a ")
    assert np.allclose(parse_pose(first.removeprefix("b_from_a ")).matrix, B_FROM_A.matrix, atol=10 * TUM_DECIMALS)
    assert second.endswith("°")


def test_a_pose_that_is_typed(tum: Path) -> None:
    found = json.loads(relative("1 2 3 0 0 0 1", "1.5 2 3 0 0 0 1", "--json"))
    assert np.allclose(found["b_from_a"], [-0.5, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        ("nowhere.txt#1", "no such file"),
        ("{tum}#soon", "a time in seconds"),
        ("{tum}#1.7", "nearest is at 1.5"),
        ("{images}#c.jpg", "no image 'c.jpg'; it holds a/left.jpg, b.jpg"),
        ("1 2 3", "seven numbers"),
    ],
)
def test_what_is_no_pose_is_said(tum: Path, images: Path, pose: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        relative(pose.format(tum=tum, images=images), "0 0 0 0 0 0 1")
