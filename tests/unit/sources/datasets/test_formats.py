from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from reloc.cli import make_app
from reloc.errors import RelocError, SourceError, TrajectoryError
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.first_pose import first_pose
from reloc.geometry.trajectory import save_tum
from reloc.sources.datasets import SCHEMES
from reloc.sources.open import open_source
from tests.tolerances import TUM_DECIMALS
from tests.unit.sources.datasets import made
from tests.unit.sources.datasets.made import COUNT, truth_of


def _transforms(folder: Path) -> Path:
    frames = [
        {"file_path": f"images/{made.draw(folder / 'images' / f'{i}.png', i).name}", "transform_matrix": made.opengl(at).tolist()}
        for i, at in enumerate(made.poses())
    ]
    made.text(folder / "transforms.json", json.dumps({"camera_angle_x": 0.9, "frames": frames}))
    return folder


_MAKERS: dict[str, tuple[str, Callable[[Path], Path], str, int]] = {
    "tum": ("freiburg1", made.tum_rgbd, "TUM RGB-D", COUNT),
    "7scenes": ("seq-01", made.seven_scenes, "7-Scenes", 3),
    "12scenes": ("kitchen", made.twelve_scenes, "12-Scenes", COUNT),
    "euroc": ("MH_01", made.euroc, "EuRoC MAV", COUNT),
    "kitti": ("dataset", made.kitti, "KITTI odometry", COUNT),
    "colmap": ("project", made.colmap_text, "COLMAP project", COUNT - 1),
    "nerfstudio": ("scene", _transforms, "nerfstudio", COUNT),
    "arkitscenes": ("40753679", made.arkitscenes, "ARKitScenes", COUNT),
}


# Of KITTI the colour camera is taken, which is not where the poses are.
_MOUNTED = {"kitti": made.KITTI_FIRST_FROM_COLOUR}


def test_every_scheme_is_tested() -> None:
    assert set(_MAKERS) == set(SCHEMES)


@pytest.mark.parametrize("scheme", _MAKERS)
def test_a_dataset_is_known_by_what_is_in_it_and_by_its_name(tmp_path: Path, scheme: str) -> None:
    name, make, title, poses = _MAKERS[scheme]
    folder = make(tmp_path / name)
    for spec in (str(folder), f"{scheme}:{folder}", f"{scheme.upper()}:{folder}"):
        source = open_source(spec)
        assert (source.info.kind, source.info.groundtruth) == (title, Path(spec))
        with source:
            frames = list(source)
        assert len(frames) == source.info.length
        assert np.all(np.diff([frame.timestamp_ns for frame in frames]) > 0)
        truth = truth_of(spec)
        assert len(truth) == poses
        # Poses are those of frames: nothing else would count when a run is judged.
        assert set(truth.timestamps_ns.tolist()) <= {frame.timestamp_ns for frame in frames}


@pytest.mark.parametrize("scheme", _MAKERS)
def test_a_dataset_says_where_the_camera_is_at_first(tmp_path: Path, scheme: str) -> None:
    name, make, _, _ = _MAKERS[scheme]
    folder = make(tmp_path / name)
    with open_source(str(folder)) as source:
        first = next(iter(source))
    for init in (str(folder), f"{scheme}:{folder}"):
        found = first_pose(init, first.timestamp_ns)
        np.testing.assert_allclose(found.matrix, made.pose(0.0) @ _MOUNTED.get(scheme, np.eye(4)), atol=TUM_DECIMALS)


def test_a_run_is_judged_by_a_dataset(tmp_path: Path) -> None:
    folder = made.euroc(tmp_path / "MH_01")
    save_tum(tmp_path / "run.txt", truth_of(str(folder)))
    result = CliRunner().invoke(make_app("evaluate"), ["evaluate", str(tmp_path / "run.txt"), "-g", str(folder), "--json"])
    found = json.loads(result.stdout)
    assert (found["frames"], found["matched"], found["recall"]["1cm_1deg"]) == (COUNT, COUNT, 1.0)


def test_times_are_the_datasets_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "reloc")
    seven = open_source(str(made.seven_scenes(tmp_path / "seq-01")), fps=10)
    assert "The frame rate of 10 is not used" in caplog.text
    assert [frame.timestamp_ns for frame in seven] == [0, 33_333_333, 100_000_000, 133_333_333]  # of frames 0, 1, 3 and 4
    euroc = open_source(str(made.euroc(tmp_path / "MH_01")))
    assert next(iter(euroc)).timestamp_ns == made.EUROC_START_NS
    arkit = open_source(str(made.arkitscenes(tmp_path / "7")))
    assert [frame.timestamp_ns for frame in arkit][:2] == [6_791_458_000_000, 6_791_475_000_000]


