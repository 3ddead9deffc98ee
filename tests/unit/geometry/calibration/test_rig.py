from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.errors import CalibrationError
from reloc.geometry.calibration import load_rig, save_calibration, save_rig
from reloc.geometry.lens import LensCamera, LensModel
from reloc.geometry.se3 import SE3
from tests.tolerances import ALGEBRA, TUM_DECIMALS
from tests.unit.geometry.calibration.test_kalibr import CAMCHAIN

LEFT = LensCamera(LensModel.PINHOLE, 320, 240, 300, 301, 160, 120)
RIGHT = LensCamera(LensModel.OPENCV, 640, 360, 500, 500, 320, 180, (0.1, 0.0, 0.0, 0.0))
RIGHT_FROM_RIG = SE3.exp([-0.2, 0.01, 0.02, 0.1, -0.2, 0.3])

# As pycolmap 4.2.1 writes it: `add_sensor(sensor, sensor_from_rig)`.
RIGS = """\
# Rig calib list with one line of data per calib:
#   RIG_ID, NUM_SENSORS, REF_SENSOR_TYPE, REF_SENSOR_ID, SENSORS[] as (SENSOR_TYPE, SENSOR_ID, HAS_POSE, [QW, QX, QY, QZ, TX, TY, TZ])
# Number of rigs: 1
1 2 CAMERA 1 CAMERA 2 1 0.92736200000000002 0.10000000000000001 0.20000000000000001 0.29999999999999999 1 2 3
"""  # noqa: E501
CAMERAS = "1 PINHOLE 100 80 90 91 50 40\n2 PINHOLE 200 160 180 182 100 80\n"


def own(folder: Path) -> Path:
    for name, lens in (("left", LEFT), ("right", RIGHT)):
        (folder / name).mkdir()
        save_calibration(lens, folder / name / "camera.yaml")
    files = {"left": "left/camera.yaml", "right": "right/camera.yaml"}
    save_rig(folder / "rig.yaml", files, {"left": SE3.identity(), "right": RIGHT_FROM_RIG})
    return folder / "rig.yaml"


def colmap(folder: Path, rigs: str = RIGS, cameras: str = CAMERAS) -> Path:
    (folder / "rigs.txt").write_text(rigs)
    (folder / "cameras.txt").write_text(cameras)
    return folder / "rigs.txt"


def saved(folder: Path, text: str) -> Path:
    (folder / "some.yaml").write_text(text)
    return folder / "some.yaml"


def test_our_own_rig_comes_back(tmp_path: Path) -> None:
    rig = load_rig(own(tmp_path))
    assert rig.names == ("left", "right")
    assert (rig.camera("left").lens, rig.camera("right").lens) == (LEFT, RIGHT)
    assert np.allclose(rig.camera("right").camera_from_rig.matrix, RIGHT_FROM_RIG.matrix, atol=TUM_DECIMALS)
    assert np.allclose(rig.camera("left").camera_from_rig.matrix, np.eye(4), atol=ALGEBRA)


def test_the_frame_of_a_rig_can_be_put_into_any_camera(tmp_path: Path) -> None:
    rig = load_rig(own(tmp_path)).seen_from("right")
    left_from_right = rig.camera("left").camera_from_rig.matrix
    assert np.allclose(rig.camera("right").camera_from_rig.matrix, np.eye(4), atol=ALGEBRA)
    assert np.allclose(left_from_right, np.linalg.inv(RIGHT_FROM_RIG.matrix), atol=10 * TUM_DECIMALS)


def test_a_camchain_multiplies_from_camera_to_camera(tmp_path: Path) -> None:
    third = CAMCHAIN[CAMCHAIN.index("cam1:") :].replace("cam1:", "cam2:").replace("-0.1]", "-0.3]")
    rig = load_rig(saved(tmp_path, CAMCHAIN.replace("0.99", "1.0") + third.replace("0.99", "1.0")))
    assert rig.names == ("cam0", "cam1", "cam2")
    assert [camera.lens.width for camera in rig.cameras] == [752, 512, 512]
    # A point 1 m before cam0 lies 0.1 m to the left as cam1 sees it, and 0.4 m as cam2 does.
    seen = [camera.camera_from_rig.apply(np.array([0.0, 0.0, 1.0])) for camera in rig.cameras]
    assert np.allclose(seen, [[0, 0, 1], [-0.1, 0, 1], [-0.4, 0, 1]], atol=ALGEBRA)


def test_a_colmap_rig_has_its_lenses_beside_it(tmp_path: Path) -> None:
    rig = load_rig(colmap(tmp_path))
    assert rig.names == ("1", "2")
    assert [camera.lens.width for camera in rig.cameras] == [100, 200]
    pose = rig.camera("2").camera_from_rig
    assert np.allclose(pose.translation, [1, 2, 3])
    assert np.allclose(pose.wxyz, np.array([0.927362, 0.1, 0.2, 0.3]) / np.linalg.norm([0.927362, 0.1, 0.2, 0.3]))
    assert np.array_equal(rig.camera("1").camera_from_rig.matrix, np.eye(4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: PINHOLE\n", "format of the rig's calibration is not known"),
        ("cameras:\n  a:\n    calibration: a.yaml\n", "camera_from_rig"),
        ("cameras:\n  a:\n    calibration: a.yaml\n    pose: 3\n", "`cameras.a.pose` is no key"),
        ("cameras:\n  a:\n    calibration: a.yaml\n    camera_from_rig: [0, 0, 0, 0, 0, 0, 2]\n", "length 1, found 2"),
        ("cameras:\n  a:\n    calibration: a.yaml\n    camera_from_rig: [0, 0, 0, 0, 0, 0, 1]\n", "not found"),
        (CAMCHAIN, "rigid motion"),
        (CAMCHAIN.replace("cam1:", "cam3:").replace("0.99", "1.0"), "without a gap"),
        ("x\0y", "no calibration of a rig"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        load_rig(saved(tmp_path, text))


@pytest.mark.parametrize(
    ("rigs", "message"),
    [
        (RIGS.replace(" 1 0.927", " 0 0.927"), "HAS_POSE"),
        (RIGS.replace("CAMERA 2", "IMU 2"), "must be a CAMERA"),
        (RIGS + RIGS.splitlines()[-1], "single rig"),
        (RIGS.replace(" 1 2 3", " 1 2"), "HAS_POSE"),
    ],
)
def test_a_colmap_rig_that_cannot_be_used(tmp_path: Path, rigs: str, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        load_rig(colmap(tmp_path, rigs))


def test_a_missing_file_and_a_missing_camera(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="not found"):
        load_rig(tmp_path / "rig.yaml")
    with pytest.raises(CalibrationError, match="no camera 'middle'; its cameras are left, right"):
        load_rig(own(tmp_path)).camera("middle")
