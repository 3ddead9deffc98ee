"""A COLMAP project: the images that it has placed, in order of their names, with the lens and the poses of its model."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from pathlib import Path

from reloc.errors import SourceError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.colmap_images import ColmapImage, ColmapModel, colmap_model, load_colmap_images
from reloc.geometry.trajectory import Trajectory
from reloc.sources.datasets.dataset import Dataset
from reloc.sources.folder import natural_order
from reloc.sources.images import ImageFile, evenly_timed

_MODELS = ("sparse/0", "sparse", ".")

_log = logging.getLogger(__name__)


def recognises(folder: Path) -> bool:
    """Tell whether a folder has `images` and a model, and is no recording of ours that was reconstructed later."""
    ours = any((folder / name).is_file() for name in ("camera.yaml", "groundtruth.txt"))
    return not ours and (folder / "images").is_dir() and _model(folder) is not None


def read(folder: Path) -> Dataset:
    """Read a project. Of several cameras, that of most images is taken, and images by others are left out with a warning."""
    model = _model(folder)
    if model is None:
        raise SourceError(f"A COLMAP project has images and cameras, .bin or .txt, in one of {', '.join(_MODELS)}", folder)
    placed = load_colmap_images(model.images)
    if not placed:
        raise SourceError("A COLMAP model has placed no image", model.images)
    camera, count = Counter(one.camera for one in placed).most_common(1)[0]
    if count < len(placed):
        others = len(placed) - count
        _log.warning("%d of %d images are by other cameras than %s and left out [%s]", others, len(placed), camera, model.images)
    paths = {folder / "images" / one.name: one for one in placed if one.camera == camera}
    chosen = {path: one for path, one in paths.items() if path.is_file()}
    if not chosen:
        raise SourceError("None of the images that a COLMAP model has placed is there", folder / "images")
    if len(chosen) < len(paths):
        _log.warning("%d of %d images are not there and left out [%s]", len(paths) - len(chosen), len(paths), folder / "images")
    files = evenly_timed(natural_order(chosen), None)
    lens = load_calibration(model.cameras, camera=camera)
    return Dataset(files, "frame number", lens, partial(_poses, files, chosen))


def _model(folder: Path) -> ColmapModel | None:
    return next((found for name in _MODELS if (found := colmap_model(folder / name)) is not None), None)


def _poses(files: list[ImageFile], placed: dict[Path, ColmapImage]) -> Trajectory:
    return Trajectory.from_poses(
        (file.timestamp_ns for file in files), (placed[file.path].camera_from_world.inverse() for file in files)
    )