def test_motion_capture_is_interpolated_at_the_frames_but_not_across_gaps(tmp_path: Path) -> None:
    folder = made.tum_rgbd(tmp_path / "freiburg1")
    at = {0.5: 0.0, 0.58: 0.08, 0.62: 0.12, 0.65: 0.15, 0.95: 0.45}  # seconds: metres along x
    made.text(folder / "groundtruth.txt", *(f"{time} {x} 0 0 0 0 0 1" for time, x in at.items()))
    truth = truth_of(str(folder))
    # Frames at 0.5, 0.6, 0.7 and 0.8 s: the last two lie in a gap of 0.3 s.
    assert truth.timestamps_ns.tolist() == [500_000_000, 600_000_000]
    np.testing.assert_allclose(truth.translations[:, 0], [0.0, 0.1], atol=1e-12)


def test_images_by_other_cameras_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "reloc")
    source = open_source(str(made.colmap_text(tmp_path)))
    assert [frame.name for frame in source] == ["img7.png", "img8.png", "img9.png"]
    assert "1 of 4 images are by other cameras than 1" in caplog.text


def test_frames_with_different_lenses_bring_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "reloc")
    document = json.loads((_transforms(tmp_path) / "transforms.json").read_text())
    document["frames"][1]["fl_x"] = 77.0
    made.text(tmp_path / "transforms.json", json.dumps(document))
    assert open_source(str(tmp_path)).info.camera is None
    assert "give one with --camera" in caplog.text


def test_what_a_dataset_lacks_is_none(tmp_path: Path) -> None:
    other = made.tum_rgbd(tmp_path / "my_own_kinect")
    assert open_source(str(other)).info.camera is None
    (other / "groundtruth.txt").unlink()
    assert open_source(str(other)).info.groundtruth is None
    with pytest.raises(TrajectoryError, match="this TUM RGB-D dataset brings no ground truth"):
        load_groundtruth(other)
    (made.euroc(tmp_path / "MH") / "mav0" / "cam0" / "sensor.yaml").unlink()
    bare = open_source(str(tmp_path / "MH")).info
    assert (bare.camera, bare.groundtruth) == (None, None)


def test_the_calibration_in_a_folder_goes_first(tmp_path: Path) -> None:
    folder = made.tum_rgbd(tmp_path / "freiburg1")
    made.text(folder / "camera.yaml", "model: PINHOLE", "width: 64", "height: 48", "fx: 60", "fy: 60", "cx: 32", "cy: 24")
    camera = open_source(str(folder)).info.camera
    assert camera is not None
    assert camera.fx == 60


def test_a_folder_that_could_be_two_datasets_asks_which(tmp_path: Path) -> None:
    made.colmap_text(_transforms(tmp_path))
    with pytest.raises(SourceError, match=r"say which: nerfstudio:.* or colmap:"):
        open_source(str(tmp_path))
    assert open_source(f"colmap:{tmp_path}").info.length == COUNT - 1
    assert open_source(f"nerfstudio:{tmp_path}").info.length == COUNT


def test_a_recording_of_ours_stays_one_whatever_is_made_of_it(tmp_path: Path, made_recording: Path) -> None:
    assert open_source(str(made_recording)).info.kind == "recording"
    folder = made.colmap_text(tmp_path)
    made.text(folder / "groundtruth.txt", "0 0 0 0 0 0 0 1")
    assert open_source(str(folder)).info.kind == "images"
    assert open_source(f"colmap:{folder}").info.kind == "COLMAP project"


def test_a_scheme_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a folder with a dataset of the kind KITTI odometry"):
        open_source(f"kitti:{tmp_path / 'nowhere'}")
    with pytest.raises(RelocError):
        open_source(f"arkitscenes:{tmp_path}")


