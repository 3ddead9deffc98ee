from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.errors import CalibrationError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensModel

K = np.array([[520.9, 0, 325.1], [0, 521.0, 249.7], [0, 0, 1]])
NAMES = ("image_width", "image_height", "camera_matrix", "distortion_coefficients")


def save(path: Path, coefficients: list[float], names: tuple[str, str, str, str] = NAMES, **more: object) -> Path:
    """Write with OpenCV itself, as its calibration samples do."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    width, height, matrix, distortion = names
    storage.write(width, 640)
    storage.write(height, 480)
    storage.write(matrix, K)
    storage.write(distortion, np.array(coefficients, dtype=np.float64).reshape(-1, 1))
    for key, value in more.items():
        storage.write(key, value)
    storage.release()
    return path


@pytest.mark.parametrize(
    ("coefficients", "model"),
    [
        ([0.1, -0.2, 0.003, 0.004], LensModel.OPENCV),
        ([0.1, -0.2, 0.003, 0.004, 0.0], LensModel.OPENCV),
        ([0.1, -0.2, 0.003, 0.004, 0.05], LensModel.FULL_OPENCV),
        ([0.1, -0.2, 0.003, 0.004, 0.05, 0.06, 0.07, 0.08], LensModel.FULL_OPENCV),
        ([0.1, -0.2, 0.003, 0.004, 0.05, 0.06, 0.07, 0.08, 0, 0, 0, 0], LensModel.FULL_OPENCV),
        ([0.1, -0.2, 0.003, 0.004, 0.05, 0.06, 0.07, 0.08, 0, 0, 0, 0, 0, 0], LensModel.FULL_OPENCV),
    ],
)
def test_files_that_opencv_writes_project_as_opencv_does(tmp_path: Path, coefficients: list[float], model: LensModel) -> None:
    lens = load_calibration(save(tmp_path / "c.yml", coefficients))
    points = np.random.default_rng(1).uniform([-0.5, -0.4, 1], [0.5, 0.4, 1.5], (40, 3))
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(coefficients))
    assert (lens.model, lens.width, lens.height) == (model, 640, 480)
    np.testing.assert_allclose(lens.project(points), expected[:, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "names",
    [
        ("image_Width", "image_Height", "Camera_Matrix", "Distortion_Coefficients"),
        ("imageWidth", "imageHeight", "cameraMatrix", "distCoeffs"),
        ("width", "height", "K", "D"),
    ],
)
def test_usual_spellings_are_understood(tmp_path: Path, names: tuple[str, str, str, str]) -> None:
    lens = load_calibration(save(tmp_path / "c.yaml", [0.1, -0.2, 0.003, 0.004], names))
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (520.9, 521.0, 325.1, 249.7)


@pytest.mark.parametrize(("flag", "model"), [(1, LensModel.OPENCV_FISHEYE), (0, LensModel.OPENCV)])
def test_fisheye_flag_of_the_calibration_sample(tmp_path: Path, flag: int, model: LensModel) -> None:
    assert load_calibration(save(tmp_path / "c.yml", [0.1, 0.2, 0.03, 0.04], fisheye_model=flag)).model is model


def test_json_by_opencv_is_read_too(tmp_path: Path) -> None:
    assert load_calibration(save(tmp_path / "c.json", [0.1, -0.2, 0.003, 0.004])).distortion == (0.1, -0.2, 0.003, 0.004)


def test_plain_lists_of_rows_are_matrices(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(
        "camera_matrix:\n- [500, 0, 320]\n- [0, 501, 240]\n- [0, 0, 1]\ndist_coeffs: [[.1, .2, .3, .4]]\nimage_size: [640, 480]\n"
    )
    lens = load_calibration(path)
    assert (lens.fy, lens.cx, lens.height, lens.distortion) == (501, 320, 480, (0.1, 0.2, 0.3, 0.4))


def test_tags_build_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tagged.yaml"
    path.write_text(
        "%YAML:1.0\n---\ncamera_matrix: !!python/object/apply:os.mkdir ["
        + str(tmp_path / "made")
        + "]\nimage_width: 4\nimage_height: 4\n"
    )
    with pytest.raises(CalibrationError, match="camera_matrix"):
        load_calibration(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image_width: 640\n", "", "`image_width:` and `image_height:`"),
        ("image_height: 480\n", "", "`image_height` is missing"),
        ("image_width: 640", "image_width: -640", "`image_width`"),
        ("distortion_coefficients:", "other:", "`distortion_coefficients` is missing"),
        ("520.89999999999998", ".Nan", "`camera_matrix` must be a finite number"),
    ],
)
def test_errors_say_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = save(tmp_path / "c.yml", [0.1, -0.2, 0.003, 0.004])
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(CalibrationError, match=message):
        load_calibration(path)


def test_thin_prisms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="thin prism"):
        load_calibration(save(tmp_path / "c.yml", [0.1, 0.2, 0.3, 0.4, 0, 0, 0, 0, 0.01, 0, 0, 0]))


def test_an_odd_number_of_coefficients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="0, 4, 5, 8, 12 or 14 numbers"):
        load_calibration(save(tmp_path / "c.yml", [0.1, 0.2, 0.3]))
