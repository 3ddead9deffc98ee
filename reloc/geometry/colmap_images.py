"""The poses of photographs in a COLMAP model: images.txt or images.bin. The cameras beside them are calibrations."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reloc.errors import TrajectoryError
from reloc.geometry.se3 import SE3

_MOST_BYTES = 8 << 30
_COUNT, _POSE, _POINTS = struct.Struct("<Q"), struct.Struct("<I7dI"), struct.Struct("<Q")
_POINT_BYTES = 24
_LONGEST_NAME = 4096


@dataclass(frozen=True, eq=False)
class ColmapImage:
    """A photograph that COLMAP has placed."""

    name: str
    """Relative to the folder of images."""
    camera: str
    """The CAMERA_ID in the list of cameras."""
    camera_from_world: SE3


@dataclass(frozen=True)
class ColmapModel:
    """The two files of a model that say where photographs were taken and with which cameras."""

    images: Path
    cameras: Path


def colmap_model(folder: Path) -> ColmapModel | None:
    """Return the model that lies in a folder, binary files before text files; None where there is none."""
    images, cameras = (_file(folder, name) for name in ("images", "cameras"))
    return None if images is None or cameras is None else ColmapModel(images, cameras)


def load_colmap_images(path: Path) -> list[ColmapImage]:
    """Read an images.txt or images.bin, in the order of the file. Raises `TrajectoryError` for what is not COLMAP's."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TrajectoryError(f"a COLMAP model of more than {_MOST_BYTES >> 30} GiB is not read", path)
        return _read_binary(path) if path.suffix == ".bin" else _read_text(path)
    except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise TrajectoryError(f"this is not COLMAP's list of images: {error}; export the model again", path) from error
    except OSError as error:
        raise TrajectoryError(f"the COLMAP model cannot be read: {error.strerror or error}", path) from error


def _file(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{suffix}" for suffix in (".bin", ".txt") if (folder / f"{name}{suffix}").is_file()), None)


def _image(name: str, camera: str, values: tuple[float, ...]) -> ColmapImage:
    """Return the image of QW QX QY QZ TX TY TZ."""
    if not (np.isfinite(values).all() and abs(float(np.linalg.norm(values[:4])) - 1) < 0.01):
        raise ValueError(f"the pose of {name[:80]} is none: {values}")
    return ColmapImage(name, camera, SE3.from_quaternion(values[:4], values[4:]))


def _read_text(path: Path) -> list[ColmapImage]:
    """Read the first of the two lines of every image; the second, with its points, may be empty."""
    found, points_follow = [], False
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if points_follow:
                points_follow = False
            elif line.strip() and not line.startswith("#"):
                _, *numbers, camera, name = line.rstrip("\r\n").split(" ", 9)
                values = tuple(float(number) for number in numbers)
                if len(values) != 7:
                    raise ValueError("expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
                found.append(_image(name, camera, values))
                points_follow = True
    return found


def _read_binary(path: Path) -> list[ColmapImage]:
    size = path.stat().st_size
    with path.open("rb") as file:
        count = _COUNT.unpack(file.read(_COUNT.size))[0]
        if count * (_POSE.size + 1 + _POINTS.size) > size:
            raise ValueError(f"{count} images are announced, which {size} bytes cannot hold")
        found = []
        for _ in range(count):
            _, *values, camera = _POSE.unpack(file.read(_POSE.size))
            name = bytearray()
            while (byte := file.read(1)) not in (b"\0", b""):
                name += byte
                if len(name) > _LONGEST_NAME:
                    raise ValueError("a name has no end")
            points = _POINT_BYTES * _POINTS.unpack(file.read(_POINTS.size))[0]
            if file.tell() + points > size:
                raise ValueError("it breaks off")
            file.seek(points, 1)
            found.append(_image(name.decode(), str(camera), tuple(values)))
    return found
