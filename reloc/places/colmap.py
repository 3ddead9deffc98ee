"""The poses of photographs in a COLMAP model: images.txt or images.bin beside cameras.txt or cameras.bin."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reloc.errors import TrajectoryError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3

_MOST_BYTES = 8 << 30
_COUNT, _POSE, _POINTS = struct.Struct("<Q"), struct.Struct("<I7dI"), struct.Struct("<Q")
_POINT_BYTES = 24
_LONGEST_NAME = 4096


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph whose pose is known."""

    path: Path
    lens: LensCamera
    camera_from_world: SE3


@dataclass(frozen=True)
class _Record:
    name: str
    camera: str
    wxyz: tuple[float, ...]
    translation: tuple[float, ...]


def find_model(around: Path) -> Path | None:
    """Return the folder of a COLMAP model in or beside the folder `around`: itself, `sparse` or `sparse/0`; None without one."""
    folders = [base / name for base in (around, around.parent) for name in (".", "sparse", "sparse/0", "colmap/sparse/0")]
    return next((folder for folder in folders if _file(folder, "images") and _file(folder, "cameras")), None)


def find_photographs(model: Path, around: Path) -> list[Photograph]:
    """Return the photographs of a model that lie in a folder `images` beside the model or in or beside `around`.

    Raises `TrajectoryError` or `CalibrationError` for files that are not COLMAP's.
    """
    images, cameras = _file(model, "images"), _file(model, "cameras")
    if images is None or cameras is None:
        raise TrajectoryError("a COLMAP model was expected: images.txt and cameras.txt, or .bin", model)
    records = _read(images)
    bases = [*model.parents[:2], around, around.parent]
    folders = [folder for base in bases for folder in (base / "images", base / "map" / "images") if folder.is_dir()]
    lenses = {one.camera: load_calibration(cameras, camera=one.camera) for one in records}
    found = []
    for one in records:
        path = next((folder / one.name for folder in folders if (folder / one.name).is_file()), None)
        if path is not None:
            found.append(Photograph(path, lenses[one.camera], SE3.from_quaternion(one.wxyz, one.translation)))
    return found


def _file(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{suffix}" for suffix in (".bin", ".txt") if (folder / f"{name}{suffix}").is_file()), None)


def _read(path: Path) -> list[_Record]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TrajectoryError(f"a COLMAP model of more than {_MOST_BYTES >> 30} GiB is not read", path)
        records = _read_binary(path) if path.suffix == ".bin" else _read_text(path)
    except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise TrajectoryError(f"this is not COLMAP's list of images: {error}; export the model again", path) from error
    except OSError as error:
        raise TrajectoryError(f"the COLMAP model cannot be read: {error.strerror or error}", path) from error
    for one in records:
        norm = float(np.linalg.norm(one.wxyz))
        if not (np.isfinite([*one.wxyz, *one.translation]).all() and abs(norm - 1) < 0.01):
            raise TrajectoryError(f"the pose of {one.name} is none: {one.wxyz} {one.translation}", path)
    return records


def _read_text(path: Path) -> list[_Record]:
    """Read the first of the two lines of every image; the second, with its points, may be empty."""
    records, points_follow = [], False
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if points_follow:
                points_follow = False
            elif line.strip() and not line.startswith("#"):
                _, *numbers, camera, name = line.rstrip("\r\n").split(" ", 9)
                values = tuple(float(number) for number in numbers)
                if len(values) != 7:
                    raise ValueError("expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
                records.append(_Record(name, camera, values[:4], values[4:]))
                points_follow = True
    return records


def _read_binary(path: Path) -> list[_Record]:
    size = path.stat().st_size
    with path.open("rb") as file:
        count = _COUNT.unpack(file.read(_COUNT.size))[0]
        if count * (_POSE.size + 1 + _POINTS.size) > size:
            raise ValueError(f"{count} images are announced, which {size} bytes cannot hold")
        records = []
        for _ in range(count):
            _, *values, camera = _POSE.unpack(file.read(_POSE.size))
            name = bytearray()
            while (byte := file.read(1)) not in (b"\0", b""):
                name += byte
                if len(name) > _LONGEST_NAME:
                    raise ValueError("a name has no end")
            file.seek(_POINT_BYTES * _POINTS.unpack(file.read(_POINTS.size))[0], 1)
            if file.tell() > size:
                raise ValueError("it breaks off")
            records.append(_Record(name.decode(), str(camera), tuple(values[:4]), tuple(values[4:])))
    return records
