"""What each format means by its numbers: known points must fall where OpenCV, or the format's own formula, puts them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.tolerances import DATASET_PX
from tests.unit.sources.datasets import made
from tests.unit.sources.datasets.made import COUNT, FOCAL, POINTS, SIZE, K, in_opencv, poses, seen

PYCOLMAP = """
import json, sys
import numpy as np, pycolmap
folder, given = sys.argv[1], json.loads(sys.argv[2])
model, pixels = pycolmap.Reconstruction(), {}
camera = pycolmap.Camera(model=given["model"], width=64, height=48, params=given["params"], camera_id=5)
model.add_camera_with_trivial_rig(camera)
for number, (name, matrix) in enumerate(given["images"].items(), start=1):
    pose = pycolmap.Rigid3d(np.array(matrix)[:3])
    model.add_image_with_trivial_frame(pycolmap.Image(name=name, camera_id=5, image_id=number), pose)
    pixels[name] = [np.array(camera.img_from_cam(pose * np.array(point)), float).tolist() for point in given["points"]]
model.write_binary(folder) if given["binary"] else model.write_text(folder)
print(json.dumps(pixels))
"""


def _same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sorted(found) == sorted(expected)
    for name, pixels in expected.items():
        np.testing.assert_allclose(found[name], pixels, atol=DATASET_PX, err_msg=name)


@pytest.mark.parametrize(
    ("name", "matrix", "distortion"),
    [
        (
            "rgbd_dataset_freiburg1_xyz",
            [[517.306408, 0, 318.643040], [0, 516.469215, 255.313989], [0, 0, 1]],
            [0.262383, -0.953104, -0.005358, 0.002628, 1.163314],
        ),
        (
            "rgbd_dataset_freiburg2_desk",
            [[520.908620, 0, 325.141442], [0, 521.007327, 249.701764], [0, 0, 1]],
            [0.231222, -0.784899, -0.003257, -0.000105, 0.917205],
        ),
        ("rgbd_dataset_freiburg3_office", [[535.4, 0, 320.1], [0, 539.2, 247.6], [0, 0, 1]], [0.0, 0, 0, 0, 0]),
    ],
)
def test_tum_rgbd(tmp_path: Path, name: str, matrix: list[list[float]], distortion: list[float]) -> None:
    folder = made.tum_rgbd(tmp_path / name)
    expected = {f"{0.5 + 0.1 * i:.6f}.png": in_opencv(at, np.array(matrix), np.array(distortion)) for i, at in enumerate(poses())}
    _same(seen(str(folder)), expected)


def test_seven_scenes(tmp_path: Path) -> None:
    folder = made.seven_scenes(tmp_path / "chess" / "seq-01")
    matrix = np.array([[525.0, 0, 320], [0, 525, 240], [0, 0, 1]])
    expected = {f"frame-{i:06d}.color.png": in_opencv(made.pose(0.1 * i), matrix) for i in (0, 1, 4)}
    _same(seen(str(folder)), expected)


def test_twelve_scenes(tmp_path: Path) -> None:
    folder = made.twelve_scenes(tmp_path / "kitchen")
    expected = {f"frame-{i:06d}.color.jpg": in_opencv(at) for i, at in enumerate(poses())}
    _same(seen(str(folder)), expected)
    _same(seen(str(folder / "data")), expected)


def test_euroc(tmp_path: Path) -> None:
    folder = made.euroc(tmp_path / "MH_01_easy")
    times = [made.EUROC_START_NS + 50_000_000 * index for index in range(COUNT)]
    expected = {f"{time}.png": in_opencv(at, K, made.RADTAN) for time, at in zip(times, poses(), strict=True)}
    _same(seen(str(folder)), expected)
    _same(seen(str(folder / "mav0" / "cam0")), expected)


def test_the_ground_truth_of_another_sensor_of_the_body_is_brought_to_the_camera(tmp_path: Path) -> None:
    folder = made.euroc(tmp_path / "V1_01_easy")
    body_from_markers = made.pose(3.0)
    lines = []
    for index, at in enumerate(poses()):
        markers = at @ np.linalg.inv(made.BODY_FROM_CAMERA) @ body_from_markers
        quaternion = made.Rotation.from_matrix(markers[:3, :3]).as_quat()[[3, 0, 1, 2]]
        lines.append(f"{made.EUROC_START_NS + 50_000_000 * index},{','.join(made.row([*markers[:3, 3], *quaternion]).split())}")
    made.text(folder / "mav0" / "vicon0" / "data.csv", "#timestamp [ns], ...", *lines)
    made.text(folder / "mav0" / "vicon0" / "sensor.yaml", f"T_BS:\n  data: [{', '.join(made.row(body_from_markers).split())}]")
    (folder / "mav0" / "state_groundtruth_estimate0" / "data.csv").unlink()
    times = [made.EUROC_START_NS + 50_000_000 * index for index in range(COUNT)]
    _same(
        seen(str(folder)),
        {f"{time}.png": in_opencv(at, K, made.RADTAN) for time, at in zip(times, poses(), strict=True)},
    )


def test_kitti_by_its_own_formula(tmp_path: Path) -> None:
    sequence = made.kitti(tmp_path)
    expected = {}
    for index, first in enumerate(poses()):  # of camera 0
        in_first = np.linalg.inv(first) @ np.vstack([POINTS.T, np.ones(len(POINTS))])
        projected = made.KITTI_P2 @ in_first
        expected[f"{index:06d}.png"] = (projected[:2] / projected[2]).T
    _same(seen(str(sequence)), expected)
    # Camera 0 itself, by name, has no offset.
    _same(seen(str(sequence / "image_0")), {f"{i:06d}.png": in_opencv(at) for i, at in enumerate(poses())})


@pytest.mark.parametrize(
    ("model", "distortion", "binary"),
    [("PINHOLE", [], False), ("OPENCV", [0.05, -0.02, 0.003, -0.004], True), ("OPENCV_FISHEYE", [0.02, 0.01, 0, 0], True)],
)
def test_colmap_by_its_own_library(tmp_path: Path, model: str, distortion: list[float], binary: bool) -> None:
    if importlib.util.find_spec("pycolmap") is None:
        pytest.skip("pycolmap is not installed")
    names = [made.draw(tmp_path / "images" / "a" / f"shot {i}.png", i).relative_to(tmp_path / "images") for i in (8, 9, 10, 11)]
    images = {str(name): np.linalg.inv(at).tolist() for name, at in zip(names, poses(), strict=True)}
    given = {"model": model, "params": [*FOCAL, 30.75, 25.25, *distortion], "images": images, "points": POINTS.tolist()}
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    command = [sys.executable, "-c", PYCOLMAP, str(tmp_path / "sparse" / "0"), json.dumps({**given, "binary": binary})]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    # COLMAP's first pixel has its centre at (0.5, 0.5), ours at (0, 0).
    _same(seen(str(tmp_path)), {Path(name).name: np.array(pixels) - 0.5 for name, pixels in theirs.items()})


def _transforms(folder: Path, intrinsics: dict[str, Any]) -> Path:
    frames = [
        {
            "file_path": str(made.draw(folder / "images" / f"frame_{i:05d}.png", i).relative_to(folder)),
            "transform_matrix": made.opengl(at).tolist(),
        }
        for i, at in enumerate(poses())
    ]
    made.text(folder / "transforms.json", json.dumps({**intrinsics, "frames": frames[::-1]}))
    return folder


_NERFSTUDIO = {"w": SIZE[0], "h": SIZE[1], "fl_x": FOCAL[0], "fl_y": FOCAL[1], "cx": 30.75, "cy": 25.25}


@pytest.mark.parametrize(
    ("lens", "distortion"),
    [
        ({"camera_model": "OPENCV", "k1": 0.05, "k2": -0.02, "p1": 0.003, "p2": -0.004}, [0.05, -0.02, 0.003, -0.004]),
        ({"camera_model": "OPENCV", "k1": 0.05, "k2": -0.02, "k3": 0.01, "k4": 0.0}, [0.05, -0.02, 0, 0, 0.01]),
        ({"camera_model": "PINHOLE"}, [0.0, 0, 0, 0]),
        ({}, [0.0, 0, 0, 0]),
    ],
)
def test_nerfstudio(tmp_path: Path, lens: dict[str, Any], distortion: list[float]) -> None:
    folder = _transforms(tmp_path, {**_NERFSTUDIO, **lens})
    expected = {f"frame_{i:05d}.png": in_opencv(at, K, np.array(distortion)) for i, at in enumerate(poses())}
    _same(seen(str(folder)), expected)


def test_nerfstudio_fisheye(tmp_path: Path) -> None:
    lens = {"camera_model": "OPENCV_FISHEYE", "k1": 0.02, "k2": 0.01, "k3": -0.003, "k4": 0.001}
    folder = _transforms(tmp_path, {**_NERFSTUDIO, **lens})
    expected = {}
    for i, at in enumerate(poses()):
        inverse = np.linalg.inv(at)
        turn, shift = cv2.Rodrigues(inverse[:3, :3])[0], inverse[:3, 3]
        pixels, _ = cv2.fisheye.projectPoints(POINTS[:, None], turn, shift, K, np.array([0.02, 0.01, -0.003, 0.001]))
        expected[f"frame_{i:05d}.png"] = pixels.reshape(-1, 2)
    _same(seen(str(folder)), expected)


def test_a_made_up_scene_of_instant_ngp_has_an_angle_and_its_principal_point_in_the_middle(tmp_path: Path) -> None:
    """As the paper of NeRF projects: a camera that looks along its −z axis, y up, W/2 and H/2 in the middle of the image."""
    folder = _transforms(tmp_path, {"camera_angle_x": 0.9})
    focal = 0.5 * SIZE[0] / np.tan(0.45)
    expected = {}
    for i, at in enumerate(poses()):
        x, y, z = (np.linalg.inv(made.opengl(at)) @ np.vstack([POINTS.T, np.ones(len(POINTS))]))[:3]
        continuous = np.stack([SIZE[0] / 2 + focal * x / -z, SIZE[1] / 2 - focal * y / -z], axis=1)
        expected[f"frame_{i:05d}.png"] = continuous - 0.5
    _same(seen(str(folder)), expected)


def test_arkitscenes(tmp_path: Path) -> None:
    folder = made.arkitscenes(tmp_path / "40753679")
    # Its lens is the median over the frames: they differ by hundredths of a pixel.
    matrix = np.array([[FOCAL[0] + 0.005, 0, K[0, 2]], K[1], K[2]])
    names = [f"40753679_{6791.458 + i / 60:.3f}.png" for i in range(COUNT)]
    _same(seen(str(folder)), {name: in_opencv(at, matrix) for name, at in zip(names, poses(), strict=True)})
