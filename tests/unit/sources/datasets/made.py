"""Tiny datasets as their makers would have written them, from a camera that walks past points whose places are known.

What is expected of a reader comes from OpenCV's projection of these points, by each format's own words, not from our code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from reloc.evaluate.groundtruth import load_groundtruth
from reloc.geometry.trajectory import Trajectory
from reloc.sources.open import open_source
from tests.unit.sources.made import picture, write_image

Array = NDArray[np.float64]

COUNT = 4
SIZE = (64, 48)
FOCAL = (60.0, 61.5)
CENTRE = (30.25, 24.75)
K = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])
# In front of every camera of the walk, and not on one line.
POINTS = np.array([[0.3, -0.2, 3.0], [-0.4, 0.1, 2.5], [0.1, 0.5, 4.0]])


def pose(t: float) -> Array:
    """Return world_from_camera (4, 4), x right, y down, z forward, of a walk that is smooth in `t`."""
    result = np.eye(4)
    result[:3, :3] = Rotation.from_euler("xyz", [0.05 + 0.1 * t, -0.04 + 0.2 * t, 0.1 - 0.15 * t]).as_matrix()
    result[:3, 3] = [0.2 * t, -0.1 + 0.05 * t, 0.15 * t]
    return result


def poses(count: int = COUNT) -> list[Array]:
    return [pose(0.1 * index) for index in range(count)]


def in_opencv(world_from_camera: Array, matrix: Array = K, distortion: Array | None = None) -> Array:
    """Return the pixels (N, 2), first pixel's centre at (0, 0), where OpenCV puts the points."""
    camera_from_world = np.linalg.inv(world_from_camera)
    turn = cv2.Rodrigues(camera_from_world[:3, :3])[0]
    return cv2.projectPoints(POINTS, turn, camera_from_world[:3, 3], matrix, distortion)[0].reshape(-1, 2)


def draw(path: Path, seed: int = 0) -> Path:
    """Write some image of the common size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, picture(seed, SIZE[1], SIZE[0]))
    return path


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def row(values: Any) -> str:
    return " ".join(repr(float(value)) for value in np.asarray(values).reshape(-1))


def truth_of(spec: str) -> Trajectory:
    """Return the poses that a source says it brings along, as `reloc evaluate` reads them."""
    named = open_source(spec).info.groundtruth
    assert named is not None
    return load_groundtruth(named)


def seen(spec: str) -> dict[str, Array]:
    """Return the pixels (N, 2) where a source's own lens and poses put the points, by the name of the frame."""
    source, truth = open_source(spec), truth_of(spec)
    assert source.info.camera is not None
    found = {}
    with source:
        for frame in source:
            index = truth.nearest(frame.timestamp_ns)
            if truth.timestamps_ns[index] == frame.timestamp_ns:
                found[frame.name] = source.info.camera.project(truth.pose(index).inverse().apply(POINTS))
    return found


# --- the datasets, each as small as it can be


def tum_rgbd(folder: Path) -> Path:
    """Images at 0.5 s, 0.6 s, ...; poses at these times and in between."""
    names = [draw(folder / "rgb" / f"{0.5 + 0.1 * i:.6f}.png", i).name for i in range(COUNT)]
    text(folder / "rgb.txt", "# color images", "# timestamp filename", *(f"{name[:-4]} rgb/{name}" for name in names))
    lines = ["# ground truth trajectory", "# timestamp tx ty tz qx qy qz qw"]
    for index in range(2 * COUNT - 1):
        at = pose(0.05 * index)
        lines.append(f"{0.5 + 0.05 * index:.4f} {row(at[:3, 3])} {row(Rotation.from_matrix(at[:3, :3]).as_quat())}")
    text(folder / "groundtruth.txt", *lines)
    return folder


def seven_scenes(folder: Path) -> Path:
    """The third frame is missing and the fourth has no finite pose."""
    for index in (0, 1, 3, 4):
        draw(folder / f"frame-{index:06d}.color.png", index)
        draw(folder / f"frame-{index:06d}.depth.png", index)
        text(folder / f"frame-{index:06d}.pose.txt", *(row(line) for line in pose(0.1 * index)))
    text(folder / "frame-000003.pose.txt", *["-1.#INF 0 1.#QNAN inf"] * 4)
    return folder


def twelve_scenes(folder: Path) -> Path:
    matrix = np.eye(4)
    matrix[:3, :3] = K
    text(
        folder / "info.txt",
        "m_versionNumber = 4",
        "m_sensorName = StructureSensor",
        f"m_colorWidth = {SIZE[0]}",
        f"m_colorHeight = {SIZE[1]}",
        f"m_calibrationColorIntrinsic = {row(matrix)} ",
        f"m_frames.size = {COUNT}",
    )
    for index, at in enumerate(poses()):
        draw(folder / "data" / f"frame-{index:06d}.color.jpg", index)
        text(folder / "data" / f"frame-{index:06d}.pose.txt", *(row(line) for line in at))
    return folder


