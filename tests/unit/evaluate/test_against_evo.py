"""evo is the field's yardstick. It is under the GPL, so it runs as a program of its own and is never imported."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from reloc.evaluate.summary import Evaluation, Statistics, evaluate
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, load_tum, save_tum
from tests.tolerances import EVO
from tests.unit.evaluate.trajectories import disturbed, walk


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed (pip install evo)")
    return found


def _evo(folder: Path, name: str, *options: str) -> np.ndarray:
    """Return evo's errors, one a frame or pair."""
    command = [_program(name), "tum", "groundtruth.txt", "estimate.txt", "--save_results", "result.zip", *options]
    (folder / "result.zip").unlink(missing_ok=True)
    environment = {**os.environ, "HOME": str(folder), "MPLBACKEND": "agg"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(folder / "result.zip") as archive:
        return np.load(io.BytesIO(archive.read("error_array.npy")), allow_pickle=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ground truth, and a noisy estimate of two thirds of its frames in a frame and a scale of its own."""
    folder = tmp_path_factory.mktemp("evo")
    truth = walk(400)
    kept = np.sort(np.random.default_rng(5).permutation(400)[:270])
    estimate = disturbed(truth).selected(kept).moved(SE3.exp([0.3, -0.2, 0.1, 0.1, 0.2, -0.3]), scale=1.1)
    late = Trajectory(estimate.timestamps_ns + 2_000_000, estimate.translations, estimate.quaternions)
    save_tum(folder / "groundtruth.txt", truth)
    save_tum(folder / "estimate.txt", late)
    return folder


def _ours(folder: Path, alignment: str = "none", distance_m: float = 0.3) -> Evaluation:
    estimate, truth = load_tum(folder / "estimate.txt"), load_tum(folder / "groundtruth.txt")
    return evaluate(estimate, truth, alignment=alignment, relative_distance_m=distance_m)


@pytest.mark.parametrize(("alignment", "options"), [("none", []), ("se3", ["--align"]), ("sim3", ["--align", "--correct_scale"])])
def test_absolute_errors_are_those_of_evo(files: Path, alignment: str, options: list[str]) -> None:
    ours = _ours(files, alignment)
    assert ours.matched == 270
    position_m = _evo(files, "evo_ape", "--pose_relation", "trans_part", *options)
    rotation_deg = _evo(files, "evo_ape", "--pose_relation", "angle_deg", *options)
    np.testing.assert_allclose(ours.errors.position_m, position_m, atol=EVO)
    np.testing.assert_allclose(np.degrees(ours.errors.rotation_rad), rotation_deg, atol=EVO)
    assert ours.position_m.rmse == pytest.approx(np.sqrt(np.mean(position_m**2)), abs=EVO)
    assert ours.rotation_deg.median == pytest.approx(np.median(rotation_deg), abs=EVO)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("step", ["--delta", "1", "--delta_unit", "f"]),
        ("distance", ["--delta", "0.3", "--delta_unit", "m", "--all_pairs", "--pairs_from_reference"]),
    ],
)
def test_relative_errors_are_those_of_evo(files: Path, kind: str, options: list[str]) -> None:
    ours = _ours(files).relative[kind]
    position_m = _evo(files, "evo_rpe", "--pose_relation", "trans_part", *options)
    rotation_deg = _evo(files, "evo_rpe", "--pose_relation", "angle_deg", *options)
    assert ours.pairs == len(position_m) > 200
    expected = {"position": Statistics.of(position_m), "rotation": Statistics.of(rotation_deg)}
    assert vars(ours.position_m) == pytest.approx(vars(expected["position"]), abs=EVO)
    assert vars(ours.rotation_deg) == pytest.approx(vars(expected["rotation"]), abs=EVO)
