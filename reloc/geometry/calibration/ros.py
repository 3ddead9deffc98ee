"""ROS: camera_info, as the calibrator writes it to a YAML file, or as `ros2 topic echo` prints the message."""

from __future__ import annotations

from reloc.errors import CalibrationError
from reloc.geometry.calibration.fields import Fields
from reloc.geometry.calibration.opencv import fisheye_lens, polynomial_lens
from reloc.geometry.lens import LensCamera

_POLYNOMIAL = ("plumb_bob", "rational_polynomial")
_FISHEYE = ("equidistant", "fisheye")


def recognises(fields: Fields) -> bool:
    """Tell whether a YAML mapping is a camera_info."""
    return fields.has("distortion_model") and fields.has(fields.first_of("camera_matrix", "K", "k"))


def read(fields: Fields) -> LensCamera:
    """Return the camera of a camera_info. Its pixel centres are at whole numbers, as ours."""
    _refuse_part_of_image(fields)
    size = fields.size(fields.first_of("image_width", "width")), fields.size(fields.first_of("image_height", "height"))
    matrix = fields.numbers(fields.first_of("camera_matrix", "K", "k"), 9)
    coefficients = fields.numbers(fields.first_of("distortion_coefficients", "D", "d"))
    model = fields.text("distortion_model")
    if model in _POLYNOMIAL:
        return polynomial_lens(size, matrix, coefficients)
    if model in _FISHEYE:
        return fisheye_lens(size, matrix, coefficients)
    raise CalibrationError(
        f"The distortion model {model!r} of ROS is not supported; {', '.join(_POLYNOMIAL)} and {_FISHEYE[0]} are."
    )


def _refuse_part_of_image(fields: Fields) -> None:
    """Refuse a driver that sends part of its image, or a coarser one: K would then be that of another image."""
    binning = [fields.number(key) for key in ("binning_x", "binning_y") if fields.has(key)]
    region = fields.child("roi") if fields.has("roi") else Fields({})
    if any(value > 1 for value in binning) or (region.has("width") and region.number("width") > 0):
        raise CalibrationError(
            "The camera_info is that of a binned image or a region of interest. Only whole images are supported: "
            "switch both off in the driver and calibrate again."
        )
