"""7-Scenes and 12-Scenes: `frame-000000.color.png` and beside it `frame-000000.pose.txt` with world_from_camera as a matrix."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from reloc.errors import SourceError, TrajectoryError
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.conventions import lens, rigid
from reloc.sources.datasets.dataset import Dataset, entries, mapping_text, numbers, read_text
from reloc.sources.images import ImageFile

_COLOR = re.compile(r"frame-([0-9]{1,9})\.color\.(?:png|jpg|jpeg)", re.IGNORECASE)
_LARGEST_POSE_BYTES = 4096
_RATE_HZ = 30

# 7-Scenes says of its colour camera only that it was not calibrated. This is what DSAC*, ACE and others take for it: the usual
# focal length of a Kinect's colour camera (its depth camera has 585).
_SEVEN_SCENES = ((640, 480), (525.0, 525.0, 320.0, 240.0))


def recognises_seven(folder: Path) -> bool:
    """Tell whether a folder is a sequence of 7-Scenes: numbered colour images with poses, and no info.txt."""
    return _holds_frames(folder) and not _is_twelve(folder)


def recognises_twelve(folder: Path) -> bool:
    """Tell whether a folder is a scene of 12-Scenes, or the `data` in it."""
    return _is_twelve(folder) and (_holds_frames(folder) or _holds_frames(folder / "data"))


def read_seven(folder: Path) -> Dataset:
    """Read a sequence of 7-Scenes, such as `chess/seq-01`."""
    own = next((path for path in (folder / "camera.yaml", folder.parent / "camera.yaml") if path.is_file()), None)
    camera = lens(LensModel.PINHOLE, *_SEVEN_SCENES) if own is None else load_calibration(own)
    return _read(folder, camera)


def read_twelve(folder: Path) -> Dataset:
    """Read a scene of 12-Scenes, such as `apt1/kitchen`."""
    data = folder if _holds_frames(folder) else folder / "data"
    return _read(data, _camera(_info(folder)))


def _holds_frames(folder: Path) -> bool:
    return next(folder.glob("frame-*.pose.txt"), None) is not None


def _is_twelve(folder: Path) -> bool:
    return _info(folder).is_file()


def _info(folder: Path) -> Path:
    inside = folder / "info.txt"
    return inside if inside.is_file() or not _holds_frames(folder) else folder.parent / "info.txt"


def _pose_file(image: Path) -> Path:
    return image.with_name(f"{image.name.partition('.')[0]}.pose.txt")


def _read(folder: Path, camera: LensCamera) -> Dataset:
    matches = [(path, _COLOR.fullmatch(path.name)) for path in entries(folder)]
    frames = [(int(match[1]), path) for path, match in matches if match is not None]
    if not frames:
        raise SourceError("The folder holds no images such as frame-000000.color.png", folder)
    if len({number for number, _ in frames}) < len(frames):
        raise SourceError("A frame comes twice, in two formats of images; leave one of them out", folder)
    files = [ImageFile(path, number * NANOSECONDS_PER_SECOND // _RATE_HZ) for number, path in sorted(frames)]
    return Dataset(files, "frame number", camera, partial(_poses, files, folder))


def _poses(files: list[ImageFile], folder: Path) -> Trajectory:
    """Read the poses that are known: where tracking had failed, the matrix is not finite or its file is missing."""
    found = [(file.timestamp_ns, _pose(_pose_file(file.path))) for file in files]
    known = [(time, pose) for time, pose in found if pose is not None]
    if not known:
        raise TrajectoryError("no frame of the dataset has a pose", folder)
    return Trajectory.from_poses(*zip(*known, strict=True))


def _pose(path: Path) -> SE3 | None:
    if not path.is_file():
        return None
    # Microsoft's C library writes infinity as 1.#INF and NaN as 1.#QNAN or 1.#IND.
    text = re.sub(r"[-+]?1\.#[A-Z]+[0-9]*", "nan", read_text(path, "a pose", _LARGEST_POSE_BYTES))
    return rigid(numbers(text, 16, "a pose", path), str(path))


def _camera(info: Path) -> LensCamera:
    """Return the colour camera of an info.txt of VoxelHashing, which rounds to the nearest pixel: centres are whole."""
    values = mapping_text(info, "the calibration", "=")
    missing = [key for key in ("m_colorWidth", "m_colorHeight", "m_calibrationColorIntrinsic") if key not in values]
    if missing:
        raise SourceError(f"The calibration of a scene lacks {', '.join(missing)}", info)
    width, height = (numbers(values[key], 1, key, info)[0] for key in ("m_colorWidth", "m_colorHeight"))
    matrix = np.array(numbers(values["m_calibrationColorIntrinsic"], 16, "m_calibrationColorIntrinsic", info)).reshape(4, 4)
    if not (np.isfinite([width, height]).all() and width == int(width) and height == int(height)):
        raise SourceError(f"The size of the colour images must be whole, found {width} x {height}", info)
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    return lens(LensModel.PINHOLE, (int(width), int(height)), (float(fx), float(fy), float(cx), float(cy)))
