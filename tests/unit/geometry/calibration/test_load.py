from __future__ import annotations

import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reloc.errors import CalibrationError
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera

FRAGMENTS = st.sampled_from(
    [
        *("model: OPENCV", "fx: 1", "cam0:", " camera_model: pinhole", " intrinsics: [1,2", "- a", "{", "K: &a [*a]", "!!int x"),
        *("!!python/object/apply:os.system [true]", "distortion_model: plumb_bob", "1 PINHOLE 4 4 1 1 2 2", "# Camera list"),
        *("\t", "%YAML:1.0", "é", "\0\0"),
    ]
)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "calibration"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"- a\n- b\n",
        b"a: b\n",
        b"1: 2\n",
        b"\xff\xfe\x00",
        b"\x89PNG\r\n\x1a\n",
        b"<?xml version='1.0'?><opencv_storage></opencv_storage>",
        b"[" * 2_000,
        b"{a: " * 2_000,
        b"a: &a [*a]\n",
        b"K: &a {data: *a}\n",
        b"? [a]\n: b\n",
        b"model: !!python/object/apply:os.system ['true']\n",
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    with pytest.raises(CalibrationError) as caught:
        load_calibration(path)
    assert len(str(caught.value)) < 700 + len(str(path))
    assert str(caught.value).endswith(f"[{path}]")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CalibrationError, match="not found"):
        load_calibration(tmp_path / name)


def test_large_files_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse: a terabyte that takes no room
    tracemalloc.start()
    with pytest.raises(CalibrationError, match="no calibration"):
        load_calibration(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_long_yaml_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="not known"):
        load_calibration(write(tmp_path, b"model: OPENCV\n" + b"# filler\n" * 40_000))


@pytest.mark.parametrize("before", ["K: ", "model: RADIAL\nfx: 5\nfy: 5\ncx: 2\ncy: 2\nwidth: 4\nheight: 4\ndist: "])
def test_a_short_list_that_aliases_make_long_is_refused_before_it_is_unrolled(tmp_path: Path, before: str) -> None:
    row = ", ".join(["1"] * 2_000)  # 2,000 times 2,000 numbers
    text = f"a: &a [{row}]\nimage_width: 4\nimage_height: 4\n{before}[{', '.join(['*a'] * 2_000)}]\n"
    tracemalloc.start()
    with pytest.raises(CalibrationError, match=r"`(K|dist)` must be a list of"):
        load_calibration(write(tmp_path, text.encode()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(str.encode), st.lists(FRAGMENTS).map(lambda f: "\n".join(f).encode())
    )
)
def test_any_bytes_are_a_lens_or_an_error_for_people(tmp_path: Path, data: bytes) -> None:
    with suppress(CalibrationError):
        assert isinstance(load_calibration(write(tmp_path, data)), LensCamera)


def test_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    text = "model: PINHOLE\r\nwidth: 64\r\nheight: 48\r\nfx: 50\r\nfy: 50\r\ncx: 32\r\ncy: 24\r\n"
    assert load_calibration(write(tmp_path, text.encode("utf-8-sig"))).width == 64
