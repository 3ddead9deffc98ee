"""Calibrations of rigs: our own rig.yaml, Kalibr's camchain and COLMAP's rigs.txt.

| format | where the rig is | camera_from_rig from |
|---|---|---|
| rig.yaml | where the file says | `camera_from_rig: [tx, ty, tz, qx, qy, qz, qw]` of each camera |
| Kalibr camchain | cam0 | the product of `T_cn_cnm1`, camera n from camera n − 1 |
| COLMAP rigs.txt beside cameras.txt | its reference sensor | `QW QX QY QZ TX TY TZ`, sensor_from_rig |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reloc.errors import CalibrationError, ConfigError
from reloc.files import write_atomically
from reloc.geometry.calibration import kalibr
from reloc.geometry.calibration.fields import Fields, number, parse_yaml
from reloc.geometry.calibration.load import load_calibration
from reloc.geometry.pose_text import parse_pose
from reloc.geometry.rig import Rig, RigCamera
from reloc.geometry.se3 import SE3, xyzw_from_wxyz

_LARGEST_BYTES = 256 * 2**10
# How far R Rᵀ of a matrix in a file may be from 1: files are written with at least three decimals.
_ROTATION_SLACK = 5e-3
_KEYS = ("calibration", "camera_from_rig")


def load_rig(path: str | Path) -> Rig:
    """Read a rig from our rig.yaml, Kalibr's camchain or COLMAP's rigs.txt, which is recognised by what it holds.

    Raises `CalibrationError` for anything else, and for cameras whose calibration cannot be read.
    """
    path = Path(path)
    try:
        return _parse(_text(path), path)
    except CalibrationError as error:
        raise error if error.path else CalibrationError(str(error), path) from error


def save_rig(path: Path, calibrations: dict[str, str], camera_from_rig: dict[str, SE3]) -> None:
    """Write our rig.yaml in one step.

    Args:
        path: The file.
        calibrations: For each camera its calibration file, relative to the folder of `path`.
        camera_from_rig: Its pose.
    """
    cameras = {
        name: {"calibration": file, "camera_from_rig": _numbers(camera_from_rig[name])} for name, file in calibrations.items()
    }
    comment = "# Cameras that are fixed to one another; camera_from_rig is tx ty tz qx qy qz qw, in metres.\n"
    write_atomically(path, comment + yaml.safe_dump({"cameras": cameras}, sort_keys=False, default_flow_style=None))


def _text(path: Path) -> str:
    if not path.is_file():
        raise CalibrationError("The calibration of the rig was not found: a file is expected. Check the path.", path)
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGEST_BYTES else b"\0"
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"The calibration of the rig cannot be read as text: {error}.", path) from error
    if "\0" in text:
        raise CalibrationError("This is no calibration of a rig: expected a short text file (COLMAP: export as TXT).", path)
    return text.replace("\r\n", "\n")


def _parse(text: str, path: Path) -> Rig:
    if _is_colmap(text):
        return _from_colmap(text, path)
    fields = Fields(parse_yaml(text))
    if kalibr.recognises(fields):
        return _from_kalibr(fields)
    if fields.has("cameras"):
        return _from_own(fields.child("cameras"), path.parent)
    raise CalibrationError(
        "The format of the rig's calibration is not known. Expected are our rig.yaml (`cameras:` with `calibration` and "
        f"`camera_from_rig` of each), Kalibr's camchain or COLMAP's rigs.txt; found {', '.join(list(fields.values)[:10])}."
    )


def _from_own(cameras: Fields, folder: Path) -> Rig:
    result = []
    for name in cameras.values:
        fields = cameras.child(name)
        unknown = [key for key in fields.values if key not in _KEYS]
        if unknown:
            raise CalibrationError(f"`{fields.where}{unknown[0]}` is no key of a rig; expected {' and '.join(_KEYS)}.")
        pose = " ".join(str(value) for value in fields.numbers("camera_from_rig", 7))
        try:
            camera_from_rig = parse_pose(pose)
        except ConfigError as error:
            raise CalibrationError(f"`{fields.where}camera_from_rig`: {error}.") from error
        result.append(RigCamera(name, load_calibration(folder / fields.text("calibration")), camera_from_rig))
    return Rig(tuple(result))


def _from_kalibr(fields: Fields) -> Rig:
    names = sorted((key for key in fields.values if key.startswith("cam")), key=lambda key: int(key[3:]))
    if names != [f"cam{n}" for n in range(len(names))]:
        raise CalibrationError(f"The cameras of a camchain are cam0, cam1, ... without a gap; found {', '.join(names)}.")
    result, pose = [], SE3.identity()
    for name in names:
        if name != "cam0":
            pose = _motion(fields.child(name).numbers("T_cn_cnm1", 16), f"{name}.T_cn_cnm1") @ pose
        result.append(RigCamera(name, kalibr.read(fields, name), pose))
    return Rig(tuple(result))


def _motion(values: tuple[float, ...], name: str) -> SE3:
    matrix = np.array(values).reshape(4, 4)
    rotation = matrix[:3, :3]
    off = max(float(np.abs(rotation @ rotation.T - np.eye(3)).max()), float(np.abs(matrix[3] - [0, 0, 0, 1]).max()))
    if not (off < _ROTATION_SLACK and np.linalg.det(rotation) > 0):
        raise CalibrationError(f"`{name}` must be a rigid motion: a rotation and a translation above the row 0 0 0 1.")
    return SE3.from_matrix(matrix)


def _is_colmap(text: str) -> bool:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines) and all(len(line) >= 4 and line[2] == "CAMERA" for line in lines)


def _from_colmap(text: str, path: Path) -> Rig:
    """Return the only rig of a rigs.txt: RIG_ID SENSORS REF_TYPE REF_ID, then TYPE ID HAS_POSE [QW QX QY QZ TX TY TZ] each."""
    rigs = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(rigs) != 1:
        raise CalibrationError(f"A rigs.txt with a single rig is expected, found {len(rigs)}; keep the line of the one to use.")
    _, _, _, reference, *rest = rigs[0]
    poses = {reference: SE3.identity()}
    while rest:
        kind, sensor, has_pose, *rest = [*rest, "", ""] if len(rest) < 3 else rest
        if kind != "CAMERA" or has_pose != "1" or len(rest) < 7:
            raise CalibrationError(f"The sensor `{kind} {sensor}` of the rig must be a CAMERA with a pose (HAS_POSE 1).")
        values, rest = [number(value, f"pose of camera {sensor}") for value in rest[:7]], rest[7:]
        poses[sensor] = SE3.from_quaternion(values[:4], values[4:])
    beside = next((path.parent / name for name in ("cameras.txt", "cameras.bin") if (path.parent / name).is_file()), None)
    if beside is None:
        raise CalibrationError("The lenses of a COLMAP rig are in cameras.txt or cameras.bin beside it; there is none.", path)
    return Rig(tuple(RigCamera(sensor, load_calibration(beside, camera=sensor), pose) for sensor, pose in poses.items()))


def _numbers(pose: SE3) -> list[Any]:
    return [round(value, 12) + 0.0 for value in (*pose.translation.tolist(), *xyzw_from_wxyz(pose.wxyz).tolist())]
