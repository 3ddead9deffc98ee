"""Kalibr: camchain files with the cameras cam0, cam1, ..."""

from __future__ import annotations

import re

from reloc.errors import CalibrationError
from reloc.geometry.calibration.fields import Fields, choose
from reloc.geometry.lens import LensCamera, LensModel

_MODELS = {"radtan": LensModel.OPENCV, "equidistant": LensModel.OPENCV_FISHEYE, "none": LensModel.PINHOLE}


def recognises(fields: Fields) -> bool:
    """Tell whether a YAML mapping is a camchain."""
    return bool(_cameras(fields))


def read(fields: Fields, camera: str | None) -> LensCamera:
    """Return one camera of a camchain. Its pixel centres are at whole numbers, as ours."""
    chosen = fields.child(choose(_cameras(fields), camera))
    projection, distortion = chosen.text("camera_model"), chosen.text("distortion_model")
    if projection != "pinhole" or distortion not in _MODELS:
        raise CalibrationError(
            f"Kalibr's model {projection}-{distortion} is not supported; pinhole with {', '.join(_MODELS)} is. Calibrate with "
            "--models pinhole-radtan, or pinhole-equi for a fisheye."
        )
    model = _MODELS[distortion]
    count = len(model.parameter_names)
    coefficients = chosen.numbers("distortion_coeffs", count) if count else ()
    fx, fy, cx, cy = chosen.numbers("intrinsics", 4)
    width, height = chosen.sizes("resolution")
    return LensCamera(model, width, height, fx, fy, cx, cy, coefficients)


def _cameras(fields: Fields) -> list[str]:
    return [key for key in fields.values if re.fullmatch(r"cam\d+", key)]
