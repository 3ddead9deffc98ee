from __future__ import annotations

import cv2
import numpy as np

from reloc.places.features import as_floats, detect, root_descriptors
from tests.tolerances import FLOAT32


def texture(shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(128 + 300 * blurred, 0, 255).astype(np.uint8)


def test_descriptors_are_roots_of_shares_whose_products_are_cosines() -> None:
    histograms = np.random.default_rng(1).integers(0, 60, (40, 128)).astype(np.float32)
    expected = np.sqrt(histograms / histograms.sum(axis=1, keepdims=True))
    found = as_floats(root_descriptors(histograms))
    # Rounded to a 512th.
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.5 / 512 + FLOAT32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=128**0.5 * 0.5 / 512)


def test_keypoints_are_those_of_opencv_where_none_is_left_out() -> None:
    image = texture()
    keypoints, histograms = cv2.SIFT.create(0, contrastThreshold=0.01).detectAndCompute(image, None)
    found = detect(image, 100_000)
    np.testing.assert_allclose(found.pixels, [keypoint.pt for keypoint in keypoints])
    np.testing.assert_array_equal(found.descriptors, root_descriptors(histograms))


def test_a_busy_corner_does_not_take_all_places() -> None:
    image = (100 + 0.12 * (texture().astype(np.float32) - 128)).astype(np.uint8)
    image[:80, :100] = texture()[:80, :100]
    found = detect(image, 200)
    assert len(found) == 200
    in_corner = (found.pixels < (100, 80)).all(axis=1).mean()
    strongest = sorted(cv2.SIFT.create(0, contrastThreshold=0.01).detect(image, None), key=lambda point: -point.response)[:200]
    strongest_in_corner = np.mean([point.pt[0] < 100 and point.pt[1] < 80 for point in strongest])
    assert in_corner < 0.6 * strongest_in_corner


def test_nothing_is_found_where_the_mask_is_false() -> None:
    mask = np.zeros((240, 320), bool)
    mask[:, 200:] = True
    found = detect(texture(), 300, mask)
    assert len(found) > 50
    assert found.pixels[:, 0].min() >= 199


def test_a_blank_image_has_no_features() -> None:
    found = detect(np.full((60, 80), 90, np.uint8), 100)
    assert (len(found), found.descriptors.shape) == (0, (0, 128))


def test_a_selection_keeps_what_belongs_together() -> None:
    found = detect(texture(), 50)
    which = np.arange(50) % 3 == 0
    np.testing.assert_array_equal(found.selected(which).pixels, found.pixels[::3])
    np.testing.assert_array_equal(found.selected(which).descriptors, found.descriptors[::3])
