"""COLMAP: cameras.txt and cameras.bin, whose top-left pixel has its centre at (0.5, 0.5)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from reloc.errors import CalibrationError
from reloc.geometry.calibration.fields import choose, number, size
from reloc.geometry.lens import LensCamera, LensModel

_PIXEL_CENTER = 0.5
_COUNT = struct.Struct("<Q")
_HEADER = struct.Struct("<IiQQ")
_PARAMETER_BYTES = 8
_FEWEST_PARAMETERS = 2

# Names and numbers of parameters in the order of COLMAP's model ids (sensor/models.h), to step over cameras not asked for.
_ALL_MODELS = (
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
    ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    ("SIMPLE_DIVISION", 4),
    ("DIVISION", 5),
    ("SIMPLE_FISHEYE", 3),
    ("FISHEYE", 4),
    ("EUCM", 6),
    ("EQUIRECTANGULAR", 2),
)

# Our model and the number of focal lengths. Missing distortion parameters are zeros.
_SUPPORTED = {
    "SIMPLE_PINHOLE": (LensModel.PINHOLE, 1),
    "PINHOLE": (LensModel.PINHOLE, 2),
    "SIMPLE_RADIAL": (LensModel.SIMPLE_RADIAL, 1),
    "RADIAL": (LensModel.RADIAL, 1),
    "OPENCV": (LensModel.OPENCV, 2),
    "FULL_OPENCV": (LensModel.FULL_OPENCV, 2),
    "OPENCV_FISHEYE": (LensModel.OPENCV_FISHEYE, 2),
    "SIMPLE_RADIAL_FISHEYE": (LensModel.OPENCV_FISHEYE, 1),
    "RADIAL_FISHEYE": (LensModel.OPENCV_FISHEYE, 1),
}


@dataclass(frozen=True)
class _Record:
    model: str
    width: int
    height: int
    parameters: tuple[float, ...]


def recognises_text(text: str) -> bool:
    """Tell whether a text is a cameras.txt: `ID MODEL WIDTH HEIGHT ...` after the comments, or COLMAP's own first comment."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return text.startswith("# Camera list") or re.match(r"\s*\d+\s+[A-Z_]+\s+\d+\s+\d+\s", first) is not None


def read_text(text: str, camera: str | None) -> LensCamera:
    """Return one camera of a cameras.txt; `camera` is its CAMERA_ID."""
    lines = {}
    for line_number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            camera_id, *rest = line.split()
            if len(rest) < 3 + _FEWEST_PARAMETERS:
                raise CalibrationError(
                    f"Line {line_number} must be `CAMERA_ID MODEL WIDTH HEIGHT PARAMS...`, found {line.strip()[:80]!r}."
                )
            lines[camera_id] = rest
    model, width, height, *parameters = lines[choose(list(lines), camera)]
    values = tuple(number(value, "PARAMS") for value in parameters)
    return _lens(_Record(model, size(width, "WIDTH"), size(height, "HEIGHT"), values))


def read_binary(data: bytes, camera: str | None) -> LensCamera:
    """Return one camera of a cameras.bin; `camera` is its CAMERA_ID."""
    records = _records(data)
    return _lens(records[choose(list(records), camera)])


def _records(data: bytes) -> dict[str, _Record]:
    least = _HEADER.size + _FEWEST_PARAMETERS * _PARAMETER_BYTES
    count = _COUNT.unpack_from(data)[0] if len(data) >= _COUNT.size else 0
    if not 0 < count * least <= len(data) - _COUNT.size:
        raise _not_cameras()
    records, offset = {}, _COUNT.size
    for _ in range(count):
        camera_id, record, offset = _record(data, offset)
        records[str(camera_id)] = record
    if offset != len(data):
        raise _not_cameras()
    return records


def _record(data: bytes, offset: int) -> tuple[int, _Record, int]:
    """Return the id and the camera that begin at `offset`, and where the next one begins."""
    body = offset + _HEADER.size
    if body > len(data):
        raise _not_cameras()
    camera_id, model, width, height = _HEADER.unpack_from(data, offset)
    if not 0 <= model < len(_ALL_MODELS):
        raise _not_cameras()
    name, parameters = _ALL_MODELS[model]
    end = body + parameters * _PARAMETER_BYTES
    if end > len(data):
        raise _not_cameras()
    return camera_id, _Record(name, width, height, struct.unpack_from(f"<{parameters}d", data, body)), end


def _not_cameras() -> CalibrationError:
    return CalibrationError(
        "A binary calibration is expected to be COLMAP's cameras.bin, but this file breaks off or is something else. "
        "Export the model again, or as text (colmap model_converter --output_type TXT)."
    )


def _lens(record: _Record) -> LensCamera:
    if record.model not in _SUPPORTED:
        raise CalibrationError(
            f"COLMAP's camera model {record.model} is not supported; these are: {', '.join(_SUPPORTED)}. Reconstruct with "
            "--ImageReader.camera_model OPENCV, or undistort the images first (colmap image_undistorter)."
        )
    expected = dict(_ALL_MODELS)[record.model]
    if len(record.parameters) != expected:
        raise CalibrationError(f"COLMAP's {record.model} has {expected} parameters, found {len(record.parameters)}.")
    model, focal_lengths = _SUPPORTED[record.model]
    fx, fy = record.parameters[0], record.parameters[focal_lengths - 1]
    cx, cy, *distortion = record.parameters[focal_lengths:]
    missing = len(model.parameter_names) - len(distortion)
    return LensCamera(
        model, record.width, record.height, fx, fy, cx - _PIXEL_CENTER, cy - _PIXEL_CENTER, (*distortion, *(0.0,) * missing)
    )
