from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from reloc.sources import effects
from reloc.sources.effects import Effect, Moment, Pixels
from tests.tolerances import FLOAT32_INTENSITY
from tests.unit.sources.made import picture


def _image(height: int = 48, width: int = 64) -> Pixels:
    return picture(3, height, width).astype(np.float32) / 255


def _at(index: int, time_s: float = 0.0, seed: int = 0) -> Moment:
    return Moment(index, time_s, seed)


def _gain(effect: Effect, index: int) -> float:
    return float(effect(np.full((4, 5, 3), 0.5, np.float32), _at(index)).mean() / 0.5)


@pytest.mark.parametrize("exponent", [0.5, 2.0])
def test_gamma_is_a_power(exponent: float) -> None:
    expected = _image().astype(np.float64) ** exponent
    np.testing.assert_allclose(effects.gamma(exponent)(_image(), _at(0)), expected, atol=FLOAT32_INTENSITY)


def test_gain_and_bias_are_affine_and_grey_gets_the_mean_gain() -> None:
    effect = effects.gain_bias((1.3, 1.0, 0.7), 0.1)
    np.testing.assert_allclose(effect(_image(), _at(0)), _image() * (1.3, 1.0, 0.7) + 0.1, atol=FLOAT32_INTENSITY)
    np.testing.assert_allclose(effect(_image()[..., 0], _at(0)), _image()[..., 0] + 0.1, atol=FLOAT32_INTENSITY)


def test_the_sine_of_gain_reaches_both_ends_and_returns() -> None:
    effect = effects.gain_sine(0.7, 38)
    gains = [_gain(effect, i) for i in range(39)]
    assert gains[0] == pytest.approx(1, abs=FLOAT32_INTENSITY)
    assert gains[38] == pytest.approx(1, abs=FLOAT32_INTENSITY)
    assert max(gains) == pytest.approx(1.7, abs=0.01)  # a peak may fall between two frames
    assert min(gains) == pytest.approx(0.3, abs=0.01)
    assert np.mean(gains[:38]) == pytest.approx(1, abs=FLOAT32_INTENSITY)


def test_the_swing_of_gain_takes_its_ten_frames() -> None:
    effect = effects.gain_swing(low=0.3, high=3.0, ramp=10, hold=20)
    gains = np.array([_gain(effect, i) for i in range(121)])
    assert gains.max() == pytest.approx(3.0, rel=1e-5)
    assert gains.min() == pytest.approx(0.3, rel=1e-5)
    np.testing.assert_allclose(gains[60:120], gains[:60], rtol=1e-5)  # it repeats
    fall = gains[25:36]  # from the end of one hold to the beginning of the other
    assert fall[0] == pytest.approx(3.0, rel=1e-5)
    assert fall[10] == pytest.approx(0.3, rel=1e-5)
    np.testing.assert_allclose(fall[1:] / fall[:-1], 0.1**0.1, rtol=1e-5)  # evenly on a logarithmic scale


@pytest.mark.parametrize("index", [0, 7, 31, 59])
def test_the_shadow_darkens_its_share_by_its_strength_with_hard_edges(index: int) -> None:
    shaded = effects.shadow(strength=0.6, share=0.4, period=60)(np.full((240, 320, 3), 0.5, np.float32), _at(index))
    assert set(np.unique(shaded)) == {np.float32(0.5), np.float32(0.5) * np.float32(0.4)}
    assert (shaded[..., 0] < 0.3).mean() == pytest.approx(0.4, abs=2 / 320)  # a pixel at each of two edges


def test_the_shadow_sweeps_over_every_pixel_and_comes_back() -> None:
    effect = effects.shadow(strength=0.6, share=0.4, period=60)
    dark = np.stack([effect(np.ones((24, 32), np.float32), _at(i)) < 0.5 for i in range(60)])
    np.testing.assert_allclose(dark.mean(axis=0), 0.4, atol=1 / 60)
    np.testing.assert_array_equal(dark[0], effect(np.ones((24, 32), np.float32), _at(60)) < 0.5)


def test_noise_has_its_deviation_and_no_bias() -> None:
    difference = effects.noise(0.08)(_image(200, 200), _at(5)) - _image(200, 200)
    n = difference.size
    assert difference.std() == pytest.approx(0.08, abs=4 * 0.08 / np.sqrt(2 * n))
    assert difference.mean() == pytest.approx(0.0, abs=4 * 0.08 / np.sqrt(n))


