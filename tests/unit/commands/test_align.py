from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.errors import ConfigError, OutputError
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import format_tum_line, load_tum

KEYS = {
    "image", "verdict", "reason", "score", "outcome", "world_from_camera", "covariance", "iterations", "exposure", "residual",
    "inlier_share", "milliseconds",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def _align(room: Path, *arguments: object, frame: int = 3) -> Result:
    image = room / "images" / f"{frame:06d}.jpg"
    base = ("align", image, "--map", room / "map", "--camera", room / "camera.yaml", *arguments)
    result = CliRunner().invoke(make_app("align"), list(map(str, base)))
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def _pose_text(pose: SE3) -> str:
    return format_tum_line(0, pose).split(" ", 1)[1]


def _found(result: Result) -> Any:
    return json.loads(result.stdout, parse_constant=lambda constant: pytest.fail(f"not JSON: {constant}"))


def test_an_image_is_aligned_from_a_pose_that_is_a_little_off(made_recording: Path) -> None:
    truth = load_tum(made_recording / "groundtruth.txt").pose(3)
    guess = SE3.exp([0.03, -0.02, 0.02, 0.01, -0.02, 0.01]) @ truth
    result = _align(made_recording, "--init", _pose_text(guess), "--json")
    found = _found(result)
    assert result.exit_code == 0
    assert set(found) == KEYS
    assert (found["verdict"], found["image"]) == ("TRACKED", str(made_recording / "images" / "000003.jpg"))
    *translation, qx, qy, qz, qw = found["world_from_camera"]
    pose = SE3.from_quaternion([qw, qx, qy, qz], translation)
    assert np.linalg.norm(pose.translation - truth.translation) < 0.01
    assert np.rad2deg(rotation_angle(pose, truth)) < 0.1
    covariance = np.array(found["covariance"])
    assert covariance.shape == (6, 6)
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert found["iterations"] > 0
    assert found["milliseconds"]["total"] > 0


def test_a_file_of_poses_and_text_for_people(made_recording: Path, tmp_path: Path) -> None:
    result = _align(made_recording, "--init", made_recording / "groundtruth.txt", "--overlay", tmp_path / "fit.png", frame=0)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("TRACKED, score ")
    assert lines[1].startswith("world_from_camera ")
    assert len(lines[1].split()) == 8
    picture = cv2.imread(str(tmp_path / "fit.png"))
    assert picture.shape[1] > 3 * 320
    assert picture.std() > 20


def _film(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_the_way_of_the_solver_is_shown(made_recording: Path, tmp_path: Path, suffix: str) -> None:
    truth = load_tum(made_recording / "groundtruth.txt").pose(3)
    guess = SE3.exp([0.05, -0.04, 0.02, 0.02, -0.03, 0.01]) @ truth
    film, stages = tmp_path / f"way.{suffix}", tmp_path / "stages.png"
    result = _align(made_recording, "--init", _pose_text(guess), "--animate", film, "--stages", stages)
    assert result.exit_code == 0
    frames = _film(film)
    assert len(frames) > 5  # frames that do not change are one in a GIF
    assert np.ptp([frame.shape for frame in frames], axis=0).max() == 0
    picture = cv2.imread(str(stages)).astype(float)
    start, end, target = (picture[30:, x : x + 320].mean(axis=2) for x in (0, 328, 656))
    # The map ends on the image, and did not begin there.
    assert np.corrcoef(end.ravel(), target.ravel())[0, 1] > np.corrcoef(start.ravel(), target.ravel())[0, 1] + 0.1


def test_first_order_descent_aligns_and_is_shown(made_recording: Path, tmp_path: Path) -> None:
    truth = load_tum(made_recording / "groundtruth.txt").pose(3)
    guess = SE3.exp([0.02, -0.01, 0.01, 0.005, -0.01, 0.005]) @ truth
    settings = ["--set", "align.solver=adam", "--set", "adam.width_px=80", "--set", "adam.steps=25"]
    result = _align(made_recording, "--init", _pose_text(guess), "--json", "--animate", tmp_path / "way.gif", *settings)
    found = _found(result)
    *translation, _, _, _, _ = found["world_from_camera"]
    assert np.linalg.norm(translation - truth.translation) < 0.02
    assert len(found["exposure"]["gain"]) == 3
    assert len(_film(tmp_path / "way.gif")) > 15


def test_an_image_of_something_else_is_lost(made_recording: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((240, 320), 255, np.uint8))
    result = _align(made_recording, "--init", made_recording / "groundtruth.txt", "--ignore", tmp_path / "mask.png", "--json")
    assert result.exit_code == 3
    assert _found(result)["verdict"] == "LOST"


def test_what_is_missing_or_wrong_is_said(made_recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--init"):
        _align(made_recording)
    with pytest.raises(OutputError, match=r"\.png"):
        _align(made_recording, "--init", "0 0 0 0 0 0 1", "--overlay", tmp_path / "fit.tiff")
    with pytest.raises(OutputError, match=r"\.gif, \.mp4; found `\.avi`"):
        _align(made_recording, "--init", "0 0 0 0 0 0 1", "--animate", tmp_path / "fit.avi")
