from __future__ import annotations

from pathlib import Path

import pytest

from reloc.errors import CalibrationError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel

# As camera_calibration writes it.
CALIBRATOR = """\
image_width: 640
image_height: 480
camera_name: head_camera
camera_matrix:
  rows: 3
  cols: 3
  data: [438.783367, 0.000000, 305.593336, 0.000000, 437.302876, 243.738352, 0.000000, 0.000000, 1.000000]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [0.999978, 0.002789, -0.006046, -0.002816, 0.999986, -0.004401, 0.006034, 0.004417, 0.999972]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.653800, 0.000000, 322.797939, 0.000000, 0.000000, 393.653800, 241.090902, 0.000000, 0.0, 0.0, 1.0, 0.0]
"""

# As `ros2 topic echo --once` prints it.
ECHO = """\
header:
  stamp:
    sec: 1
    nanosec: 2
  frame_id: camera
height: 480
width: 640
distortion_model: plumb_bob
d:
- -0.361976
- 0.11051
- 0.001014
- 0.000505
- 0.0
k:
- 438.783367
- 0.0
- 305.593336
- 0.0
- 437.302876
- 243.738352
- 0.0
- 0.0
- 1.0
binning_x: 0
binning_y: 0
roi:
  x_offset: 0
  y_offset: 0
  height: 0
  width: 0
  do_rectify: false
---
"""

EXPECTED = LensCamera(
    LensModel.OPENCV, 640, 480, 438.783367, 437.302876, 305.593336, 243.738352, (-0.361976, 0.110510, 0.001014, 0.000505)
)


def save(folder: Path, text: str) -> Path:
    path = folder / "camera_info.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [CALIBRATOR, ECHO, ECHO.replace("\nd:", "\nD:").replace("\nk:", "\nK:")])
def test_plumb_bob_without_k3_is_the_opencv_model(tmp_path: Path, text: str) -> None:
    assert load_calibration(save(tmp_path, text)) == EXPECTED


def test_k3_makes_it_the_full_opencv_model(tmp_path: Path) -> None:
    lens = load_calibration(save(tmp_path, CALIBRATOR.replace("0.000505, 0.000000]", "0.000505, 0.03]")))
    assert lens.model is LensModel.FULL_OPENCV
    assert lens.distortion == (-0.361976, 0.110510, 0.001014, 0.000505, 0.03, 0, 0, 0)


def test_rational_polynomial_is_the_full_opencv_model(tmp_path: Path) -> None:
    text = CALIBRATOR.replace("plumb_bob", "rational_polynomial")
    text = text.replace("[-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]", "[.1, .2, .3, .4, .5, .6, .7, .8]")
    lens = load_calibration(save(tmp_path, text))
    assert (lens.model, lens.distortion) == (LensModel.FULL_OPENCV, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8))


def test_equidistant_is_a_fisheye(tmp_path: Path) -> None:
    text = CALIBRATOR.replace("plumb_bob", "equidistant").replace("0.000505, 0.000000]", "0.000505]")
    lens = load_calibration(save(tmp_path, text))
    assert (lens.model, lens.distortion) == (LensModel.OPENCV_FISHEYE, EXPECTED.distortion)


def test_no_coefficients_are_a_pinhole(tmp_path: Path) -> None:
    text = CALIBRATOR.replace("[-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]", "[]")
    assert load_calibration(save(tmp_path, text)).model is LensModel.PINHOLE


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (CALIBRATOR, "plumb_bob", "kannala", "plumb_bob, rational_polynomial and equidistant"),
        (CALIBRATOR, "plumb_bob", "equidistant", "k1 k2 k3 k4"),
        (CALIBRATOR, "0.000505, 0.000000]", "0.1, 0.2, 0.3]", "found 6"),
        (CALIBRATOR, "image_width: 640\n", "", "`image_width` is missing"),
        (CALIBRATOR, "[438.783367, 0.000000,", "[438.783367, 0.1,", "without skew"),
        (CALIBRATOR, "[438.783367, 0.000000,", "[438.783367,", "`camera_matrix` must be a list of 9"),
        (CALIBRATOR, "[438.783367,", "[.nan,", "`camera_matrix` must be a finite number"),
        (CALIBRATOR, "distortion_coefficients:", "distortions:", "`distortion_coefficients` is missing"),
        (ECHO, "binning_x: 0", "binning_x: 2", "binned"),
        (ECHO, "  width: 0", "  width: 320", "region of interest"),
    ],
)
def test_errors_say_what_is_wrong(tmp_path: Path, text: str, old: str, new: str, message: str) -> None:
    assert text.count(old) == 1
    with pytest.raises(CalibrationError, match=message.replace("[", r"\[")):
        load_calibration(save(tmp_path, text.replace(old, new)))
