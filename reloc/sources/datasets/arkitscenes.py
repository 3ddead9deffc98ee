"""ARKitScenes: `lowres_wide/ID_SECONDS.png`, a `.pincam` for each and `lowres_wide.traj` with the poses.

Baruch et al., "ARKitScenes" (2021). Unlike ARKit itself, the file of poses holds camera_from_world with the axes of OpenCV.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path

import numpy as np

from reloc.errors import CalibrationError, SourceError, TrajectoryError
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.conventions import from_rotation_vector, lens
from reloc.sources.datasets.dataset import (
    Dataset,
    at_frames,
    checked_order,
    data_lines,
    entries,
    image_size,
    numbers,
    read_text,
    seconds,
)
from reloc.sources.images import ImageFile

# As large as they were published, the usual one first.
_IMAGES = ("lowres_wide", "vga_wide", "wide")
_NAME = re.compile(r"(.+)_([0-9]+(?:\.[0-9]+)?)\.(?:png|jpg|jpeg)", re.IGNORECASE)
_LARGEST_PINCAM_BYTES = 4096
# Intrinsics follow the focus from frame to frame, by a fraction of a percent.
_STEADY_SHARE = 0.01

_log = logging.getLogger(__name__)


def recognises(folder: Path) -> bool:
    """Tell whether a folder is a video, the `ID_frames` in it, or the images of one camera."""
    images = _images(folder)
    return images is not None and _intrinsics(images).is_dir()


def read(folder: Path) -> Dataset:
    """Read a video, of which `lowres_wide` is taken unless another size is named. Its lens is the median over the frames."""
    images = _images(folder)
    if images is None:
        raise SourceError(f"A video of ARKitScenes has one of the folders {', '.join(_IMAGES)}", folder)
    matches = [(path, _NAME.fullmatch(path.name)) for path in entries(images)]
    files = [ImageFile(path, seconds(match[2], f"the time of {path.name}", images)) for path, match in matches if match]
    files = checked_order(sorted(files, key=lambda file: file.timestamp_ns), images)
    truth = images.parent / "lowres_wide.traj"
    return Dataset(files, "dataset", _camera(images, files), partial(_poses, truth, files) if truth.is_file() else None)


def _images(folder: Path) -> Path | None:
    if folder.name in _IMAGES:
        return folder
    bases = (folder, folder / f"{folder.resolve().name}_frames")
    return next((base / name for base in bases for name in _IMAGES if (base / name).is_dir()), None)


def _intrinsics(images: Path) -> Path:
    return images.with_name(f"{images.name}_intrinsics")


def _camera(images: Path, files: list[ImageFile]) -> LensCamera:
    listed = [_intrinsics(images) / f"{file.path.stem}.pincam" for file in files]
    rows = np.array([_pincam(path) for path in listed if path.is_file()])
    if not len(rows):
        raise CalibrationError("there is no .pincam for any of the images", _intrinsics(images))
    width, height = image_size(files[0].path)
    if (rows[:, :2] != (width, height)).any():
        raise CalibrationError(f"a .pincam is not for the {width}x{height} pixels of the images", _intrinsics(images))
    fx, fy, cx, cy = np.median(rows[:, 2:], axis=0).tolist()
    spread = float(np.ptp(rows[:, 2]) / fx)
    if spread > _STEADY_SHARE:
        _log.warning("The focal length varies by %.1f %% over the frames; its median is used [%s]", 100 * spread, images)
    return lens(LensModel.PINHOLE, (width, height), (fx, fy, cx, cy))


def _pincam(path: Path) -> tuple[float, ...]:
    """Return width, height, fx, fy, cx, cy."""
    text = read_text(path, "a .pincam", _LARGEST_PINCAM_BYTES)
    values = numbers(text, 6, "a .pincam", path)
    if not (np.isfinite(values).all() and min(values[:4]) > 0):
        raise CalibrationError(f"a .pincam is `width height fx fy cx cy`, found “{text.strip()[:60]}”", path)
    return values


def _poses(path: Path, files: list[ImageFile]) -> Trajectory:
    """Read the poses, ten a second, at the times of the images."""
    rows = []
    for number, line in data_lines(path, "the ground truth"):
        words = line.split()
        values = numbers(" ".join(words[1:]), 6, f"line {number} of the ground truth, after its time,", path)
        if not np.isfinite(values).all():
            raise TrajectoryError(f"line {number} of the ground truth holds NaN or infinity", path)
        rows.append((seconds(words[0], f"the time in line {number}", path), from_rotation_vector(values)))
    rows.sort(key=lambda row: row[0])
    return at_frames(Trajectory.from_poses([time for time, _ in rows], [pose for _, pose in rows]), files, path)
