from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from warnings import catch_warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from reloc.errors import SourceError
from reloc.sources.decode import decode_image, read_image
from tests.unit.sources.made import picture, write_image


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.webp", "a.ppm", "Küche 図 é.png"])
def test_colours_are_rgb_as_pillow_sees_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_image(path, picture(1))
    with Image.open(path) as oracle:
        np.testing.assert_array_equal(read_image(path), np.asarray(oracle.convert("RGB")))


def test_jpeg_is_rgb_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    write_image(path, picture(1))
    assert np.abs(read_image(path).astype(int) - picture(1)).mean() < 3  # what JPEG of quality 95 loses


@pytest.mark.parametrize("shape", ["colour", "grey"])
def test_sixteen_bits_are_kept(tmp_path: Path, shape: str) -> None:
    image = {"colour": picture(2, dtype=np.uint16), "grey": picture(2, dtype=np.uint16)[..., 0]}[shape]
    path = tmp_path / "a.png"
    write_image(path, image)
    read = read_image(path)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(mode: str) -> None:
    image = Image.fromarray(picture(3)).convert(mode)
    image.putalpha(7)
    read = decode_image(_encoded(image, "PNG"), Path("a.png"))
    np.testing.assert_array_equal(read, np.asarray(image.convert("RGB")))


def test_exif_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    image = Image.fromarray(picture(4, 40, 60))
    turned, plain = (decode_image(_encoded(image, "JPEG", **extra), Path("a.jpg")) for extra in ({"exif": exif}, {}))
    np.testing.assert_array_equal(turned, plain)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_image_is_refused(form: str, share: float) -> None:
    data = _encoded(Image.fromarray(picture(5, 200, 300)), form)
    with pytest.raises(SourceError, match=r"a\.img"):
        decode_image(data[: int(share * len(data))], Path("a.img"))


def test_a_truncated_jpeg_is_refused_even_if_its_thumbnail_is_whole() -> None:
    thumbnail = _encoded(Image.fromarray(picture(6, 12, 16)), "JPEG")
    data = _encoded(Image.fromarray(picture(6)), "JPEG")
    whole = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
    assert decode_image(whole, Path("a.jpg")).shape == (48, 64, 3)
    with pytest.raises(SourceError, match="breaks off"):
        decode_image(whole[:-2], Path("a.jpg"))


def test_bytes_after_the_end_of_a_jpeg_do_not_matter() -> None:
    data = _encoded(Image.fromarray(picture(6)), "JPEG")
    np.testing.assert_array_equal(decode_image(data + b"\0" * 64, Path("a")), decode_image(data, Path("a")))


@pytest.mark.parametrize("side", [10_000, 60_000])  # where Pillow warns, and where it raises
@pytest.mark.parametrize("warnings", ["error", "ignore"])
def test_an_image_bomb_is_refused_before_it_is_unpacked(side: int, warnings: str) -> None:
    with catch_warnings(action=warnings), pytest.raises(SourceError, match="larger than"):
        decode_image(_bomb(side), Path("bomb.png"))


def test_a_header_that_promises_more_than_the_file_can_hold_is_refused() -> None:
    with pytest.raises(SourceError, match=r"states 9000 × 9000 pixels, which \d+ bytes cannot hold"):
        decode_image(_bomb(9000), Path("a.png"))


def test_an_honest_mask_that_packs_as_well_as_can_be_is_read() -> None:
    data = _encoded(Image.new("1", (5000, 5000)), "PNG")
    pixels = decode_image(data, Path("mask.png"))
    assert pixels.shape == (5000, 5000)
    assert not pixels.any()


def _bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_floating_point_images_are_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    cv2.imwrite(str(path), np.zeros((4, 5), np.float32))
    with pytest.raises(SourceError, match=r"float32.*8 or 16 bits"):
        read_image(path)


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "."])
def test_what_has_no_end_is_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="no ordinary file"):
        read_image(tmp_path / name)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"could not be read.*none\.png"):
        read_image(tmp_path / "none.png")


def test_mutated_files_give_an_image_or_a_source_error() -> None:
    rng = np.random.default_rng(0)
    originals = [_encoded(Image.fromarray(picture(7)), form) for form in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM")]
    outcomes = [_outcome(_mutated(originals[i % len(originals)], rng)) for i in range(100)]
    assert set(outcomes) == {"image", "error"}


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for position in rng.integers(0, min(len(data), 200), size=int(rng.integers(1, 6))):
        changed[position] = int(rng.integers(0, 256))
    return bytes(changed)


def _outcome(data: bytes) -> str:
    try:
        image = decode_image(data, Path("mutated"))
    except SourceError:
        return "error"
    assert image.dtype in (np.uint8, np.uint16)
    return "image"
