"""nerfstudio and instant-ngp: `transforms.json` with intrinsics and world_from_camera, camera axes as OpenGL has them.

nerfstudio's documentation, "Data conventions": x right, y up, z backward; a pixel's centre at half of it, since the numbers of
the principal point are COLMAP's. The world is that of the file: what `applied_transform` has done to an earlier one stays done.
"""

from __future__ import annotations

import json
import logging
import math
from functools import partial
from pathlib import Path
from typing import Any

from reloc.errors import CalibrationError, SourceError, TrajectoryError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.conventions import from_opengl, lens, rigid
from reloc.sources.datasets.dataset import Dataset, image_size, read_text
from reloc.sources.decode import IMAGE_SUFFIXES
from reloc.sources.folder import natural_order
from reloc.sources.images import ImageFile, evenly_timed

_FILE = "transforms.json"
_LARGEST_BYTES = 64 << 20
_MOST_FRAMES = 1_000_000
_PIXEL_CENTER = 0.5
_INTRINSICS = ("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_model", "k1", "k2", "k3", "k4", "p1", "p2")
_PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")

_log = logging.getLogger(__name__)


def recognises(folder: Path) -> bool:
    """Tell whether a folder has a transforms.json."""
    return (folder / _FILE).is_file()


def read(folder: Path) -> Dataset:
    """Read the frames of a transforms.json, in order of their names."""
    path = folder / _FILE
    document = _document(path)
    frames = {_image(frame, folder, path): frame for frame in document["frames"]}
    if len(frames) < len(document["frames"]):
        raise SourceError("An image is listed twice, and a frame must not come twice", path)
    files = evenly_timed(natural_order(frames), None)
    return Dataset(files, "frame number", _camera(document, files, path), partial(_poses, files, frames, path))


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path, "a transforms.json", _LARGEST_BYTES))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"A transforms.json is expected to be JSON: {error}", path) from error
    frames = found.get("frames") if isinstance(found, dict) else None
    if not isinstance(frames, list) or not 0 < len(frames) <= _MOST_FRAMES or not all(isinstance(one, dict) for one in frames):
        raise SourceError("A transforms.json is expected to hold a list `frames` of objects", path)
    return dict(found)


def _image(frame: dict[str, Any], folder: Path, path: Path) -> Path:
    """Return the image of a frame; the files of made-up scenes leave out that they are PNGs."""
    name = frame.get("file_path")
    if not isinstance(name, str) or not name or "\0" in name:
        raise SourceError(f"A frame lacks its `file_path`, found {str(name)[:60]}", path)
    image = folder / name
    return image if image.suffix.lower() in IMAGE_SUFFIXES else image.with_name(f"{image.name}.png")


def _camera(document: dict[str, Any], files: list[ImageFile], path: Path) -> LensCamera | None:
    """Return the camera that all frames share, or None where they have different ones."""
    common = {key: document[key] for key in _INTRINSICS if key in document}
    own = [{**common, **{key: frame[key] for key in _INTRINSICS if key in frame}} for frame in document["frames"]]
    if any(one != own[0] for one in own):
        _log.warning("The frames have different intrinsics, so that none is taken: give one with --camera [%s]", path)
        return None
    try:
        return _lens(own[0], files)
    except CalibrationError as error:
        raise CalibrationError(str(error), path) from error


def _lens(values: dict[str, Any], files: list[ImageFile]) -> LensCamera | None:
    if not {"fl_x", "camera_angle_x"} & values.keys():
        return None
    if "w" in values and "h" in values:
        width, height = round(_number(values, "w")), round(_number(values, "h"))
    else:
        width, height = image_size(files[0].path)
    fx = _number(values, "fl_x") if "fl_x" in values else 0.5 * width / math.tan(0.5 * _angle(values))
    fy = _number(values, "fl_y") if "fl_y" in values else fx
    cx = _number(values, "cx") if "cx" in values else 0.5 * width
    cy = _number(values, "cy") if "cy" in values else 0.5 * height
    model, distortion = _distortion(values)
    return lens(model, (width, height), (fx, fy, cx, cy), distortion, pixel_center=_PIXEL_CENTER)


def _distortion(values: dict[str, Any]) -> tuple[LensModel, tuple[float, ...]]:
    """Return the lens model and its parameters: nerfstudio gives k1 to k4 and p1, p2 to OpenCV, in which k4 must be zero."""
    named = values.get("camera_model", "OPENCV")
    k1, k2, k3, k4, p1, p2 = (_number(values, key) if key in values else 0.0 for key in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if named == "OPENCV_FISHEYE":
        return LensModel.OPENCV_FISHEYE, (k1, k2, k3, k4)
    if named not in _PERSPECTIVE:
        known = ", ".join((*_PERSPECTIVE, "OPENCV_FISHEYE"))
        raise CalibrationError(f"the camera model {str(named)[:40]} is not supported; these are: {known}")
    if k4:
        raise CalibrationError(f"k4 of a perspective camera must be 0, found {k4:g}")
    if k3:
        return LensModel.FULL_OPENCV, (k1, k2, p1, p2, k3, 0.0, 0.0, 0.0)
    return (LensModel.OPENCV, (k1, k2, p1, p2)) if any((k1, k2, p1, p2)) else (LensModel.PINHOLE, ())


def _angle(values: dict[str, Any]) -> float:
    angle = _number(values, "camera_angle_x")
    if not 0 < angle < math.pi:
        raise CalibrationError(f"`camera_angle_x` must be between 0 and π, found {angle:g}")
    return angle


def _number(values: dict[str, Any], key: str) -> float:
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise CalibrationError(f"`{key}` must be a finite number, found {str(value)[:40]}")
    return float(value)


def _poses(files: list[ImageFile], frames: dict[Path, dict[str, Any]], path: Path) -> Trajectory:
    times, poses = [], []
    for file in files:
        matrix = frames[file.path].get("transform_matrix")
        if matrix is None or not _is_matrix(matrix):
            raise TrajectoryError(f"`transform_matrix` of {file.path.name} must be 4 rows of 4 numbers", path)
        pose = rigid(matrix, f"{path}, {file.path.name}")
        if pose is not None:
            times.append(file.timestamp_ns)
            poses.append(from_opengl(pose))
    if not poses:
        raise TrajectoryError("no frame has a finite pose", path)
    return Trajectory.from_poses(times, poses)


def _is_matrix(found: Any) -> bool:
    """Tell whether a value is 3 or 4 lists of 4 numbers."""
    return (
        isinstance(found, list)
        and len(found) in (3, 4)
        and all(isinstance(row, list) and len(row) == 4 and all(_is_number(value) for value in row) for row in found)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53)
