"""Calibrations in OpenCV's terms: a matrix K, its coefficients, and the FileStorage files that hold them."""

from __future__ import annotations

from reloc.errors import CalibrationError
from reloc.geometry.calibration.fields import Fields
from reloc.geometry.lens import LensCamera, LensModel

# OpenCV's samples and the tools around it spell these in their own ways; compared in lower case and without underscores.
_MATRIX = ("camera_matrix", "K", "intrinsic_matrix", "camera_intrinsics", "intrinsics", "mtx")
_COEFFICIENTS = ("distortion_coefficients", "dist_coeffs", "dist_coefs", "distortion", "dist", "D")
_WIDTH = ("image_width", "width")
_HEIGHT = ("image_height", "height")
_SIZE = ("image_size", "size", "resolution")
_FISHEYE = ("fisheye_model", "fisheye")
_FALSE = ("0", "false", "no")

# What cv2.calibrateCamera returns, depending on its flags.
_COUNTS = (0, 4, 5, 8, 12, 14)


def recognises(fields: Fields) -> bool:
    """Tell whether a YAML mapping is OpenCV's."""
    return fields.has(_spelling(fields, _MATRIX))


def read(fields: Fields) -> LensCamera:
    """Return the camera of a FileStorage file. Its pixel centres are at whole numbers, as ours."""
    size = _image_size(fields)
    matrix = fields.numbers(_spelling(fields, _MATRIX), 9)
    coefficients, fisheye = _spelling(fields, _COEFFICIENTS), _spelling(fields, _FISHEYE)
    if fields.has(fisheye) and fields.text(fisheye).lower() not in _FALSE:
        return fisheye_lens(size, matrix, fields.numbers(coefficients, 4))
    return polynomial_lens(size, matrix, fields.numbers(coefficients, *_COUNTS))


def polynomial_lens(size: tuple[int, int], matrix: tuple[float, ...], coefficients: tuple[float, ...]) -> LensCamera:
    """Return the camera of K (9,) and OpenCV's coefficients k1 k2 p1 p2 [k3 [k4 k5 k6 [s1..s4 [τx τy]]]]."""
    if len(coefficients) not in _COUNTS:
        raise CalibrationError(f"OpenCV's lens model has 0, 4, 5 or 8 distortion coefficients, found {len(coefficients)}.")
    if any(coefficients[8:]):
        raise CalibrationError(
            "A thin prism or a tilted sensor (OpenCV's coefficients 9 to 14) is not supported; calibrate without."
        )
    if not coefficients:
        return _lens(LensModel.PINHOLE, size, matrix, ())
    if any(coefficients[4:]):
        return _lens(LensModel.FULL_OPENCV, size, matrix, (*coefficients[:8], *(0.0,) * (8 - len(coefficients))))
    return _lens(LensModel.OPENCV, size, matrix, coefficients[:4])


def fisheye_lens(size: tuple[int, int], matrix: tuple[float, ...], coefficients: tuple[float, ...]) -> LensCamera:
    """Return the camera of K (9,) and the coefficients k1 to k4 of cv2.fisheye."""
    return _lens(LensModel.OPENCV_FISHEYE, size, matrix, coefficients)


def _lens(model: LensModel, size: tuple[int, int], matrix: tuple[float, ...], distortion: tuple[float, ...]) -> LensCamera:
    fx, skew, cx, zero, fy, cy, *last = matrix
    if skew or zero or last != [0.0, 0.0, 1.0]:
        raise CalibrationError(f"A camera matrix [fx 0 cx; 0 fy cy; 0 0 1] without skew is expected, found {list(matrix)}.")
    return LensCamera(model, *size, fx, fy, cx, cy, distortion)


def _image_size(fields: Fields) -> tuple[int, int]:
    both, width, height = (_spelling(fields, names) for names in (_SIZE, _WIDTH, _HEIGHT))
    if fields.has(both):
        return fields.sizes(both)
    if not fields.has(width):
        raise CalibrationError(
            "The calibration does not say for which image size it is: add the lines `image_width:` and `image_height:`."
        )
    return fields.size(width), fields.size(height)


def _spelling(fields: Fields, names: tuple[str, ...]) -> str:
    """Return the key that is one of `names`, the way the file spells it; the usual name if there is none."""
    plain = [name.lower().replace("_", "") for name in names]
    return next((key for key in fields.values if key.lower().replace("_", "") in plain), names[0])
