from __future__ import annotations

import numpy as np
import pytest

from reloc.places.glance import GLANCE_SIZE, glance, small_picture, turned
from tests.unit.places.known_room import index
from tests.unit.places.test_features import texture

ALL = np.ones((120, 160), bool)


def picture() -> np.ndarray:
    return texture((120, 160))


def test_it_is_a_vector_of_length_one() -> None:
    seen = glance(picture(), ALL)
    assert seen.shape == (GLANCE_SIZE,) == (288,)
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-6)


def test_exposure_hardly_matters_and_what_is_seen_does() -> None:
    first, *others = index().pictures
    seen, darker = glance(first, ALL), glance((30 + 0.5 * first).astype(np.uint8), ALL)
    assert seen @ darker > 0.99
    assert max(seen @ glance(other, ALL) for other in others) < 0.985


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turn_of_the_glance_is_a_glance_at_the_turned_image(quarters: int) -> None:
    # Of the middle square alone, which is all that is looked at.
    square = picture()[:, 20:140]
    upright, rotated = (np.pad(one, ((0, 0), (20, 20)), mode="edge") for one in (square, np.rot90(square, quarters)))
    expected = glance(rotated, ALL)
    likeness = turned(glance(upright, ALL)) @ expected
    assert int(np.argmax(likeness)) == quarters
    assert likeness[quarters] > 0.98


def test_what_is_not_valid_does_not_count() -> None:
    valid = ALL.copy()
    valid[40:, :70] = False
    spoilt = picture()
    spoilt[40:, :70] = np.random.default_rng(0).integers(0, 255, (80, 70))
    np.testing.assert_allclose(glance(spoilt, valid), glance(picture(), valid), atol=0.02)


def test_a_blank_image_says_nothing() -> None:
    assert not glance(np.full((120, 160), 77, np.uint8), ALL).any()


def test_a_small_picture_is_the_image_averaged_and_black_where_it_is_not_valid() -> None:
    image = np.full((240, 320), 100, np.uint8)
    image[:, 160:] = 200
    valid = np.ones((240, 320), bool)
    valid[120:] = False
    small, shown = small_picture(image, valid)
    np.testing.assert_array_equal(small[:60, :80], 100)
    np.testing.assert_array_equal(small[:60, 80:], 200)
    assert not small[60:].any()
    np.testing.assert_array_equal(shown, np.arange(120)[:, None].repeat(160, 1) < 60)
