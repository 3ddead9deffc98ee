from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reloc.errors import CalibrationError, OutputError
from reloc.geometry.calibration import load_calibration, save_calibration
from reloc.geometry.lens import LensCamera, LensModel

KITCHEN = """\
# a comment
model: OPENCV
width: 640
height: 480
fx: 518.6757
fy: 516.0037
cx: 318.3146
cy: 234.0774
dist: [-0.009042, -4.8858e-2, 1e-5, 0.0]   # k1 k2 p1 p2
fps: 30.0
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "camera.yaml"
    path.write_text(text)
    return path


def lenses() -> st.SearchStrategy[LensCamera]:
    finite = st.floats(-1, 1, allow_nan=False)

    def build(model: LensModel, width: int, height: int) -> st.SearchStrategy[LensCamera]:
        return st.builds(
            LensCamera,
            st.just(model),
            st.just(width),
            st.just(height),
            st.floats(0.1 * width, 1e6),
            st.floats(0.1 * height, 1e6),
            st.floats(0, width),
            st.floats(0, height),
            st.tuples(*[finite] * len(model.parameter_names)),
        )

    return st.tuples(st.sampled_from(LensModel), st.integers(1, 9999), st.integers(1, 9999)).flatmap(lambda t: build(*t))


def test_every_value_is_read(tmp_path: Path) -> None:
    expected = LensCamera(LensModel.OPENCV, 640, 480, 518.6757, 516.0037, 318.3146, 234.0774, (-0.009042, -0.048858, 1e-5, 0.0))
    assert load_calibration(write(tmp_path, KITCHEN)) == expected


@pytest.mark.parametrize(("center", "cx"), [("0.0", 318.3146), ("0", 318.3146), ("0.5", 317.8146)])
def test_principal_point_is_counted_from_the_centre_of_the_first_pixel(tmp_path: Path, center: str, cx: float) -> None:
    lens = load_calibration(write(tmp_path, KITCHEN + f"pixel_center: {center}\n"))
    assert lens.cx == pytest.approx(cx, abs=1e-12)
    assert lens.cy == pytest.approx(cx - 318.3146 + 234.0774, abs=1e-12)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lens=lenses())
def test_what_is_saved_is_loaded(tmp_path: Path, lens: LensCamera) -> None:
    save_calibration(lens, tmp_path / "saved.yaml")
    assert load_calibration(tmp_path / "saved.yaml") == lens


def test_saved_file_says_its_convention_to_any_yaml_reader(tmp_path: Path) -> None:
    lens = LensCamera(LensModel.RADIAL, 640, 480, 500.0, 500.0, 319.5, 239.5, (1e-5, -2e-7))
    save_calibration(lens, tmp_path / "saved.yaml")
    values = yaml.safe_load((tmp_path / "saved.yaml").read_text())
    assert values == {
        "model": "RADIAL",
        "width": 640,
        "height": 480,
        "fx": 500.0,
        "fy": 500.0,
        "cx": 319.5,
        "cy": 239.5,
        "dist": [1e-5, -2e-7],
        "pixel_center": 0.0,
    }


def test_saving_replaces_the_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = write(tmp_path, "old")
    save_calibration(LensCamera(LensModel.PINHOLE, 640, 480, 500.0, 500.0, 319.5, 239.5), path)
    assert load_calibration(path).fx == 500.0
    assert list(tmp_path.iterdir()) == [path]


def test_saving_where_nothing_can_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_calibration(LensCamera(LensModel.PINHOLE, 640, 480, 500.0, 500.0, 319.5, 239.5), tmp_path / "file" / "camera.yaml")


@pytest.mark.parametrize("dist", ["", "dist: []\n", "dist: [0.0, 0.0, 0.0, 0.0]\n"])
def test_pinhole_may_list_zeros(tmp_path: Path, dist: str) -> None:
    text = f"model: PINHOLE\nwidth: 64\nheight: 48\nfx: 50\nfy: 50\ncx: 32\ncy: 24\n{dist}"
    assert load_calibration(write(tmp_path, text)) == LensCamera(LensModel.PINHOLE, 64, 48, 50.0, 50.0, 32.0, 24.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: OPENCV", "model: OMNI", "OPENCV_FISHEYE"),
        ("model: OPENCV\n", "", "`model` is missing"),
        ("model: OPENCV", "model: [OPENCV]", "`model` must be a word"),
        ("width: 640", "width: -640", "`width` must be a positive whole number"),
        ("width: 640", "width: 640.5", "`width`"),
        ("width: 640", "width: wide", "`width`"),
        ("height: 480\n", "", "`height` is missing"),
        ("fx: 518.6757", "fx: .nan", "`fx` must be a finite number"),
        ("fx: 518.6757", "fx: nan", "`fx` must be a finite number"),
        ("fx: 518.6757", "fx: .inf", "`fx`"),
        ("fx: 518.6757", "fx:", "`fx` is missing"),
        ("fx: 518.6757", "fx: {a: 1}", "`fx`"),
        ("fy: 516.0037", "fy: -516.0037", "fy"),
        ("cx: 318.3146", "cx: 31831.46", "principal point"),
        ("-0.009042, ", "", "k1 k2 p1 p2"),
        ("dist: [-0.009042", "dist: [x", "`dist`"),
        ("1e-5, 0.0]", "1e-5, 0.0, 0.1]", "found 5"),
        ("dist:", "distortion:", "did you mean `dist`"),
        ("fps: 30.0", "pixel_centre: 0.5", "did you mean `pixel_center`"),
        ("fps: 30.0", "pixel_offset: 0.5", "did you mean `pixel_center`"),
        ("fps: 30.0", "pixel_center: 1.0", "0.5"),
        ("fps: 30.0", "fps: [30.0", "readable YAML"),
    ],
)
def test_errors_say_what_is_wrong_and_where(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert KITCHEN.count(old) == 1
    path = write(tmp_path, KITCHEN.replace(old, new))
    with pytest.raises(CalibrationError) as caught:
        load_calibration(path)
    assert message in str(caught.value)
    assert str(caught.value).endswith(f"[{path}]")
    assert caught.value.path == path


def test_recordings_bring_calibrations_that_load(kitchen: Path, castle: Path, blackdog: Path) -> None:
    assert load_calibration(kitchen / "query" / "camera.yaml").cx == 318.3146
    assert load_calibration(castle / "camera.yaml").cx == pytest.approx(484.045288 - 0.5, abs=1e-12)
    assert load_calibration(blackdog / "camera.yaml").cy == 511.5


def test_a_camera_of_a_file_without_names_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="'cam0'"):
        load_calibration(write(tmp_path, KITCHEN), camera="cam0")


def test_focal_length_in_millimetres_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="pixels"):
        load_calibration(write(tmp_path, KITCHEN.replace("518.6757", "4.3")))
    assert math.isfinite(load_calibration(write(tmp_path, KITCHEN)).fx)