def test_motion_blur_is_a_horizontal_box() -> None:
    point = np.zeros((21, 61), np.float32)
    point[10, 30] = 1
    blurred = effects.motion_blur(25)(point, _at(0))
    np.testing.assert_allclose(blurred[10, 18:43], 1 / 25, atol=FLOAT32_INTENSITY)
    assert np.count_nonzero(blurred > FLOAT32_INTENSITY) == 25


def test_defocus_is_a_gaussian() -> None:
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    blurred = effects.defocus(4.0)(point, _at(0))
    variance = (blurred.sum(axis=0) * (np.arange(81) - 40) ** 2).sum()
    assert variance == pytest.approx(16, rel=0.02)  # OpenCV cuts the tails off


def test_darkness_leaves_its_share_of_the_light() -> None:
    dark = effects.darkness(0.03, 0.01)(np.full((200, 200), 0.8, np.float32), _at(0))
    assert dark.mean() == pytest.approx(0.024, abs=4 * 0.01 / 200)
    assert dark.std() == pytest.approx(0.01, rel=0.03)


def test_rolling_bands_are_the_same_along_a_row_and_roll() -> None:
    grey = np.full((120, 40), 0.5, np.float32)
    still = effects.rolling_bands(depth=0.3, bands=3, period=12, sigma=0.0)
    assert np.ptp(still(grey, _at(4)), axis=1).max() == 0
    assert still(grey, _at(4)).max() == pytest.approx(0.65, abs=1e-3)
    assert still(grey, _at(4)).mean() == pytest.approx(0.5, abs=FLOAT32_INTENSITY)
    # A third of the image is one band: in a third of the period it moves down by a ninth of the image.
    np.testing.assert_allclose(np.roll(still(grey, _at(0)), 120 // 9 + 0, axis=0)[20:-20], still(grey, _at(4))[20:-20], atol=0.02)
    noisy = effects.rolling_bands(depth=0.0, bands=3, period=12, sigma=0.05)
    rows = (noisy(np.full((5000, 2, 3), 0.5, np.float32), _at(1)) - 0.5)[:, 0, 0]
    assert rows.std() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(("make", "share"), [(effects.noisy_patch, 0.25), (effects.occluder, 0.3)])
@pytest.mark.parametrize("index", [0, 13, 50])
def test_a_patch_hides_its_share_and_nothing_else(make: Callable[[float], Effect], share: float, index: int) -> None:
    image = np.full((240, 320, 3), 2.0, np.float32)  # a value that no patch has
    changed = make(share)(image, _at(index)) != image
    assert changed.all(axis=2).mean() == pytest.approx(share, rel=0.01)
    np.testing.assert_array_equal(changed.any(axis=2), changed.all(axis=2))
    np.testing.assert_array_equal(image, 2.0)  # the picture that came in is not touched


def test_the_patches_wander_over_most_of_the_image() -> None:
    seen = np.zeros((48, 64), bool)
    for index in range(300):
        seen[effects.patch_at(index, 0.25, (48, 64))] = True
    assert seen.mean() > 0.95


def test_the_occluder_carries_its_texture_with_it() -> None:
    effect, image = effects.occluder(0.3), np.zeros((48, 64), np.float32)
    here, there = (effect(image, _at(i))[effects.patch_at(i, 0.3, image.shape)] for i in (0, 20))
    np.testing.assert_array_equal(here, there)
    assert here.std() > 0.1


def test_black_is_black_and_within_keeps_to_its_time() -> None:
    effect = effects.within(3.0, 2.0, effects.black)
    dark = [not effect(_image(), _at(0, time_s)).any() for time_s in (0.0, 2.999, 3.0, 4.999, 5.0)]
    assert dark == [False, False, True, True, False]


@pytest.mark.parametrize("effect", [effects.noise(0.1), effects.noisy_patch(0.25), effects.rolling_bands(0.1, 3, 11, 0.1)])
def test_chance_depends_on_seed_and_index_alone(effect: Effect) -> None:
    image = np.full((24, 32, 3), 0.5, np.float32)
    reference = effect(image, _at(7, 1.0, 1))
    np.testing.assert_array_equal(reference, effect(image, _at(7, 9.0, 1)))
    assert not np.array_equal(reference, effect(image, _at(8, 1.0, 1)))
    assert not np.array_equal(reference, effect(image, _at(7, 1.0, 2)))


def test_blur_agrees_with_a_loop() -> None:
    image = _image(6, 40)[..., 0]
    expected = np.array([[image[v, u - 2 : u + 3].mean() for u in range(2, 38)] for v in range(6)])
    np.testing.assert_allclose(effects.motion_blur(5)(image, _at(0))[:, 2:38], expected, atol=FLOAT32_INTENSITY)
    assert cv2.__version__  # the border, where OpenCV reflects, is left out
