from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.errors import ConfigError
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.evaluate.run import load_run
from reloc.evaluate.summary import evaluate
from reloc.smooth.files import FILLED
from tests.unit.commands.test_track import _track

DARK = (3, 4)


@pytest.fixture(scope="module")
def dark(made_recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made recording with two black images in its middle."""
    folder = tmp_path_factory.mktemp("dark") / "room"
    shutil.copytree(made_recording, folder)
    for number in DARK:
        assert cv2.imwrite(str(folder / "images" / f"{number:06d}.jpg"), np.zeros((240, 320, 3), np.uint8))
    return folder


def test_a_smoothed_run_is_a_run_without_gaps(dark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    result = _track(dark, "--init", dark / "groundtruth.txt", "--out", out, "--smooth")
    assert result.exit_code == 0
    assert f"{out / 'smooth'}: 0 frames aligned in the second pass, 2 filled in between, all smoothed" in result.stdout
    forward, smoothed = load_run(out), load_run(out / "smooth")
    assert (forward.name, smoothed.name) == ("out", "out/smooth")
    assert forward.frames is not None
    assert smoothed.frames is not None
    assert (len(forward.trajectory), len(smoothed.trajectory)) == (6, 8)
    assert smoothed.frames.verdicts.tolist() == ["COASTING" if i in DARK else "TRACKED" for i in range(8)]
    assert [smoothed.frames.reasons[i] for i in DARK] == [FILLED, FILLED]
    truth = load_groundtruth(dark)
    assert evaluate(smoothed.trajectory, truth).recall["2cm_2deg"] == 1.0
    believed = forward.frames.is_believed
    traces = [np.trace(run.frames.covariances[believed], axis1=1, axis2=2) for run in (forward, smoothed) if run.frames]
    assert (traces[1] < traces[0] * 1.01).all()
    found = json.loads((out / "smooth" / "summary.json").read_text())
    assert found["second_pass"] == {"found": 0, "filled": 2}
    assert found["verdicts"]["COASTING"] == 2
    assert (out / "smooth" / "config.yaml").read_text() == (out / "config.yaml").read_text()


def test_an_earlier_smoothed_run_does_not_stay_beside_another_run(dark: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _track(dark, "--init", dark / "groundtruth.txt", "--out", out, "--smooth")
    _track(dark, "--init", dark / "groundtruth.txt", "--out", out)
    assert list((out / "smooth").iterdir()) == []


def test_smoothing_needs_the_frames(dark: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--smooth works on frames\.jsonl"):
        _track(dark, "--init", dark / "groundtruth.txt", "--out", tmp_path, "--smooth", "--set", "output.frames=false")
