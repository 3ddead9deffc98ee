"""EuRoC MAV: `mav0/cam0/data.csv` lists images, `sensor.yaml` calibrates, `state_groundtruth_estimate0` has the body's poses.

Burri et al., "The EuRoC micro aerial vehicle datasets" (2016). Times are nanoseconds, quaternions begin with the real part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from reloc.errors import CalibrationError, SourceError, TrajectoryError
from reloc.geometry.calibration.fields import Fields, parse_yaml
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.conventions import lens, rigid
from reloc.sources.datasets.dataset import Dataset, at_frames, checked_order, data_lines, nanoseconds, numbers, read_text
from reloc.sources.images import ImageFile

Found = TypeVar("Found")

_LARGEST_SENSOR_BYTES = 1 << 16
_MODELS = {
    "radial-tangential": LensModel.OPENCV,
    "radtan": LensModel.OPENCV,
    "equidistant": LensModel.OPENCV_FISHEYE,
    "none": LensModel.PINHOLE,
}
_TRUTHS = ("state_groundtruth_estimate0", "vicon0", "mocap0")


def recognises(folder: Path) -> bool:
    """Tell whether a folder is a sequence, the `mav0` in it, or one of its cameras."""
    return (_camera_folder(folder) / "data.csv").is_file() and (_camera_folder(folder) / "data").is_dir()


def read(folder: Path) -> Dataset:
    """Read a sequence, of which camera 0 is taken unless another one is named, such as `MH_01_easy/mav0/cam1`."""
    camera = _camera_folder(folder)
    listed = camera / "data.csv"
    files = [_frame(line, number, listed) for number, line in data_lines(listed, "the list of images")]
    sensor = _sensor(camera / "sensor.yaml")
    truth = next((camera.parent / name / "data.csv" for name in _TRUTHS if (camera.parent / name / "data.csv").is_file()), None)
    poses = None if truth is None or sensor is None else partial(_poses, truth, sensor[1], files)
    return Dataset(checked_order(files, listed), "dataset", None if sensor is None else sensor[0], poses)


def _camera_folder(folder: Path) -> Path:
    return next((one for one in (folder / "mav0" / "cam0", folder / "cam0") if one.is_dir()), folder)


def _frame(line: str, number: int, path: Path) -> ImageFile:
    time, _, name = line.partition(",")
    if not name.strip() or "\0" in name:
        raise SourceError(f"Line {number} of the list of images: `nanoseconds,file` expected, “{line[:60]}” found", path)
    return ImageFile(path.parent / "data" / name.strip(), nanoseconds(time, f"the time in line {number}", path))


def _sensor(path: Path) -> tuple[LensCamera, SE3] | None:
    """Return the lens and body_from_camera, or None where there is no such file."""
    return _parsed(path, lambda fields: (_lens(fields), _body_from_sensor(fields))) if path.is_file() else None


def _parsed(path: Path, read: Callable[[Fields], Found]) -> Found:
    """Return what a sensor.yaml says; its errors name the file."""
    try:
        return read(Fields(parse_yaml(read_text(path, "the calibration", _LARGEST_SENSOR_BYTES))))
    except (CalibrationError, TrajectoryError) as error:
        raise CalibrationError(str(error), path) from error


def _lens(fields: Fields) -> LensCamera:
    projection, distortion = fields.text("camera_model"), fields.text("distortion_model")
    if projection != "pinhole" or distortion not in _MODELS:
        raise CalibrationError(
            f"EuRoC's model {projection} with {distortion} is not supported; pinhole with {', '.join(_MODELS)} is"
        )
    model = _MODELS[distortion]
    count = len(model.parameter_names)
    fx, fy, cx, cy = fields.numbers("intrinsics", 4)
    coefficients = fields.numbers("distortion_coefficients", count) if count else ()
    return lens(model, fields.sizes("resolution"), (fx, fy, cx, cy), coefficients)


def _body_from_sensor(fields: Fields) -> SE3:
    if not fields.has("T_BS"):
        return SE3.identity()
    pose = rigid(fields.numbers("T_BS", 16), "T_BS")
    assert pose is not None  # Fields refuses numbers that are not finite
    return pose


def _poses(path: Path, body_from_camera: SE3, files: list[ImageFile]) -> Trajectory:
    """Read world_from_body at its own rate, and return world_from_camera at the times of the images."""
    lines = data_lines(path, "the ground truth")
    if not lines:
        raise TrajectoryError("the ground truth holds no pose", path)
    rows = np.array([_pose_row(line, number, path) for number, line in lines])
    times = np.array([nanoseconds(line.partition(",")[0], f"line {number}", path) for number, line in lines], dtype=np.int64)
    lengths = np.linalg.norm(rows[:, 3:], axis=1, keepdims=True)
    if not (np.abs(lengths - 1) < 0.01).all():
        raise TrajectoryError("a quaternion of the ground truth is not of length 1; its order is w, x, y, z", path)
    body = at_frames(Trajectory(times, rows[:, :3], rows[:, 3:] / lengths), files, path)
    mounted = _sensor_from_camera(path.with_name("sensor.yaml"), body_from_camera)
    return Trajectory.from_poses(body.timestamps_ns.tolist(), (body.pose(index) @ mounted for index in range(len(body))))


def _sensor_from_camera(sensor: Path, body_from_camera: SE3) -> SE3:
    """Return where the camera is on the sensor whose poses are known, such as Vicon's markers; that may be the body itself."""
    return _parsed(sensor, _body_from_sensor).inverse() @ body_from_camera if sensor.is_file() else body_from_camera


def _pose_row(line: str, number: int, path: Path) -> tuple[float, ...]:
    """Return position (3,) and quaternion (4,) of a line; velocities and biases may follow."""
    fields = line.split(",")[1:8]
    values = numbers(",".join(fields), 7, f"line {number} of the ground truth, after its time,", path)
    if not np.isfinite(values).all():
        raise TrajectoryError(f"line {number} of the ground truth holds NaN or infinity", path)
    return values
