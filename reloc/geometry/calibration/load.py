"""Reading a calibration of whatever format."""

from __future__ import annotations

from pathlib import Path

from reloc.errors import CalibrationError
from reloc.geometry.calibration import colmap, kalibr, native, opencv, ros
from reloc.geometry.calibration.fields import Fields, parse_yaml
from reloc.geometry.lens import LensCamera

# COLMAP may list a camera an image: this is a hundred thousand of them. Other calibrations are a page long, and the YAML
# parser takes seconds for a megabyte.
_LARGEST_BYTES = 16 * 2**20
_LARGEST_YAML_BYTES = 256 * 2**10


def load_calibration(path: str | Path, *, camera: str | None = None) -> LensCamera:
    """Read a calibration from our YAML, COLMAP's cameras.txt or cameras.bin, ROS, Kalibr or OpenCV.

    Args:
        path: The file; its format is recognised by its content.
        camera: Which camera to take where a file holds several: COLMAP's CAMERA_ID, or Kalibr's `cam0`.

    Raises:
        CalibrationError: The file is missing, of no known format, broken, or says something that no camera is.
    """
    data = _read(Path(path))
    try:
        return _parse(data, camera)
    except CalibrationError as error:
        raise CalibrationError(str(error), path) from error


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise CalibrationError("The calibration was not found: a file is expected. Check the path.", path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise CalibrationError(f"The calibration cannot be read: {error.strerror or error}.", path) from error
    if len(data) > _LARGEST_BYTES:
        raise CalibrationError(f"This is no calibration: at most {_LARGEST_BYTES} bytes are expected, found more.", path)
    return data


def _parse(data: bytes, camera: str | None) -> LensCamera:
    if b"\0" in data:
        return colmap.read_binary(data, camera)
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _unknown("bytes that are no text") from error
    if colmap.recognises_text(text):
        return colmap.read_text(text, camera)
    if len(data) > _LARGEST_YAML_BYTES:
        raise _unknown(f"{len(data)} bytes of text")
    return _from_yaml(Fields(parse_yaml(text)), camera)


def _from_yaml(fields: Fields, camera: str | None) -> LensCamera:
    if kalibr.recognises(fields):
        return kalibr.read(fields, camera)
    if camera is not None:
        raise CalibrationError(f"The calibration holds a single camera without a name; leave out the choice of {camera!r}.")
    if native.recognises(fields):
        return native.read(fields)
    if ros.recognises(fields):
        return ros.read(fields)
    if opencv.recognises(fields):
        return opencv.read(fields)
    raise _unknown(f"a YAML file with the keys {', '.join(list(fields.values)[:10]) or 'none'}")


def _unknown(found: str) -> CalibrationError:
    return CalibrationError(
        "The format of the calibration is not known. Expected are reloc's YAML (model, width, height, fx, fy, cx, cy, dist), "
        f"COLMAP's cameras.txt or cameras.bin, or YAML by ROS, Kalibr or OpenCV; found {found}."
    )
