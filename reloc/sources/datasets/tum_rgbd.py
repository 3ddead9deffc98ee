"""TUM RGB-D, and what was recorded in its form: `rgb.txt` lists images, `groundtruth.txt` the poses of the colour camera.

Sturm et al., "A Benchmark for the Evaluation of RGB-D SLAM Systems" (2012); the calibrations are those of its page "File
formats".
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from reloc.errors import SourceError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.sources.datasets.conventions import lens
from reloc.sources.datasets.dataset import Dataset, at_frames, checked_order, data_lines, seconds
from reloc.sources.images import ImageFile

_SIZE = (640, 480)
# fx, fy, cx, cy and k1, k2, p1, p2, k3 of the three Kinects; the third one's images are undistorted.
_KINECTS = {
    "1": ((517.306408, 516.469215, 318.643040, 255.313989), (0.262383, -0.953104, -0.005358, 0.002628, 1.163314)),
    "2": ((520.908620, 521.007327, 325.141442, 249.701764), (0.231222, -0.784899, -0.003257, -0.000105, 0.917205)),
    "3": ((535.4, 539.2, 320.1, 247.6), None),
}


def recognises(folder: Path) -> bool:
    """Tell whether a folder has a list of colour images."""
    return (folder / "rgb.txt").is_file()


def read(folder: Path) -> Dataset:
    """Read a sequence. Its calibration is its own `camera.yaml`, or that of the Kinect that its name tells, or none."""
    listed = folder / "rgb.txt"
    files = checked_order([_frame(line, number, listed) for number, line in data_lines(listed, "the list of images")], listed)
    truth = folder / "groundtruth.txt"
    return Dataset(files, "dataset", _camera(folder), partial(_poses, truth, files) if truth.is_file() else None)


def _frame(line: str, number: int, path: Path) -> ImageFile:
    words = line.split(maxsplit=1)
    if len(words) != 2 or "\0" in line:
        raise SourceError(f"Line {number} of the list of images: `timestamp file` expected, “{line[:60]}” found", path)
    return ImageFile(path.parent / words[1], seconds(words[0], f"the time in line {number}", path))


def _camera(folder: Path) -> LensCamera | None:
    if (folder / "camera.yaml").is_file():
        return load_calibration(folder / "camera.yaml")
    named = re.search(r"(?:freiburg|fr)([123])(?![0-9])", folder.resolve().name.lower())
    if named is None:
        return None
    intrinsics, distortion = _KINECTS[named[1]]
    if distortion is None:
        return lens(LensModel.PINHOLE, _SIZE, intrinsics)
    return lens(LensModel.FULL_OPENCV, _SIZE, intrinsics, (*distortion, 0.0, 0.0, 0.0))


def _poses(path: Path, files: list[ImageFile]) -> Trajectory:
    """Read the motion capture, which has its own rate, at the times of the images."""
    return at_frames(load_tum(path), files, path)
