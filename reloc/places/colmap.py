"""The photographs of a COLMAP model, with their lenses and poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reloc.errors import TrajectoryError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.colmap_images import colmap_model, load_colmap_images
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph whose pose is known."""

    path: Path
    lens: LensCamera
    camera_from_world: SE3


def find_model(around: Path) -> Path | None:
    """Return the folder of a COLMAP model in or beside the folder `around`: itself, `sparse` or `sparse/0`; None without one."""
    folders = [base / name for base in (around, around.parent) for name in (".", "sparse", "sparse/0", "colmap/sparse/0")]
    return next((folder for folder in folders if colmap_model(folder)), None)


def find_photographs(model: Path, around: Path) -> list[Photograph]:
    """Return the photographs of a model that lie in a folder `images` beside the model or in or beside `around`.

    Raises `TrajectoryError` or `CalibrationError` for files that are not COLMAP's.
    """
    files = colmap_model(model)
    if files is None:
        raise TrajectoryError("a COLMAP model was expected: images.txt and cameras.txt, or .bin", model)
    images = load_colmap_images(files.images)
    bases = [*model.parents[:2], around, around.parent]
    folders = [folder for base in bases for folder in (base / "images", base / "map" / "images") if folder.is_dir()]
    lenses = {camera: load_calibration(files.cameras, camera=camera) for camera in {one.camera for one in images}}
    found = []
    for one in images:
        path = next((folder / one.name for folder in folders if (folder / one.name).is_file()), None)
        if path is not None:
            found.append(Photograph(path, lenses[one.camera], one.camera_from_world))
    return found
