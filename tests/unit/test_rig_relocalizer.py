from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from reloc.build import make_relocalizer, make_renderer, make_rig_relocalizer
from reloc.cli import make_app
from reloc.config import RelocConfig, load_config
from reloc.errors import ConfigError
from reloc.estimate import Estimate, Verdict
from reloc.evaluate.errors import absolute_errors
from reloc.frame import RawFrame
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.sources.open import open_source
from reloc.synthetic.rig_recording import make_rig_recording
from tests.tolerances import RIG_CM, RIG_DEG

MISSING = {"right": range(3, 5), "left": range(6, 8)}
CONFIG = RelocConfig()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rig") / "walk"
    return make_rig_recording(folder, frames=10, size=(320, 240), fps=15, missing=MISSING)


@pytest.fixture(scope="module")
def mesh(recording: Path) -> TexturedMesh:
    return load_mesh(recording / "map" / "mesh.obj", cache=False)


@pytest.fixture(scope="module")
def renderer(mesh: TexturedMesh) -> Renderer:
    return make_renderer(CONFIG, mesh)


@pytest.fixture(scope="module")
def truth(recording: Path) -> Trajectory:
    return load_tum(recording / "groundtruth.txt")


def tracked(recording: Path, renderer: Renderer, truth: Trajectory, frames: list[RawFrame]) -> list[Estimate]:
    rig = open_source(str(recording)).info.rig
    assert rig is not None
    relocalizer = make_rig_relocalizer(CONFIG, rig, truth.pose(0), renderer)
    return [relocalizer.step(frame) for frame in frames]


def errors(estimates: list[Estimate], truth: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    found = Trajectory.from_poses([e.frame.timestamp_ns for e in estimates], [e.world_from_camera for e in estimates])
    off = absolute_errors(found, truth.selected(np.array([truth.nearest(int(t)) for t in found.timestamps_ns])))
    return 100 * off.position_m, np.degrees(off.rotation_rad)


def test_either_camera_may_drop_out_for_a_while(recording: Path, renderer: Renderer, truth: Trajectory) -> None:
    estimates = tracked(recording, renderer, truth, list(open_source(str(recording))))
    assert [estimate.verdict.is_believed for estimate in estimates] == [True] * 10
    centimetres, degrees = errors(estimates, truth)
    assert centimetres.max() < RIG_CM
    assert degrees.max() < RIG_DEG
    # Each camera's points are chosen in its own view.
    assert min(estimate.quality.visible_share for estimate in estimates) > 0.85
    # The exposure is the first camera's, of which nothing is known while it is gone.
    assert [bool(np.isnan(estimate.exposure.gain).any()) for estimate in estimates] == [k in MISSING["left"] for k in range(10)]


def test_two_cameras_are_surer_than_one(recording: Path, mesh: TexturedMesh, renderer: Renderer, truth: Trajectory) -> None:
    frames = list(open_source(str(recording)))[:3]
    both = tracked(recording, renderer, truth, frames)
    lens = open_source(str(recording)).info.camera
    assert lens is not None
    relocalizer = make_relocalizer(CONFIG, mesh, lens, truth.pose(0), renderer=renderer)
    alone = [relocalizer.step(replace(frame, others={})) for frame in frames]
    for one, two in zip(alone, both, strict=True):
        assert np.trace(two.covariance) < np.trace(one.covariance)


def test_where_no_camera_sees_anything_the_rig_coasts(recording: Path, renderer: Renderer, truth: Trajectory) -> None:
    frames = list(open_source(str(recording)))[:5]
    blank = [replace(frame, others={}, ignore=np.ones(frame.image.shape[:2], bool)) for frame in frames[3:]]
    estimates = tracked(recording, renderer, truth, [*frames[:3], *blank])
    assert [estimate.verdict for estimate in estimates[3:]] == [Verdict.COASTING] * 2
    assert np.trace(estimates[4].covariance) > np.trace(estimates[2].covariance)


def test_a_start_that_is_off_is_searched_around(recording: Path, renderer: Renderer, truth: Trajectory) -> None:
    rig = open_source(str(recording)).info.rig
    assert rig is not None
    start = truth.pose(0) @ type(truth.pose(0)).exp([0.05, 0.02, -0.05, 0.06, -0.08, 0.02])
    found = make_rig_relocalizer(CONFIG, rig, start, renderer).step(next(iter(open_source(str(recording)))))
    centimetres, degrees = errors([found], truth)
    assert found.verdict.is_believed
    assert centimetres[0] < RIG_CM
    assert degrees[0] < RIG_DEG


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(make_app("track"), ["track", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def test_track_follows_the_first_camera_of_a_rig(
    recording: Path, truth: Trajectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELOC_CACHE", str(tmp_path / "cache"))
    result = run(recording, "--init", recording / "groundtruth.txt", "--out", tmp_path / "out", "--every", 2)
    assert result.exit_code == 0
    assert np.array_equal(load_tum(tmp_path / "out" / "trajectory.txt").timestamps_ns, truth.timestamps_ns[::2])


def test_what_a_rig_cannot_do_is_said(recording: Path, renderer: Renderer, truth: Trajectory, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--init"):
        run(recording, "--out", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"rig\.yaml"):
        run(recording, "--init", "0 0 0 0 0 0 1", "--camera", recording / "left" / "camera.yaml", "--out", tmp_path / "out")
    rig = open_source(str(recording)).info.rig
    assert rig is not None
    with pytest.raises(ConfigError, match=r"align\.solver"):
        make_rig_relocalizer(load_config(None, ["align.solver=adam"]), rig, truth.pose(0), renderer)