BODY_FROM_CAMERA = np.eye(4)
BODY_FROM_CAMERA[:3, :3] = Rotation.from_euler("xyz", [0.3, -0.2, 1.5]).as_matrix()
BODY_FROM_CAMERA[:3, 3] = [-0.02, 0.06, 0.01]
RADTAN = np.array([-0.28, 0.07, 0.0002, 0.00002])
EUROC_START_NS = 1_403_636_579_763_555_584


def euroc(folder: Path) -> Path:
    camera, truth = folder / "mav0" / "cam0", folder / "mav0" / "state_groundtruth_estimate0"
    times = [EUROC_START_NS + 50_000_000 * index for index in range(COUNT)]
    for index, time in enumerate(times):
        draw(camera / "data" / f"{time}.png", index)
    text(camera / "data.csv", "#timestamp [ns],filename", *(f"{time},{time}.png" for time in times))
    sensor = (
        f"T_BS:\n  cols: 4\n  rows: 4\n  data: [{', '.join(row(BODY_FROM_CAMERA).split())}]\nrate_hz: 20\n"
        f"resolution: [{SIZE[0]}, {SIZE[1]}]\ncamera_model: pinhole\n"
        f"intrinsics: [{FOCAL[0]}, {FOCAL[1]}, {CENTRE[0]}, {CENTRE[1]}] #fu, fv, cu, cv\n"
        f"distortion_model: radial-tangential\ndistortion_coefficients: [{', '.join(map(str, RADTAN))}]\n"
    )
    text(camera / "sensor.yaml", "#Default camera\nsensor_type: camera", sensor)
    lines = [
        "#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [], v_RS_R_x [m s^-1]"
    ]
    for time, at in zip(times, poses(), strict=True):
        body = at @ np.linalg.inv(BODY_FROM_CAMERA)
        quaternion = Rotation.from_matrix(body[:3, :3]).as_quat()[[3, 0, 1, 2]]
        lines.append(f"{time},{','.join(row([*body[:3, 3], *quaternion]).split())},0.5")
    text(truth / "data.csv", *lines)
    return folder


# The colour camera on the left, 6 cm to the left of camera 0 and a little behind it, as in the real rig.
KITTI_FIRST_FROM_COLOUR = np.eye(4)
KITTI_FIRST_FROM_COLOUR[:3, 3] = [-0.06, -0.001, -0.005]
KITTI_P2 = K @ np.linalg.inv(KITTI_FIRST_FROM_COLOUR)[:3]


def kitti(folder: Path) -> Path:
    """Return sequences/00 of a folder laid out as the benchmark's."""
    sequence = folder / "sequences" / "00"
    for index in range(COUNT):
        draw(sequence / "image_0" / f"{index:06d}.png", index)
        draw(sequence / "image_2" / f"{index:06d}.png", index)
    others = row(np.hstack([K, np.zeros((3, 1))]))
    text(sequence / "calib.txt", f"P0: {others}", f"P1: {others}", f"P2: {row(KITTI_P2)}", f"P3: {others}", f"Tr: {others}")
    text(sequence / "times.txt", *(f"{0.1 * index:e}" for index in range(COUNT)))
    text(folder / "poses" / "00.txt", *(row(at[:3]) for at in poses()))
    return sequence


def colmap_text(folder: Path) -> Path:
    """A project in text form, with names that do not sort as texts do, and one image by another camera."""
    cameras = (f"1 PINHOLE {row(SIZE)} {row(FOCAL)} 30.75 25.25", f"2 PINHOLE {row(SIZE)} 70 70 32 24")
    text(folder / "sparse" / "0" / "cameras.txt", "# Camera list", *cameras)
    lines = ["# Image list with two lines of data per image:"]
    for index, at in enumerate(poses()):
        inverse = np.linalg.inv(at)
        quaternion = Rotation.from_matrix(inverse[:3, :3]).as_quat()[[3, 0, 1, 2]]
        name = draw(folder / "images" / f"img{7 + index}.png", index).name
        lines += [f"{COUNT - index} {row(quaternion)} {row(inverse[:3, 3])} {2 if index == 3 else 1} {name}", "1.5 2.5 -1"]
    text(folder / "sparse" / "0" / "images.txt", *lines)
    return folder


def opengl(world_from_camera: Array) -> Array:
    """Return the same camera with its y axis up and its z axis backward."""
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    return world_from_camera @ turned


def arkitscenes(folder: Path) -> Path:
    """Return a video folder, named by its number; images at 60 Hz between poses at 10 Hz."""
    number = folder.name
    for index in range(COUNT):
        name = f"{number}_{6791.458 + index / 60:.3f}"
        draw(folder / "lowres_wide" / f"{name}.png", index)
        intrinsics = (*SIZE, FOCAL[0] + 0.01 * (index - 1), FOCAL[1], *CENTRE)
        text(folder / "lowres_wide_intrinsics" / f"{name}.pincam", row(intrinsics))
    lines = []
    for index in range(COUNT):
        inverse = np.linalg.inv(pose(0.1 * index))
        lines.append(f"{6791.458 + index / 60:.3f} {row(cv2.Rodrigues(inverse[:3, :3])[0])} {row(inverse[:3, 3])}")
    text(folder / "lowres_wide.traj", *lines)
    return folder