@pytest.mark.parametrize(
    ("scheme", "file", "content", "match"),
    [
        ("tum", "rgb.txt", b"", "lists no images"),
        ("tum", "rgb.txt", b"0.1\n", "Line 1 of the list of images"),
        ("tum", "rgb.txt", b"one rgb/a.png\n", "The time in line 1 must be seconds"),
        ("tum", "rgb.txt", b"2 rgb/a.png\n1 rgb/b.png\n", "must increase, but b.png is not later than a.png"),
        ("tum", "rgb.txt", b"\xff\xfe\x00", "found bytes that are none"),
        ("tum", "groundtruth.txt", b"9 0 0 0 0 0 0 1\n", "on one clock"),
        ("tum", "groundtruth.txt", b"0.5 0 0 0 0 0 0 2\n", "length 2"),
        ("7scenes", "frame-000000.pose.txt", b"1 0 0 0\n", "16 numbers"),
        ("7scenes", "frame-000000.pose.txt", b"1 0 0 0 0 1 0 0 0 0 -1 0 0 0 0 1", "must be a rotation"),
        ("7scenes", "frame-000000.pose.txt", b"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 2", "last row"),
        ("7scenes", "frame-000000.pose.txt", b"1e308 1e308 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "must be a rotation"),
        ("7scenes", "frame-000000.pose.txt", b"1 " * 4000, "at most 4096 bytes"),
        ("12scenes", "info.txt", b"m_colorWidth = 64\n", "lacks m_colorHeight, m_calibrationColorIntrinsic"),
        ("euroc", "mav0/cam0/data.csv", b"12.5,a.png\n", "must be nanoseconds"),
        ("euroc", "mav0/cam0/data.csv", b"9999999999999999999,a.png\n", "must be nanoseconds"),
        ("euroc", "mav0/cam0/sensor.yaml", b"camera_model: omni\ndistortion_model: none\n", "omni with none is not supported"),
        ("euroc", "mav0/cam0/sensor.yaml", b"camera_model: [", "no readable YAML"),
        ("euroc", "mav0/state_groundtruth_estimate0/data.csv", b"1,2,3\n", "7 numbers"),
        ("euroc", "mav0/state_groundtruth_estimate0/data.csv", b"1,0,0,0,0,0,0,2\n", "order is w, x, y, z"),
        ("euroc", "mav0/state_groundtruth_estimate0/data.csv", b"# nothing\n", "holds no pose"),
        ("kitti", "sequences/00/times.txt", b"0\n", "4 images, but only 1 times"),
        ("kitti", "sequences/00/calib.txt", b"P0: 1 2 3\n", "lacks P2; found P0"),
        ("kitti", "sequences/00/calib.txt", b"P2: 1 2 3\n", "12 numbers"),
        ("kitti", "sequences/00/calib.txt", b"P2: 1 2 3 4 5 6 7 8 9 10 11 12\n", "rectified camera"),
        ("kitti", "poses/00.txt", b"1 0 0 0 0 1 0 0 0 0 1 0\n", "4 images, but only 1 poses"),
        ("kitti", "poses/00.txt", b"nan 0 0 0 0 1 0 0 0 0 1 0\n" * 4, "line 1 of the ground truth holds NaN"),
        ("colmap", "sparse/0/images.txt", b"1 1 0 0 0 0 0 0 1\n", "not COLMAP's list of images"),
        ("colmap", "sparse/0/images.txt", b"1 2 0 0 0 0 0 0 1 a.png\n\n", "the pose of a.png is none"),
        ("colmap", "sparse/0/images.txt", b"# empty\n", "placed no image"),
        ("colmap", "sparse/0/images.bin", b"\xff" * 8, "which 8 bytes cannot hold"),
        ("colmap", "sparse/0/images.bin", b"\x01" + bytes(7) + bytes(72) + b"name", "not COLMAP's list"),
        ("colmap", "sparse/0/cameras.txt", b"7 PINHOLE 64 48 60 60 32 24\n", "no camera '1'"),
        ("nerfstudio", "transforms.json", b"{", "expected to be JSON"),
        ("nerfstudio", "transforms.json", b"[" * 100_000, "expected to be JSON"),
        ("nerfstudio", "transforms.json", b'{"frames": {}}', "a list `frames`"),
        ("nerfstudio", "transforms.json", b'{"frames": [{"transform_matrix": 1}]}', "lacks its `file_path`"),
        ("nerfstudio", "transforms.json", b'{"frames": [{"file_path": "a.png"}, {"file_path": "a"}]}', "listed twice"),
        ("nerfstudio", "transforms.json", b'{"w": 9, "h": "x", "fl_x": 1, "frames": [{"file_path": "a"}]}', "`h` must be"),
        ("nerfstudio", "transforms.json", b'{"w": 9, "h": 9, "fl_x": 1e999, "frames": [{"file_path": "a"}]}', "`fl_x` must be"),
        ("nerfstudio", "transforms.json", b'{"fl_x": 9, "w": 9, "h": 9, "k4": 1, "frames": [{"file_path": "a"}]}', "k4 of a"),
        ("nerfstudio", "transforms.json", b'{"frames": [{"file_path": "a", "transform_matrix": [[1, 2]]}]}', "4 rows of 4"),
        ("arkitscenes", "lowres_wide.traj", b"6791.458 0 0 0\n", "after its time, is expected to be 6 numbers"),
        ("arkitscenes", "lowres_wide.traj", b"now 0 0 0 0 0 0\n", "The time in line 1 must be seconds"),
        ("arkitscenes", "lowres_wide.traj", b"6791 0 0 0 nan 0 0\n", "line 1 of the ground truth holds NaN"),
        ("arkitscenes", "lowres_wide_intrinsics/40753679_6791.458.pincam", b"640 480 1 1 1 1", "not for the 64x48 pixels"),
        ("arkitscenes", "lowres_wide_intrinsics/40753679_6791.458.pincam", b"640 480 0 1 1 1", "width height fx fy cx cy"),
    ],
)  # fmt: skip
def test_broken_and_hostile_files_are_explained(tmp_path: Path, scheme: str, file: str, content: bytes, match: str) -> None:
    name, make, _, _ = _MAKERS[scheme]
    folder = make(tmp_path / name)
    (tmp_path / name / file).write_bytes(content)
    with pytest.raises(RelocError, match=match):
        _read_all(f"{scheme}:{folder}")


def _read_all(spec: str) -> None:
    open_source(spec)
    load_groundtruth(spec)
