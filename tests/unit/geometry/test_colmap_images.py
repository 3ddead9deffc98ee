"""What a list of images says, checked against a scene whose numbers are written down by hand. Its library is the oracle in
tests/unit/sources/datasets."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import TrajectoryError
from reloc.geometry.colmap_images import colmap_model, load_colmap_images
from tests.tolerances import ALGEBRA

_TEXT = "# a comment\n7 0.5 0.5 0.5 0.5 1 2 3 4 a/b c.png\n1.5 2.5 -1\n3 1 0 0 0 0 0 -1 5 d.png\n\n"


def _binary(*images: tuple[int, tuple[float, ...], int, bytes, int]) -> bytes:
    records = [
        struct.pack("<I7dI", number, *pose, camera) + name + b"\0" + struct.pack("<Q", points) + bytes(24 * points)
        for number, pose, camera, name, points in images
    ]
    return struct.pack("<Q", len(images)) + b"".join(records)


def test_text_and_binary_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text(_TEXT)
    (tmp_path / "images.bin").write_bytes(
        _binary((7, (0.5, 0.5, 0.5, 0.5, 1, 2, 3), 4, b"a/b c.png", 2), (3, (1, 0, 0, 0, 0, 0, -1), 5, b"d.png", 0))
    )
    for name in ("images.txt", "images.bin"):
        first, second = load_colmap_images(tmp_path / name)
        assert [(one.name, one.camera) for one in (first, second)] == [("a/b c.png", "4"), ("d.png", "5")]
        # The quaternion of a third of a turn about (1, 1, 1): x to y, y to z, z to x.
        np.testing.assert_allclose(first.camera_from_world.apply(np.array([10.0, 20.0, 30.0])), [31, 12, 23], atol=ALGEBRA)
        assert second.camera_from_world.translation.tolist() == [0, 0, -1]


def test_a_model_is_two_files_and_the_binary_ones_go_first(tmp_path: Path) -> None:
    assert colmap_model(tmp_path) is None
    for name in ("images.txt", "images.bin", "cameras.txt"):
        (tmp_path / name).touch()
    found = colmap_model(tmp_path)
    assert found is not None
    assert (found.images.name, found.cameras.name) == ("images.bin", "cameras.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("images.txt", b"7 0.5 0.5 0.5 0.5 1 2 3\n"),
        ("images.txt", b"7 0.5 0.5 0.5 0.5 1 2 nan 4 a.png\n"),
        ("images.txt", b"\xff\xfe"),
        ("images.bin", b"\x01"),
        ("images.bin", struct.pack("<Q", 1 << 60)),
        ("images.bin", struct.pack("<QI7dI", 1, 7, 1, 0, 0, 0, 0, 0, 0, 4) + b"x" * 9000),
        ("images.bin", struct.pack("<QI7dI", 1, 7, 1, 0, 0, 0, 0, 0, 0, 4) + b"a\0" + struct.pack("<Q", 1 << 40) + bytes(99)),
    ],
)
def test_what_is_no_list_of_images_is_explained(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrajectoryError, match=r"not COLMAP's list of images.*\[.*images"):
        load_colmap_images(tmp_path / name)
