"""KITTI odometry: `sequences/00` with rectified images, `calib.txt` and `times.txt`, and `poses/00.txt` of camera 0 beside it.

Geiger et al., "Are we ready for Autonomous Driving?" (2012). P_i = K [I | t] projects from camera 0's axes, so that camera i
stands at −t in them: all cameras of the rig are rectified to one orientation.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reloc.errors import CalibrationError, SourceError, TrajectoryError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.conventions import lens, rigid
from reloc.sources.datasets.dataset import Dataset, checked_order, data_lines, image_size, mapping_text, numbers, seconds
from reloc.sources.folder import list_images
from reloc.sources.images import ImageFile

# The colour camera on the left first, as is usual.
_CAMERAS = ("image_2", "image_0", "image_3", "image_1")


def recognises(folder: Path) -> bool:
    """Tell whether a folder is a sequence, or the images of one camera in it."""
    sequence = _sequence(folder)
    return (sequence / "calib.txt").is_file() and (sequence / "times.txt").is_file()


def read(folder: Path) -> Dataset:
    """Read a sequence such as `sequences/00`, of which `image_2` is taken, or `image_0`, unless another one is named."""
    sequence = _sequence(folder)
    images = folder if folder.name in _CAMERAS else next((sequence / n for n in _CAMERAS if (sequence / n).is_dir()), None)
    if images is None:
        raise SourceError(f"A sequence of KITTI has folders of images: one of {', '.join(_CAMERAS)} was expected", sequence)
    files = _files(list_images(images), sequence / "times.txt")
    camera, camera_from_first = _camera(sequence / "calib.txt", int(images.name[-1]), image_size(files[0].path))
    truth = sequence.resolve().parent.parent / "poses" / f"{sequence.resolve().name}.txt"
    poses = partial(_poses, truth, camera_from_first, files) if truth.is_file() else None
    return Dataset(files, "dataset", camera, poses)


def _sequence(folder: Path) -> Path:
    return folder.parent if folder.name in _CAMERAS else folder


def _files(images: list[Path], path: Path) -> list[ImageFile]:
    times = [seconds(line, f"line {number}", path) for number, line in data_lines(path, "the list of times")]
    if len(times) < len(images):
        raise SourceError(f"There are {len(images)} images, but only {len(times)} times", path)
    return checked_order([ImageFile(image, time) for image, time in zip(images, times, strict=False)], path)


def _camera(path: Path, number: int, size: tuple[int, int]) -> tuple[LensCamera, SE3]:
    """Return the pinhole of camera `number` and camera_from_first."""
    lines = mapping_text(path, "the calibration", ":")
    text = lines.get(f"P{number}")
    if text is None:
        raise CalibrationError(f"the calibration lacks P{number}; found {', '.join(list(lines)[:8]) or 'nothing'}", path)
    projection: NDArray[np.float64] = np.array(numbers(text, 12, f"P{number}", path)).reshape(3, 4)
    matrix = projection[:, :3]
    expected = [[matrix[0, 0], 0, matrix[0, 2]], [0, matrix[1, 1], matrix[1, 2]], [0, 0, 1]]
    if not (np.isfinite(projection).all() and np.array_equal(matrix, expected) and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise CalibrationError(f"P{number} must be that of a rectified camera, K [I | t], found {projection.tolist()}", path)
    intrinsics = tuple(float(value) for value in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
    fx, fy, cx, cy = intrinsics
    offset = SE3(np.eye(3), np.linalg.inv(matrix) @ projection[:, 3])
    return lens(LensModel.PINHOLE, size, (fx, fy, cx, cy)), offset


def _poses(path: Path, camera_from_first: SE3, files: list[ImageFile]) -> Trajectory:
    lines = data_lines(path, "the ground truth")
    if len(lines) < len(files):
        raise TrajectoryError(f"there are {len(files)} images, but only {len(lines)} poses", path)
    return Trajectory.from_poses(
        (file.timestamp_ns for file in files),
        (_pose(line, number, path) @ camera_from_first.inverse() for number, line in lines[: len(files)]),
    )


def _pose(line: str, number: int, path: Path) -> SE3:
    pose = rigid(numbers(line, 12, f"line {number} of the ground truth", path), f"{path}, line {number}")
    if pose is None:
        raise TrajectoryError(f"line {number} of the ground truth holds NaN or infinity", path)
    return pose
