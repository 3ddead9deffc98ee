from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reloc.errors import MeshError
from reloc.mesh import texture_files
from reloc.mesh.texture_files import TextureReader, decode_rgb, find_beside, image_size
from tests import tolerances
from tests.unit.mesh.small import RED, plain_image, quadrants, write_image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def photograph(width: int = 40, height: int = 24) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_formats_without_loss_give_the_pixels_back(kind: str) -> None:
    data = encoded(Image.fromarray(photograph()), kind, lossless=True)
    assert image_size(data) == (40, 24)
    assert decode_rgb(data).dtype == np.uint8
    np.testing.assert_array_equal(decode_rgb(data), photograph())


def test_jpeg_gives_what_pillow_gives() -> None:
    data = encoded(Image.fromarray(photograph()), "JPEG")
    assert image_size(data) == (40, 24)
    np.testing.assert_allclose(decode_rgb(data).astype(int), np.asarray(Image.open(io.BytesIO(data))).astype(int), atol=1)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "1"])
def test_other_kinds_of_pixels_become_rgb(mode: str) -> None:
    image = Image.fromarray(photograph()).convert(mode)
    np.testing.assert_array_equal(decode_rgb(encoded(image, "PNG")), np.asarray(image.convert("RGBA").convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_rounded_to_eight(suffix: str) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (8, 9, 3), dtype=np.uint16)
    values[0, :3, 0] = 0, 65535, 32896
    done, data = cv2.imencode(suffix, values[..., ::-1])
    assert done
    np.testing.assert_allclose(decode_rgb(data.tobytes()), values / 257, atol=tolerances.GREY_ROUNDING)


def test_rotation_by_exif_is_ignored_since_uv_refer_to_the_stored_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(quadrants()), "JPEG", exif=exif.tobytes(), quality=95)
    assert decode_rgb(data)[1, 1].argmax() == 0  # red still is at the top left


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_file_cut_short_is_refused(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(photograph(200, 100)), kind)
    with pytest.raises(MeshError, match=r"cut short|cannot be read|decoded"):
        TextureReader()._decode(data[: int(share * len(data))])


@pytest.mark.parametrize(
    "data", [b"", b"not an image", b"\x89PNG", b"\xff\xd8\xff", b"II*\0\x08\0\0\0", b"BM", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_image_is_named(data: bytes) -> None:
    with pytest.raises(MeshError, match="the texture"):
        TextureReader()._decode(data)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size, and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(16385, 16384), (40_000, 10), (10, 40_000), (2**31 - 1, 2**31 - 1)])
def test_the_size_is_checked_before_decoding(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texture_files, "decode_rgb", lambda data: pytest.fail("decoded"))
    with pytest.raises(MeshError, match="at most 16384 × 16384 are read; scale it down"):
        TextureReader()._decode(png_header(*size))


def test_the_largest_size_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texture_files, "decode_rgb", lambda data: quadrants())
    monkeypatch.setattr(texture_files, "TEXELS_PER_BYTE", 10**9)
    assert TextureReader()._decode(png_header(16384, 16384)).shape == (8, 8, 3)


def test_a_few_bytes_that_promise_a_large_image_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texture_files, "decode_rgb", lambda data: pytest.fail("decoded"))
    with pytest.raises(MeshError, match=r"promises 16384 × 16384 pixels in \d+ bytes"):
        TextureReader()._decode(png_header(16384, 16384))


def test_a_chunk_that_promises_gigabytes_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(photograph()), "PNG").replace(b"IDAT", b"juNk\xff", 1)
    start = data.index(b"juNk")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(MeshError, match="cut short or damaged"):
        decode_rgb(data[: start - 4] + b"\xff\xff\xff\x00" + data[start:])


def test_a_plain_image_is_no_broken_one() -> None:
    data = encoded(Image.new("1", (8192, 8192)), "PNG", optimize=True)
    assert TextureReader()._decode(data).shape == (8192, 8192, 3)


def test_all_textures_together_have_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(texture_files, "MAX_TOTAL_TEXELS", 40)
    reader = TextureReader()
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / name, plain_image(RED))
    assert [reader.read(name, tmp_path) for name in ("a.png", "b.png", "c.png")] == [0, 1, None]
    assert "more than 40 pixels together" in reader.problems[0]


def test_a_texture_is_read_once_and_stamped(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", plain_image(RED))
    reader = TextureReader()
    assert [reader.read("a.png", tmp_path) for _ in range(3)] == [0, 0, 0]
    assert [stamp.path for stamp in reader.files] == [str(tmp_path / "a.png")]


# --- which file a name means


@pytest.mark.parametrize(
    "name",
    [
        "t.png", "./t.png", "T.PNG", '"t.png"', " t.png ", "C:\\maps\\old\\t.png", "/home/somebody/else/t.png",
        "\\\\server\\share\\t.png", "old/folder/t.png", "sub/../t.png",
    ],
)  # fmt: skip
def test_the_file_beside_the_mesh(name: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = write_image(tmp_path / "t.png", quadrants())
    found = find_beside(name, tmp_path)
    assert found is not None
    assert found.resolve() == path.resolve()


@pytest.mark.parametrize("name", ["sub/t.png", "sub\\t.png", "..\\elsewhere\\t.png", "../elsewhere/t.png", "my t.png"])
def test_relative_paths_come_before_the_bare_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "map"
    write_image(folder / "t.png", quadrants())
    wanted = write_image(folder / name.replace("\\", "/"), quadrants())
    assert find_beside(name, folder) == wanted


def test_an_absolute_path_that_exists_is_followed(tmp_path: Path) -> None:
    path = write_image(tmp_path / "far" / "t.png", quadrants())
    assert find_beside(str(path), tmp_path / "map") == path


@pytest.mark.parametrize("name", ["", " ", ".", "..", "/", "missing.png", "a\0b", "x" * 5000, "t.png/"])
def test_names_that_mean_no_file(name: str, tmp_path: Path) -> None:
    assert find_beside(name, tmp_path) is None


@pytest.mark.parametrize("name", ["folder", "/dev/zero"])
def test_only_files_are_opened(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert find_beside(name, tmp_path) is None
