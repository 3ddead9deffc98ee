from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.geometry.area import AreaReduction
from tests.tolerances import GREY_LEVEL

SIZES = [(64, 48, 32, 24), (64, 48, 64, 48), (94, 70, 32, 24), (85, 48, 32, 18), (96, 54, 32, 18), (33, 31, 32, 30), (7, 5, 1, 1)]


def noise(width: int, height: int, channels: tuple[int, ...] = (), dtype: type = np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(3).integers(0, top, (height, width, *channels), dtype=dtype, endpoint=True)


@pytest.mark.parametrize(("source_width", "source_height", "width", "height"), SIZES)
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_averages_agree_with_opencv(
    source_width: int, source_height: int, width: int, height: int, channels: tuple[int, ...], dtype: type
) -> None:
    image = noise(source_width, source_height, channels, dtype)
    reduction = AreaReduction(source_width, source_height, width, height)
    expected = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    # A thousandth of a share is what OpenCV itself leaves out at the borders of a cell.
    np.testing.assert_allclose(reduction.exactly(image), expected, rtol=2e-3, atol=1e-3 * np.iinfo(dtype).max)
    np.testing.assert_allclose(reduction(image), reduction.exactly(image), rtol=0, atol=GREY_LEVEL * 255)
    assert reduction(image).dtype == np.float32


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_reduction_keeps_the_mean_and_constants(source_width: int, source_height: int, data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, source_width)), data.draw(st.integers(1, source_height))
    reduction = AreaReduction(source_width, source_height, width, height)
    image = noise(source_width, source_height)
    assert reduction.exactly(image).mean() == pytest.approx(image.mean(), abs=1e-3)
    np.testing.assert_allclose(reduction.exactly(np.full_like(image, 77)), 77, rtol=1e-6)


def test_a_mean_is_zero_only_where_all_beneath_it_is() -> None:
    reduction = AreaReduction(85, 48, 32, 18)
    for x, y in ((0, 0), (84, 47), (40, 20), (2, 47), (3, 2)):
        image = np.zeros((48, 85), np.uint8)
        image[y, x] = 1
        touched = np.argwhere(reduction.exactly(image) > 0)
        expected = [
            (v, u)
            for v in range(18)
            for u in range(32)
            if u * 85 / 32 < x + 1 and (u + 1) * 85 / 32 > x and v * 48 / 18 < y + 1 and (v + 1) * 48 / 18 > y
        ]
        np.testing.assert_array_equal(touched, expected)


def test_images_that_cannot_be_written_to_or_lie_scattered_are_read() -> None:
    image = noise(94, 70)
    image.setflags(write=False)
    reduction = AreaReduction(94, 70, 32, 24)
    turned = noise(70, 94).T
    np.testing.assert_array_equal(reduction(turned), reduction(turned.copy()))
    assert reduction(image).shape == (24, 32)
