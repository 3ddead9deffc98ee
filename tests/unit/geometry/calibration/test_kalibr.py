from __future__ import annotations

from pathlib import Path

import pytest

from reloc.errors import CalibrationError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel

CAMCHAIN = """\
cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]
  distortion_model: radtan
  intrinsics: [458.654, 457.296, 367.215, 248.375]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
cam1:
  T_cn_cnm1:
  - [0.99, 0.0, 0.0, -0.1]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: [0]
  camera_model: pinhole
  distortion_coeffs: [0.01, -0.02, 0.003, -0.0004]
  distortion_model: equidistant
  intrinsics: [190.0, 191.0, 254.0, 256.0]
  resolution: [512, 513]
  rostopic: /cam1/image_raw
"""
FIRST = CAMCHAIN[: CAMCHAIN.index("cam1:")]


def save(folder: Path, text: str) -> Path:
    path = folder / "camchain.yaml"
    path.write_text(text)
    return path


def test_radtan_is_the_opencv_model(tmp_path: Path) -> None:
    expected = LensCamera(
        LensModel.OPENCV, 752, 480, 458.654, 457.296, 367.215, 248.375, (-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05)
    )
    assert load_calibration(save(tmp_path, FIRST)) == expected
    assert load_calibration(save(tmp_path, CAMCHAIN), camera="cam0") == expected


def test_equidistant_is_a_fisheye(tmp_path: Path) -> None:
    expected = LensCamera(LensModel.OPENCV_FISHEYE, 512, 513, 190, 191, 254, 256, (0.01, -0.02, 0.003, -0.0004))
    assert load_calibration(save(tmp_path, CAMCHAIN), camera="cam1") == expected


@pytest.mark.parametrize("coefficients", ["[]", "[0.0, 0.0, 0.0, 0.0]"])
def test_none_is_a_pinhole(tmp_path: Path, coefficients: str) -> None:
    text = FIRST.replace("radtan", "none").replace("[-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05]", coefficients)
    assert load_calibration(save(tmp_path, text)).model is LensModel.PINHOLE


def test_one_of_several_cameras_must_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="2 cameras, so say which to take: cam0 and cam1"):
        load_calibration(save(tmp_path, CAMCHAIN))
    with pytest.raises(CalibrationError, match="no camera 'cam2', only cam0 and cam1"):
        load_calibration(save(tmp_path, CAMCHAIN), camera="cam2")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("camera_model: pinhole", "camera_model: omni", "omni-radtan is not supported"),
        ("radtan", "fov", "pinhole-fov is not supported"),
        ("[458.654, 457.296, 367.215, 248.375]", "[458.654, 457.296, 367.215]", "`cam0.intrinsics` must be a list of 4 numbers"),
        ("[752, 480]", "[752, -480]", "`cam0.resolution` must be a positive"),
        ("[752, 480]", "752", "`cam0.resolution` must be a list"),
        ("  resolution: [752, 480]\n", "", "`cam0.resolution` is missing"),
        ("-0.28340811,", "", "`cam0.distortion_coeffs`"),
        ("458.654", "nan", "`cam0.intrinsics` must be a finite"),
    ],
)
def test_errors_say_what_is_wrong_and_in_which_camera(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert FIRST.count(old) == 1
    with pytest.raises(CalibrationError, match=message):
        load_calibration(save(tmp_path, FIRST.replace(old, new)))


def test_a_camera_must_hold_something(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="`cam0` must be indented"):
        load_calibration(save(tmp_path, "cam0: 3\n"))
