"""Our own calibration file: camera.yaml in a recording."""

from __future__ import annotations

import difflib
from pathlib import Path

import yaml

from reloc.errors import CalibrationError
from reloc.files import write_atomically
from reloc.geometry.calibration.fields import Fields
from reloc.geometry.lens import LensCamera, LensModel

_KEYS = ("model", "width", "height", "fx", "fy", "cx", "cy", "dist", "pixel_center")
_PIXEL_CENTERS = (0.0, 0.5)
# How alike a foreign key must be to one of ours to be taken for a slip of the pen; `pixel_centre` scores 0.92.
_ALIKE = 0.75


def recognises(fields: Fields) -> bool:
    """Tell whether a YAML mapping is our own."""
    return fields.has("fx") or fields.has("model")


def read(fields: Fields) -> LensCamera:
    """Return the camera of our own YAML; `pixel_center` is the coordinate of the first pixel's centre, 0.0 by default."""
    _refuse_misspelt(fields)
    model = _model(fields.text("model"))
    center = fields.number("pixel_center") if fields.has("pixel_center") else 0.0
    if center not in _PIXEL_CENTERS:
        raise CalibrationError(f"`pixel_center` must be 0.0 (OpenCV) or 0.5 (COLMAP), found {center:g}.")
    fx, fy, cx, cy = (fields.number(key) for key in ("fx", "fy", "cx", "cy"))
    size = fields.size("width"), fields.size("height")
    return LensCamera(model, *size, fx, fy, cx - center, cy - center, _distortion(fields, model))


def save_calibration(camera: LensCamera, path: Path) -> None:
    """Write a camera as our own YAML, in one step; `load_calibration` gives back an equal camera.

    Raises `OutputError` where the file cannot be written.
    """
    values = {
        "model": camera.model.value,
        "width": int(camera.width),
        "height": int(camera.height),
        "fx": float(camera.fx),
        "fy": float(camera.fy),
        "cx": float(camera.cx),
        "cy": float(camera.cy),
        "dist": list(camera.distortion),
        "pixel_center": 0.0,
    }
    names = " ".join(camera.model.parameter_names) or "nothing"
    comment = f"# In pixels; the centre of the first pixel is at (pixel_center, pixel_center). dist holds {names}.\n"
    write_atomically(path, comment + yaml.safe_dump(values, sort_keys=False, default_flow_style=None))


def _model(name: str) -> LensModel:
    try:
        return LensModel(name)
    except ValueError as error:
        raise CalibrationError(f"`model` must be one of {', '.join(LensModel)}, found {name!r}.") from error


def _distortion(fields: Fields, model: LensModel) -> tuple[float, ...]:
    """Return as many parameters as the model has; a file may list more as long as they are zero."""
    if not fields.has("dist") and not model.parameter_names:
        return ()
    count, values = len(model.parameter_names), fields.numbers("dist")
    return values if any(values[count:]) else values[:count]


def _refuse_misspelt(fields: Fields) -> None:
    """Refuse a key that was meant to be one of ours: passing over it would shift or bend the image unseen."""
    for key in fields.values:
        if key not in _KEYS:
            alike = difflib.get_close_matches(key.lower(), _KEYS, n=1, cutoff=_ALIKE)
            alike = alike or [ours for ours in ("dist", "pixel_center") if key.lower().startswith(ours[:4])]
            if alike:
                raise CalibrationError(f"`{key}` is not a key of a calibration; did you mean `{alike[0]}`?")
