from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from reloc.build import (
    find_lens,
    find_map,
    find_mesh,
    make_files,
    make_relocalizer,
    make_renderer,
    make_sinks,
    make_undistorter,
    make_viewer,
)
from reloc.config import RelocConfig, load_config
from reloc.errors import CalibrationError, ConfigError, MeshError
from reloc.frame import RawFrame
from reloc.geometry.calibration import save_calibration
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from reloc.sources.source import SourceInfo
from tests.unit.sinks.estimates import LENS

WALL = TexturedMesh(
    vertices=np.array([[-2, -2, 2], [2, -2, 2], [2, 2, 2], [-2, 2, 2]], np.float32),
    faces=np.array([[0, 2, 1], [0, 3, 2]], np.int32),
    uv=np.zeros((0, 3, 2), np.float32),
    material=np.zeros(2, np.int16),
    textures=(),
    vertex_colors=np.array([[10] * 3, [250] * 3, [90] * 3, [200] * 3], np.uint8),
)


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["hall.obj", "hall.mtl", "hall.png"], "hall.obj"),
        (["mesh.obj", "mesh_20k.obj", "scan.ply"], "mesh.obj"),
        (["SCAN.PLY", ".hidden.obj"], "SCAN.PLY"),
        (["map/mesh.glb", "images/0.jpg"], "map/mesh.glb"),
    ],
)
def test_the_mesh_of_a_folder_is_found(tmp_path: Path, files: list[str], chosen: str) -> None:
    assert find_mesh(_touch(tmp_path, *files)) == tmp_path / chosen
    assert find_mesh(tmp_path / chosen) == tmp_path / chosen


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.obj", "b.obj"], "several meshes, so name one: a.obj, b.obj"),
        (["mesh.obj", "mesh.ply"], "several meshes, so name one: mesh.obj, mesh.ply"),
        (["mesh.txt"], r"holds no mesh; expected a file \.obj, "),
    ],
)
def test_a_folder_that_leaves_the_choice_open_is_refused(tmp_path: Path, files: list[str], message: str) -> None:
    with pytest.raises(MeshError, match=message):
        find_mesh(_touch(tmp_path, *files))


def test_a_recording_may_bring_its_map(tmp_path: Path) -> None:
    _touch(tmp_path, "map/mesh.obj", "other.obj")
    assert find_map(None, str(tmp_path)) == tmp_path / "map" / "mesh.obj"
    assert find_map(tmp_path / "other.obj", str(tmp_path)) == tmp_path / "other.obj"
    with pytest.raises(ConfigError, match="name one with --map"):
        find_map(None, "walk.mp4")


def test_the_calibration_asked_for_goes_before_the_one_that_comes_along(tmp_path: Path) -> None:
    other = LENS.scaled_to(320, 240)
    save_calibration(other, tmp_path / "other.yaml")
    info = SourceInfo("made", live=False, length=1, camera=LENS)
    assert find_lens(None, info) is LENS
    assert find_lens(tmp_path / "other.yaml", info).width == 320
    with pytest.raises(ConfigError, match="name one with --camera"):
        find_lens(None, SourceInfo("made", live=False, length=1, camera=None))
    with pytest.raises(CalibrationError):
        find_lens(tmp_path / "absent.yaml", info)


@pytest.mark.parametrize(("exposure", "shape"), [("luminance", (240, 320)), ("rgb", (240, 320, 3))])
def test_frames_are_in_colour_only_where_the_alignment_looks_at_colour(exposure: str, shape: tuple[int, ...]) -> None:
    undistorter = make_undistorter(load_config(None, [f"align.exposure={exposure}"]), LENS)
    frame = undistorter(RawFrame(0, 0, np.zeros((480, 640, 3), np.uint8)))
    assert frame.image.shape == shape


def test_the_working_width_is_the_one_configured() -> None:
    assert make_undistorter(load_config(None, ["undistort.working_width=160"]), LENS).working_camera.width == 160


