from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import typer
from typer.testing import CliRunner, Result

from reloc.calibrate import Board, BoardKind
from reloc.commands import calibrate as command
from reloc.errors import CalibrationError, SourceError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.sources.source import FrameSource
from tests.tolerances import BOARD_FOCAL
from tests.unit.calibrate.boards import photographs, poses
from tests.unit.sources.made import ListSource

APP = typer.Typer()
APP.command()(command.calibrate)
LENS = LensCamera(LensModel.OPENCV, 320, 240, 270.0, 268.0, 161.0, 118.0, (-0.1, 0.04, 0.001, -0.0008))
BOARD = Board(BoardKind.CHARUCO, 6, 5, 0.03)
OPTIONS = ("--squares", "6x5", "--square-size", "0.03")


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("board")
    for frame in photographs(LENS, BOARD, poses(BOARD, 14, depth_m=(0.16, 0.28), reach=0.35)):
        cv2.imwrite(str(path / frame.name), frame.image)
    return path


def test_a_folder_of_photographs_becomes_a_calibration_a_report_and_a_picture(folder: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "camera.yaml", tmp_path / "coverage.png"
    result = _run(folder, *OPTIONS, "--out", out, "--picture", picture)
    assert result.exit_code == 0
    camera = load_calibration(out)
    assert (camera.model, camera.width, camera.height) == (LensModel.OPENCV, 320, 240)
    assert camera.fx == pytest.approx(LENS.fx, rel=BOARD_FOCAL)
    assert cv2.imread(str(picture)).shape == (720, 960, 3)
    assert f"OPENCV 320x240: fx {camera.fx:.2f}" in result.stdout
    assert "Reprojection error 0." in result.stdout
    assert "Corners in" in result.stdout
    assert "│" in result.stdout
    assert f"Written to {out}" in result.stdout.replace("\n", "")


def test_programs_get_figures_of_every_view(folder: Path, tmp_path: Path) -> None:
    result = _run(folder, *OPTIONS, "--out", tmp_path / "c.yaml", "--model", "RADIAL", "--every", "2", "--views", "6", "--json")
    found = json.loads(result.stdout)
    assert found["camera"]["model"] == "RADIAL"
    assert found["frames"]["frames"] == 7
    assert len(found["views"]) + len(found["dropped"]) == found["frames"]["kept"] == 6
    assert all(view["name"].endswith(".png") and view["corners"] >= 8 for view in found["views"])
    assert 0 < found["error_px"] < 1
    assert 0 < found["coverage"]["share"] < 1
    # Six small views are not enough for anybody.
    assert found["warnings"]


def test_the_board_that_is_printed_is_the_board_that_is_found(tmp_path: Path) -> None:
    path = tmp_path / "board.png"
    result = _run(*OPTIONS, "--print-board", path)
    assert result.exit_code == 0
    assert "200.0 ×" in result.stdout
    assert "100 %" in result.stdout
    seen = BOARD.detect(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    assert seen is not None
    assert len(seen.pixels) == BOARD.corners


def test_a_live_camera_is_watched_until_there_are_enough_views(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frames = list(photographs(LENS, BOARD, poses(BOARD, 14, depth_m=(0.16, 0.28), reach=0.35)))
    camera = ListSource(frames * 100, live=True)

    def opened(spec: str) -> FrameSource:
        assert spec == "webcam:0"
        return camera

    monkeypatch.setattr(command, "open_camera", opened)
    assert _run("webcam:0", *OPTIONS, "--views", "8", "--out", tmp_path / "c.yaml").exit_code == 0
    assert 8 <= len(camera.read) < 14
    assert (camera.opened, camera.closed) == (1, 1)


@pytest.mark.parametrize(
    "arguments", [(), ("--squares", "eleven"), ("--squares", "11x"), ("--model", "LENS"), ("x", "--every", "0")]
)
def test_what_cannot_be_meant_is_a_matter_of_usage(arguments: tuple[str, ...]) -> None:
    assert _run(*arguments).exit_code == 2


def test_failures_leave_no_file(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="its markers were"):
        _run(folder, "--squares", "9x9", "--dictionary", "DICT_4X4_50", "--out", tmp_path / "c.yaml", "--every", "7")
    with pytest.raises(SourceError, match="no such source"):
        _run(folder / "absent", "--out", tmp_path / "c.yaml")
    assert list(tmp_path.iterdir()) == []
