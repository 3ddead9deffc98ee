"""What the readers of datasets have in common: what they return, and how they read foreign text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reloc.errors import SourceError, TrajectoryError
from reloc.geometry.lens import LensCamera
from reloc.geometry.trajectory import Trajectory, parse_seconds
from reloc.sources.images import ImageFile

Array = NDArray[np.float64]

# A list of a million frames; anything larger is not what its name says.
_LARGEST_TEXT_BYTES = 256 << 20
# Kinects, EuRoC's motion capture and ARKit give poses at 10 to 200 a second; over a longer gap nobody knows where the camera was.
_LONGEST_GAP_NS = 250_000_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """A folder as a reader understands it."""

    files: list[ImageFile]
    """The frames in order of time."""
    clock: str
    camera: LensCamera | None
    """None where the dataset brings no calibration that can be used."""
    poses: Callable[[], Trajectory] | None
    """Reads world_from_camera of the frames whose poses are known, at the times of these frames; None without any."""


@dataclass(frozen=True)
class DatasetFormat:
    """A kind of dataset."""

    scheme: str
    """What stands before the colon where a folder must be named by its kind, such as `tum`."""
    title: str
    recognises: Callable[[Path], bool]
    """Tells from a few names of files whether a folder is one; reads no frames."""
    read: Callable[[Path], Dataset]
    """Raises `RelocError` for broken files. Frames without times are 30 a second, since the poses are at these times too."""


def read_text(path: Path, what: str, largest_bytes: int = _LARGEST_TEXT_BYTES) -> str:
    """Return a text file. Raises `SourceError` where `what` (such as `a list of times`) cannot be read as text."""
    try:
        with path.open("rb") as file:
            data = file.read(largest_bytes + 1)
    except OSError as error:
        raise SourceError(f"{_capital(what)} could not be read: {error.strerror or error}", path) from error
    if len(data) > largest_bytes:
        raise SourceError(f"{_capital(what)} has at most {largest_bytes} bytes, found more: is this the right file?", path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{_capital(what)} is expected to be text, found bytes that are none", path) from error


def data_lines(path: Path, what: str) -> list[tuple[int, str]]:
    """Return (number, text) of the lines of a file that are neither empty nor comments."""
    lines = enumerate(read_text(path, what).splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def numbers(text: str, count: int, what: str, path: Path) -> tuple[float, ...]:
    """Return `count` numbers with spaces or commas between, which may be infinite or NaN. Raises `SourceError` for others."""
    words = text.replace(",", " ").split()
    try:
        values = tuple(float(word) for word in words[: count + 1])
    except ValueError:
        values = ()
    if len(values) != count:
        raise SourceError(f"{_capital(what)} is expected to be {count} numbers, found “{text.strip()[:60]}”", path)
    return values


def seconds(text: str, what: str, path: Path) -> int:
    """Return the nanoseconds of a decimal number of seconds. Raises `SourceError` for what is none."""
    try:
        return parse_seconds(text)
    except (ValueError, OverflowError, InvalidOperation) as error:
        raise SourceError(f"{_capital(what)} must be seconds, found “{text[:40]}”", path) from error


def checked_order(files: list[ImageFile], path: Path) -> list[ImageFile]:
    """Return files if there are any and their times increase. Raises `SourceError` otherwise, naming the list they come from."""
    if not files:
        raise SourceError("A dataset lists no images", path)
    times = np.array([file.timestamp_ns for file in files], dtype=np.int64)
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if len(backwards):
        one, other = (files[int(backwards[0]) + i].path.name for i in (0, 1))
        raise SourceError(f"The times of a dataset must increase, but {other} is not later than {one}", path)
    return files


def nanoseconds(text: str, what: str, path: Path) -> int:
    """Return a whole number of nanoseconds. Raises `SourceError` for what is none, or does not fit 64 bits."""
    digits = text.strip()
    if digits.isascii() and digits.isdecimal() and len(digits) <= 19 and int(digits) < 1 << 63:
        return int(digits)
    raise SourceError(f"{_capital(what)} must be nanoseconds, found “{digits[:40]}”", path)


def at_frames(poses: Trajectory, files: list[ImageFile], path: Path) -> Trajectory:
    """Return the poses at the times of the frames, interpolated between neighbours that are close in time.

    Frames outside or in a gap of the known poses are left out. Raises `TrajectoryError` where none is left.
    """
    times = np.array([file.timestamp_ns for file in files], dtype=np.int64)
    if len(poses) == 0:
        raise TrajectoryError("the ground truth holds no pose", path)
    after = np.clip(np.searchsorted(poses.timestamps_ns, times), 0, len(poses) - 1)
    before = np.where(poses.timestamps_ns[after] == times, after, np.maximum(after - 1, 0))
    inside = (times >= poses.timestamps_ns[0]) & (times <= poses.timestamps_ns[-1])
    close = poses.timestamps_ns[after] - poses.timestamps_ns[before] <= _LONGEST_GAP_NS
    if not (inside & close).any():
        raise TrajectoryError("the ground truth says nothing about the times of the frames: are they on one clock?", path)
    return poses.interpolated(times[inside & close])


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height from the head of an image file. Raises `SourceError` where there is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceError(f"The size of an image could not be read: {error}", path) from error
    return width, height


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, in order of the names; nothing where that cannot be said."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def mapping_text(path: Path, what: str, separator: str) -> dict[str, str]:
    """Return the lines `key separator value` of a small text file."""
    pairs: dict[str, Any] = {}
    for _, line in data_lines(path, what):
        key, found, value = line.partition(separator)
        if found:
            pairs[key.strip()] = value.strip()
    return pairs


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
