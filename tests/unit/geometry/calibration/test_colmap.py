from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reloc.errors import CalibrationError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera, LensModel
from tests.tolerances import ALGEBRA

COMMENT = (
    "# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n# Number of cameras: 2\n"
)

# Name, COLMAP's model id, its parameters, and what they are with us.
MODELS = [
    ("SIMPLE_PINHOLE", 0, (500, 320, 240), (LensModel.PINHOLE, 500, 500, ())),
    ("PINHOLE", 1, (500, 510, 320, 240), (LensModel.PINHOLE, 500, 510, ())),
    ("SIMPLE_RADIAL", 2, (500, 320, 240, 0.1), (LensModel.SIMPLE_RADIAL, 500, 500, (0.1,))),
    ("RADIAL", 3, (500, 320, 240, 0.1, 0.2), (LensModel.RADIAL, 500, 500, (0.1, 0.2))),
    ("OPENCV", 4, (500, 510, 320, 240, 0.1, 0.2, 0.3, 0.4), (LensModel.OPENCV, 500, 510, (0.1, 0.2, 0.3, 0.4))),
    ("OPENCV_FISHEYE", 5, (500, 510, 320, 240, 0.1, 0.2, 0.3, 0.4), (LensModel.OPENCV_FISHEYE, 500, 510, (0.1, 0.2, 0.3, 0.4))),
    (
        "FULL_OPENCV",
        6,
        (500, 510, 320, 240, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        (LensModel.FULL_OPENCV, 500, 510, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
    ),
    ("SIMPLE_RADIAL_FISHEYE", 8, (500, 320, 240, 0.1), (LensModel.OPENCV_FISHEYE, 500, 500, (0.1, 0, 0, 0))),
    ("RADIAL_FISHEYE", 9, (500, 320, 240, 0.1, 0.2), (LensModel.OPENCV_FISHEYE, 500, 500, (0.1, 0.2, 0, 0))),
]
UNSUPPORTED = [("FOV", 7, 5), ("THIN_PRISM_FISHEYE", 10, 12), ("RAD_TAN_THIN_PRISM_FISHEYE", 11, 16), ("SIMPLE_DIVISION", 12, 4)]


def line(camera_id: int, name: str, parameters: tuple[float, ...]) -> str:
    return f"{camera_id} {name} 640 480 {' '.join(map(str, parameters))}\n"


def record(camera_id: int, model_id: int, parameters: tuple[float, ...]) -> bytes:
    return struct.pack(f"<iiQQ{len(parameters)}d", camera_id, model_id, 640, 480, *parameters)


def binary(*records: bytes) -> bytes:
    return struct.pack("<Q", len(records)) + b"".join(records)


def save(folder: Path, content: str | bytes) -> Path:
    path = folder / "cameras"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(("name", "model_id", "parameters", "expected"), MODELS)
def test_text_and_binary_give_the_lens_half_a_pixel_up_and_left(
    tmp_path: Path, name: str, model_id: int, parameters: tuple[float, ...], expected: tuple
) -> None:
    model, fx, fy, distortion = expected
    lens = LensCamera(model, 640, 480, fx, fy, 319.5, 239.5, distortion)
    assert load_calibration(save(tmp_path, COMMENT + line(7, name, parameters))) == lens
    assert load_calibration(save(tmp_path, line(7, name, parameters))) == lens
    assert load_calibration(save(tmp_path, binary(record(7, model_id, parameters)))) == lens


@pytest.mark.parametrize(("name", "model_id", "count"), UNSUPPORTED)
def test_other_models_are_refused_by_name(tmp_path: Path, name: str, model_id: int, count: int) -> None:
    for content in (line(1, name, (1.0,) * count), binary(record(1, model_id, (1.0,) * count))):
        with pytest.raises(CalibrationError, match=rf"model {name} is not supported.*SIMPLE_RADIAL, RADIAL, OPENCV"):
            load_calibration(save(tmp_path, content))


def test_one_of_several_cameras_is_chosen_by_id(tmp_path: Path) -> None:
    text = (
        line(1, "PINHOLE", (500, 510, 320, 240)) + line(12, "FOV", (1, 1, 1, 1, 1)) + line(3, "SIMPLE_PINHOLE", (700, 320, 240))
    )
    data = binary(record(1, 1, (500, 510, 320, 240)), record(12, 7, (1, 1, 1, 1, 1)), record(3, 0, (700, 320, 240)))
    for content in (text, data):
        path = save(tmp_path, content)
        assert load_calibration(path, camera="3").fx == 700
        assert load_calibration(path, camera="1").fy == 510
        with pytest.raises(CalibrationError, match="3 cameras, so say which to take: 1, 12 and 3"):
            load_calibration(path)
        with pytest.raises(CalibrationError, match="no camera '2', only 1, 12 and 3"):
            load_calibration(path, camera="2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (COMMENT, "holds no camera"),
        ("1 PINHOLE 640 480 500 510 320\n", "4 parameters, found 3"),
        ("1 PINHOLE 640 480 500 510 320 nan\n", "finite"),
        ("1 PINHOLE 640 480 500 510 320 x\n", "finite"),
        ("1 PINHOLE 640 0 500 510 320 240\n", "HEIGHT"),
        ("1 PINHOLE 640 480 -500 510 320 240\n", "fx"),
        ("1 PINHOLE 640 480 500 510 320 240\n2 PINHOLE\n", "Line 2"),
    ],
)
def test_broken_text_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        load_calibration(save(tmp_path, text))


def test_binary_that_breaks_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = binary(record(1, 1, (500, 510, 320, 240)), record(2, 4, (500, 510, 320, 240, 0, 0, 0, 0)))
    for length in range(8, len(whole)):
        with pytest.raises(CalibrationError):
            load_calibration(save(tmp_path, whole[:length]), camera="1")
    with pytest.raises(CalibrationError, match="breaks off"):
        load_calibration(save(tmp_path, whole + b"\0"), camera="1")


@pytest.mark.parametrize("count", [0, 2, 2**40, 2**64 - 1])
def test_a_count_that_the_file_cannot_hold_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(CalibrationError, match="breaks off"):
        load_calibration(save(tmp_path, struct.pack("<Q", count) + record(1, 1, (500, 510, 320, 240))))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 55), value=st.integers(0, 255))
def test_a_flipped_byte_is_a_lens_or_an_error_for_people(tmp_path: Path, position: int, value: int) -> None:
    data = bytearray(binary(record(1, 1, (500, 510, 320, 240))))
    data[position] = value
    with suppress(CalibrationError):
        assert isinstance(load_calibration(save(tmp_path, bytes(data))), LensCamera)


def test_recordings_say_the_same_in_both_of_their_files(castle: Path, blackdog: Path) -> None:
    assert load_calibration(castle / "sparse" / "cameras.txt") == load_calibration(castle / "camera.yaml")
    points = np.random.default_rng(0).uniform([-0.2, -0.2, 1], [0.2, 0.2, 1], (50, 3))
    text, yaml = load_calibration(blackdog / "sparse" / "cameras.txt"), load_calibration(blackdog / "camera.yaml")
    np.testing.assert_allclose(text.project(points), yaml.project(points), rtol=0, atol=1e-5)  # the YAML has fewer digits
    assert abs(text.cx - 611.5) < ALGEBRA
