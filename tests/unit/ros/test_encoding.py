from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.image import message_to_cvimage

from reloc.errors import SourceError
from reloc.ros.encoding import image_from_message
from tests.unit.ros.made import image

W, H = 22, 14
CHANNELS = {
    "mono8": 1, "bayer_rggb8": 1, "bayer_bggr8": 1, "bayer_gbrg8": 1, "bayer_grbg8": 1, "yuv422": 2, "uyvy": 2, "yuyv": 2,
    "yuv422_yuy2": 2, "rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono16": 1, "bayer_rggb16": 1, "bayer_bggr16": 1,
    "bayer_gbrg16": 1, "bayer_grbg16": 1, "rgb16": 3, "bgr16": 3, "rgba16": 4, "bgra16": 4,
}  # fmt: skip


def _values(encoding: str, seed: int = 0) -> np.ndarray:
    dtype = np.uint16 if encoding.endswith("16") else np.uint8
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (H, W, CHANNELS[encoding]), dtype, endpoint=True)


def _wanted(encoding: str) -> str:
    return ("mono" if encoding.startswith("mono") else "rgb") + ("16" if encoding.endswith("16") else "8")


@pytest.mark.parametrize("encoding", CHANNELS)
def test_every_encoding_is_decoded_as_rosbags_does(encoding: str) -> None:
    values = _values(encoding)
    message = image(values.tobytes(), W, H, encoding, values[0].nbytes)
    found = image_from_message(message)
    oracle = message_to_cvimage(message, _wanted(encoding))
    assert found.dtype == oracle.dtype == values.dtype
    np.testing.assert_array_equal(found, oracle.reshape(found.shape))


@pytest.mark.parametrize("encoding", ["mono8", "mono16", "bgr8", "rgb16", "rgba8", "yuyv", "bayer_rggb8"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_padding_and_byte_order_change_nothing(encoding: str, big_endian: bool) -> None:
    values = _values(encoding)
    tight = image(values.tobytes(), W, H, encoding, values[0].nbytes)
    sent = values.astype(values.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xaa" * 5 for row in sent]
    padded = image(b"".join(rows), W, H, encoding, values[0].nbytes + 5, big_endian=big_endian)
    cut = image(b"".join(rows)[:-5], W, H, encoding, values[0].nbytes + 5, big_endian=big_endian)
    for message in (padded, cut):
        np.testing.assert_array_equal(image_from_message(message), image_from_message(tight))


@pytest.mark.parametrize(("encoding", "code"), [("nv12", cv2.COLOR_YUV2RGB_NV12), ("nv21", cv2.COLOR_YUV2RGB_NV21)])
def test_planes_of_colour_follow_the_brightness(encoding: str, code: int) -> None:
    planes = np.random.default_rng(1).integers(0, 256, (H * 3 // 2, W), np.uint8)
    padded = np.pad(planes, ((0, 0), (0, 6)))
    found = image_from_message(image(padded.tobytes(), W, H, encoding, W + 6))
    np.testing.assert_array_equal(found, cv2.cvtColor(planes, code))


def test_the_colours_of_a_bayer_pattern_are_where_its_name_says() -> None:
    # A red surface: only the sensor's red pixels see light. In rggb they are the even ones of the even rows.
    raw = np.zeros((H, W), np.uint8)
    raw[::2, ::2] = 200
    found = image_from_message(image(raw.tobytes(), W, H, "bayer_rggb8", W))
    assert (found[2:-2, 2:-2, 0] == 200).all()
    assert (found[..., 1:] == 0).all()


def test_data_may_be_bytes_or_a_list_as_other_decoders_give_them() -> None:
    values = _values("rgb8")
    message = image(values.tobytes(), W, H, "rgb8", W * 3)
    for data in (values.tobytes(), values.reshape(-1).tolist()):
        message.data = data
        np.testing.assert_array_equal(image_from_message(message), values)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"encoding": "32FC1"}, "encoding '32FC1'.*mono8"),
        ({"encoding": ""}, "cannot be read as a picture"),
        ({"width": 0}, "declares 0 × 14"),
        ({"height": 0}, "declares 22 × 0"),
        ({"width": 2**31, "height": 2**31}, "at most"),
        ({"step": 65}, "rows of 65 bytes, which is too few"),
        ({"height": 15}, "holds only"),
        ({"step": 67}, "holds only"),
        ({"step": 2**32 - 1}, "holds only"),
        ({"data": np.zeros(0, np.uint8)}, "holds only 0 bytes"),
        ({"encoding": "nv12", "step": 22, "height": 7}, "could not be converted"),
    ],
)
def test_messages_that_contradict_themselves_are_refused(changes: dict[str, Any], match: str) -> None:
    message = image(_values("rgb8").tobytes(), W, H, "rgb8", W * 3)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(SourceError, match=match):
        image_from_message(message)