def test_the_relocalizer_begins_where_it_was_told_and_draws_with_the_shared_renderer() -> None:
    renderer = Mock(wraps=SoftwareRenderer(WALL))
    start = SE3.exp([0.1, -0.2, 0.3, 0.02, 0.03, -0.04])
    relocalizer = make_relocalizer(RelocConfig(), WALL, LENS, start, renderer=renderer)
    grey = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    relocalizer.step(RawFrame(0, 0, grey))
    first = renderer.render.call_args_list[0].args[1]
    np.testing.assert_allclose(first.matrix, start.inverse().matrix)


def test_every_room_of_the_relocalizer_gets_its_own_section(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Mock()
    monkeypatch.setattr("reloc.build.Relocalizer", made)
    settings = ["align.points=321", "keyframe.turned_deg=3.25", "motion.model=none", "assess.tracked_score=0.625"]
    config = load_config(None, settings)
    make_relocalizer(config, WALL, LENS, SE3.identity())
    assert {name: made.call_args.kwargs[name] for name in ("align", "keyframe", "motion", "assess")} == {
        "align": config.align,
        "keyframe": config.keyframe,
        "motion": config.motion,
        "assess": config.assess,
    }


def test_a_renderer_that_is_not_installed_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.render.pytorch3d.library.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="INSTALL"):
        make_renderer(load_config(None, ["render.backend=pytorch3d"]), WALL)


def test_first_order_descent_compares_raw_colours_whatever_else_is_chosen() -> None:
    config = load_config(None, ["align.solver=adam", "align.residual=local", "adam.steps=3", "undistort.working_width=80"])
    grey = np.random.default_rng(0).integers(0, 255, (480, 640), dtype=np.uint8)
    estimate = make_relocalizer(config, WALL, LENS, SE3.identity()).step(RawFrame(0, 0, grey))
    assert estimate.frame.image.shape == (60, 80, 3)
    assert estimate.exposure.gain.shape == (3,)
    assert estimate.iterations == 3


def test_the_files_of_a_run_are_the_ones_configured(tmp_path: Path) -> None:
    renderer = make_renderer(RelocConfig(), WALL)
    names = [type(sink).__name__ for sink in make_sinks(RelocConfig(), tmp_path, LENS, WALL, renderer)]
    assert names == ["SummarySink", "TrajectorySink", "FramesSink"]
    config = load_config(None, ["output.frames=false", "viewer.mode=save"])
    names = [type(sink).__name__ for sink in make_sinks(config, tmp_path, LENS, WALL, renderer)]
    assert names == ["SummarySink", "TrajectorySink", "RerunSink"]


def test_every_setting_of_the_viewer_reaches_it(tmp_path: Path) -> None:
    settings = {
        "mode": "serve", "rate_hz": 3.5, "image_width": 123, "jpeg_quality": 45, "memory_limit": "7MiB", "bind_ip": "127.0.0.2",
        "web_port": 4001, "grpc_port": 4002,
    }  # fmt: skip
    config = load_config(None, [f"viewer.{name}={value}" for name, value in settings.items()])
    viewer = make_viewer(config.viewer, tmp_path / "x.rrd", WALL, make_renderer(config, WALL))
    assert {name: vars(viewer)[f"_{name}"] for name in settings} == settings
    assert vars(viewer)["_path"] == tmp_path / "x.rrd"


def test_who_is_to_hear_of_a_run_can_be_chosen(tmp_path: Path) -> None:
    settings = ["record.enabled=true", "record.format=ffv1", "mcap.enabled=true", "ros.enabled=true", "output.frames=false"]
    sinks = make_files(load_config(None, settings), tmp_path, LENS)
    assert [type(sink).__name__ for sink in sinks] == ["SummarySink", "TrajectorySink", "RecorderSink", "McapSink", "RosSink"]
    assert [type(sink).__name__ for sink in make_files(RelocConfig(), tmp_path, LENS)][2:] == ["FramesSink"]


def test_a_second_recording_leaves_the_first_alone(tmp_path: Path) -> None:
    for _ in range(3):
        _, _, _, recorder = make_files(load_config(None, ["record.enabled=true"]), tmp_path, LENS)
        recorder.open(SourceInfo("made", live=True, length=None, camera=None), LENS.pinhole)
        recorder.close()
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["recording", "recording_1", "recording_2"]
