from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.cli import make_app
from reloc.errors import ConfigError, MeshError, SourceError
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import load_tum

VIEWS = 30


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def known(made_recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of the room: views from anywhere, not from where the recording was made."""
    path = tmp_path_factory.mktemp("index") / "room.npz"
    arguments = ["map", "index", str(made_recording), "--views", str(VIEWS), "--out", str(path)]
    assert CliRunner().invoke(make_app("map"), arguments).exit_code == 0
    return path


def _localize(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("localize"), ["localize", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def _room(room: Path, known: Path) -> tuple[object, ...]:
    return "--map", room / "map", "--camera", room / "camera.yaml", "--index", known


def _lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def _errors(record: dict[str, Any], truth: SE3) -> tuple[float, float]:
    *translation, qx, qy, qz, qw = record["world_from_camera"]
    pose = SE3.from_quaternion([qw, qx, qy, qz], translation)
    return float(np.linalg.norm(pose.translation - truth.translation)), float(np.degrees(rotation_angle(pose, truth)))


def test_images_are_placed_from_nothing_but_the_map(made_recording: Path, known: Path) -> None:
    images = [made_recording / "images" / f"{number:06d}.jpg" for number in (1, 6)]
    result = _localize(*images, *_room(made_recording, known), "--json")
    assert result.exit_code == 0
    records = _lines(result)
    assert [record["image"] for record in records] == list(map(str, images))
    truth = load_tum(made_recording / "groundtruth.txt")
    for record, number in zip(records, (1, 6), strict=True):
        assert set(record) == {"image", "verdict", "score", "world_from_camera", "milliseconds"}
        assert record["verdict"] == "TRACKED"
        assert 0.5 <= record["score"] <= 1
        assert record["milliseconds"] > 0
        metres, degrees = _errors(record, truth.pose(number))
        assert metres < 0.02
        assert degrees < 0.2


def test_a_line_for_people_holds_the_same(made_recording: Path, known: Path, tmp_path: Path) -> None:
    image = made_recording / "images" / "000003.jpg"
    result = _localize(image, *_room(made_recording, known), "--overlay", tmp_path / "fits")
    name, verdict, score, *pose, milliseconds = result.stdout.split()
    assert (name, verdict) == (str(image), "TRACKED")
    assert 0.5 <= float(score) <= 1
    assert float(milliseconds) > 0
    record = {"world_from_camera": [float(value) for value in pose]}
    assert _errors(record, load_tum(made_recording / "groundtruth.txt").pose(3))[0] < 0.02
    picture = cv2.imread(str(tmp_path / "fits" / "000003.png"))
    assert picture.shape[1] > 3 * 320


def test_a_folder_is_placed_frame_by_frame(made_recording: Path, known: Path) -> None:
    records = _lines(_localize(made_recording, "--index", known, "--json"))
    assert len(records) == 8
    assert Path(records[2]["image"]).name == "000002.jpg"


@pytest.mark.parametrize("kind", ["black", "noise", "mirrored"])
def test_images_of_something_else_are_lost(made_recording: Path, known: Path, tmp_path: Path, kind: str) -> None:
    photograph = cv2.imread(str(made_recording / "images" / "000003.jpg"))
    noise = np.random.default_rng(0).integers(0, 256, photograph.shape).astype(np.uint8)
    images = {"black": np.zeros_like(noise), "noise": noise, "mirrored": photograph[:, ::-1]}
    cv2.imwrite(str(tmp_path / "image.png"), images[kind])
    result = _localize(tmp_path / "image.png", *_room(made_recording, known), "--json")
    assert result.exit_code == 3
    assert [record["verdict"] for record in _lines(result)] == ["LOST"]


def test_what_is_missing_or_wrong_is_said(made_recording: Path, known: Path, tmp_path: Path) -> None:
    image = made_recording / "images" / "000000.jpg"
    with pytest.raises(ConfigError, match="no calibration: name one with --camera"):
        _localize(image, "--map", made_recording / "map")
    with pytest.raises(SourceError):
        _localize(tmp_path / "none.png", *_room(made_recording, known))
    (tmp_path / "other.npz").write_bytes(b"something else")
    with pytest.raises(MeshError, match=r"damaged or something else.*reloc map index"):
        _localize(image, *_room(made_recording, tmp_path / "other.npz"))
    with pytest.raises(ConfigError, match=r"places\.use=auto"):
        _localize(image, *_room(made_recording, known), "--set", "places.use=never")
