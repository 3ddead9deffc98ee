from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reloc.cli import make_app
from reloc.errors import RelocError
from tests.unit.sources.datasets import made
from tests.unit.sources.made import picture, write_image


def _inspect(*arguments: object) -> str:
    result = CliRunner().invoke(make_app("inspect"), ["inspect", *map(str, arguments)])
    if isinstance(result.exception, Exception):  # not SystemExit, which is how a command ends
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def _figures(*arguments: object) -> Any:
    return json.loads(_inspect(*arguments, "--json"), parse_constant=lambda constant: pytest.fail(f"not JSON: {constant}"))


def test_a_whole_recording_has_nothing_wrong(made_recording: Path) -> None:
    text = _inspect(made_recording)
    assert "recording" in text
    assert "8 of 320 × 240 colour, 8 bits" in text
    assert "8 poses from" in text
    assert "Nothing looks wrong." in text
    found = _figures(made_recording)
    assert (found["frames"], found["announced"], found["rate_hz"]) == (8, 8, pytest.approx(30.0, abs=1e-4))
    assert found["map"] == str(made_recording / "map" / "mesh.obj")
    assert (found["groundtruth"]["poses"], found["groundtruth"]["frames_with_pose"]) == (8, 8)
    assert found["problems"] == []


def test_what_is_wrong_is_said(made_recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    shutil.copytree(made_recording, folder)
    images = sorted((folder / "images").iterdir())
    images[3].write_bytes(b"")
    shutil.copy(images[5], images[6])
    write_image(images[7], picture(1, 50, 100))
    shutil.rmtree(folder / "map")
    truth = (folder / "groundtruth.txt").read_text().splitlines(keepends=True)
    (folder / "groundtruth.txt").write_text("".join(truth[:-2]))
    found = _figures(folder)
    said = "\n".join(found["problems"])
    assert "1 of 8 frames cannot be read" in said
    assert "1 gaps between frames" in said
    assert "1 images are the one before again" in said
    assert "Images differ: 6 of 320 × 240 colour, 8 bits, 1 of 100 × 50 colour, 8 bits" in said
    assert "it is for 320x240 pixels" in said
    assert "2 of 7 frames have no pose" in said
    assert found["map"] is None
    assert said.count("\n") + 1 == len(_inspect(folder).split("! ")) - 1


def test_images_alone_have_neither_calibration_nor_truth(made_recording: Path) -> None:
    found = _figures(made_recording / "images", "--every", 4)
    assert (found["kind"], found["frames"], found["camera"], found["groundtruth"]) == ("images", 2, None, None)
    assert "--camera" in found["problems"][0]


def test_a_dataset_is_named_by_its_kind(tmp_path: Path) -> None:
    found = _figures(made.seven_scenes(tmp_path / "seq-01"))
    assert (found["kind"], found["frames"]) == ("7-Scenes", 4)
    # A frame that is missing and one whose pose is.
    assert [gap["after"] for gap in found["gaps"]] == ["frame-000001.color.png"]
    assert found["groundtruth"]["frames_with_pose"] == 3


def test_a_truth_that_cannot_be_read_is_a_problem_and_no_end(tmp_path: Path) -> None:
    folder = made.kitti(tmp_path)
    (tmp_path / "poses" / "00.txt").write_text("1 2 3\n")
    assert "The ground truth cannot be used" in _inspect(folder)


def test_what_is_no_source_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RelocError, match="There is no such source"):
        _inspect(tmp_path / "nowhere")
