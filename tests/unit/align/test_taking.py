from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from scipy import ndimage

from reloc.align.aligner import Aligner
from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import Kind, Layers, build_layers, normalized_locally, window_px
from reloc.align.taking import Taking, as_taken, measured_taking
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.render.software import SoftwareRenderer
from tests.scenes import painted_corner, room, view_of_the_corner
from tests.tolerances import BLURRED_ROOM_CM, LOCAL_NORMALISATION
from tests.unit.align.test_keyframe import IN_THE_ROOM

CAMERA = PinholeCamera(160, 120, 130.0, 131.0, 79.1, 60.3)
ALIGN = AlignConfig(points=700)
RGB = replace(ALIGN, exposure="rgb")
RULES = KeyframeConfig()


@cache
def keyframe(setting: AlignConfig = ALIGN) -> Keyframe:
    return make_keyframe(room(), CAMERA, IN_THE_ROOM, setting, RULES)


def picture(pose: SE3 = IN_THE_ROOM, setting: AlignConfig = ALIGN) -> np.ndarray:
    return room().shade(room().render(CAMERA, pose), color=setting.exposure == "rgb")


def layers_of(image: np.ndarray, setting: AlignConfig = ALIGN) -> Layers:
    image = np.clip(image, 0, 1).astype(np.float32)
    return build_layers(image, np.ones(image.shape[:2], bool), CAMERA, setting)


def measured(image: np.ndarray, setting: AlignConfig = ALIGN) -> Taking:
    return measured_taking(keyframe(setting), layers_of(image, setting), IN_THE_ROOM)


def noisy(image: np.ndarray, sigma: float = 0.01) -> np.ndarray:
    return image + sigma * np.random.default_rng(0).standard_normal(image.shape)


# What the camera has done is found in the image


@pytest.mark.parametrize("setting", [ALIGN, RGB])
@pytest.mark.parametrize(("gain", "bias"), [(1.0, 0.0), (0.5, 0.1), (1.0, 0.03)])
def test_an_image_like_the_rendering_is_plain_whatever_the_light(setting: AlignConfig, gain: float, bias: float) -> None:
    assert measured(noisy(gain * picture(setting=setting) + bias), setting).is_plain


@pytest.mark.parametrize("sides", [(5, 1), (1, 7), (9, 1), (1, 13), (5, 5), (9, 5)])
def test_the_sides_of_the_box_that_has_blurred_it_are_found(sides: tuple[int, int]) -> None:
    found = measured(noisy(cv2.blur(picture(), sides), 0.002)).blur_px
    assert np.abs(np.subtract(found, sides)).max() <= 2


def test_noise_is_no_blur() -> None:
    assert measured(noisy(picture(), 0.08)).blur_px == (1, 1)


@pytest.mark.parametrize("image", [np.zeros((120, 160)), np.full((120, 160), 0.4), np.ones((120, 160))])
def test_an_image_without_contrast_is_plain(image: np.ndarray) -> None:
    assert measured(image).blur_px == (1, 1)


def test_something_else_that_is_smooth_is_no_blurred_map() -> None:
    rows, columns = np.mgrid[:120, :160]
    assert measured(0.5 + 0.2 * np.sin(columns / 17.0) * np.cos(rows / 23.0)).blur_px == (1, 1)


@pytest.mark.parametrize("setting", [ALIGN, RGB])
@pytest.mark.parametrize(("exponent", "gain"), [(2.0, 1.0), (2.5, 1.0), (2.0, 0.8)])
def test_the_tone_is_found_whatever_the_light(setting: AlignConfig, exponent: float, gain: float) -> None:
    image = noisy(gain * picture(setting=setting) ** exponent, 0.001)
    image[20:60, 30:90] = 0.5  # something in front of it
    assert measured(image, setting).tone == pytest.approx(exponent, rel=0.12)


@pytest.mark.parametrize("exponent", [0.5, 0.8, 1.4])
def test_a_tone_that_hardly_matters_is_none(exponent: float) -> None:
    assert measured(noisy(picture() ** exponent)).tone == 1


@pytest.mark.parametrize("gain", [2.5, 4.0])
def test_where_the_sensor_saturates_is_found_in_units_of_the_rendering(gain: float) -> None:
    ((darkest, brightest),) = measured(gain * noisy(picture())).limits
    assert darkest == 0
    assert brightest == pytest.approx(1 / gain, abs=0.03)


def test_where_the_sensor_sees_black_is_found_in_units_of_the_rendering() -> None:
    ((darkest, brightest),) = measured(noisy(picture()) - 0.3).limits
    assert darkest == pytest.approx(0.3, abs=0.03)
    assert brightest == 1


def test_each_channel_has_its_own_limit() -> None:
    red, _, blue = measured(picture(setting=RGB) * np.array([3.0, 1.0, 0.5]), RGB).limits
    assert red[1] == pytest.approx(1 / 3, abs=0.03)
    assert blue == (0, 1)


def test_a_limit_is_found_where_the_map_fills_half_of_the_image() -> None:
    renderer = SoftwareRenderer(painted_corner())
    away = SE3.exp([0, 0, 5.0, 0, 0, 0]) @ view_of_the_corner()
    view = make_keyframe(renderer, CAMERA, away, ALIGN, RULES)
    assert view.coverage < 0.5
    image = np.where(view.rendering.covered, 2.2 * view.layers.image, 0.3)
    ((_, brightest),) = measured_taking(view, layers_of(image), away).limits
    assert brightest == pytest.approx(1 / 2.2, abs=0.03)


def test_something_white_in_front_of_the_map_is_no_limit_of_the_sensor() -> None:
    image = picture()
    image[20:80, 30:110] = 1.0
    assert measured(image).limits == ()


def test_raw_intensities_are_left_to_the_solver() -> None:
    setting = replace(ALIGN, residual="intensity")
    image = np.clip(2 * cv2.blur(picture(), (9, 1)), 0, 1)
    assert measured_taking(keyframe(setting), layers_of(image, setting), IN_THE_ROOM).is_plain


# And then done to the rendering


def in_units_of_pixels(view: Keyframe, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    columns, rows = np.rint(CAMERA.project(view.camera_from_world.apply(points))).astype(int).T
    return rows, columns


def test_references_are_those_of_the_rendering_blurred_cut_off_and_toned() -> None:
    view = keyframe()
    taken = as_taken(view, Taking((7, 3), 2.0, ((0.1, 0.5),)), ALIGN)
    covered = view.rendering.covered
    assert covered.all()
    expected = np.clip(ndimage.uniform_filter(picture().astype(float), (3, 7), mode="mirror"), 0.1, 0.5) ** 2
    normalised = normalized_locally(expected.astype(np.float32), covered, window_px(160, ALIGN), ALIGN.noise_floor)
    points = taken.references[0][Kind.LOCAL]
    rows, columns = in_units_of_pixels(view, points.in_world)
    np.testing.assert_allclose(points.value[:, 0], normalised[rows, columns], rtol=0, atol=10 * LOCAL_NORMALISATION)


def test_only_the_finest_levels_are_drawn_anew() -> None:
    view = keyframe()
    taken = as_taken(view, Taking((7, 3)), ALIGN)
    assert len(taken.references) == len(view.references)
    assert [a is b for a, b in zip(taken.references, view.references, strict=True)] == [False, False, True]
    assert taken.rendering is view.rendering


def test_blurred_more_points_are_aligned_and_cut_off_no_more() -> None:
    view = keyframe()
    count = len(view.references[0][Kind.LOCAL])
    assert len(as_taken(view, Taking((7, 1)), ALIGN).references[0][Kind.LOCAL]) > 1.4 * count
    assert len(as_taken(view, Taking((1, 1), limits=((0.0, 0.5),)), ALIGN).references[0][Kind.LOCAL]) <= count


def test_what_lies_beyond_the_map_does_not_leak_into_it() -> None:
    renderer = SoftwareRenderer(painted_corner())
    away = SE3.exp([0, 0, 3.0, 0, 0, 0]) @ view_of_the_corner()
    view = make_keyframe(renderer, CAMERA, away, ALIGN, RULES)
    covered = view.rendering.covered
    assert 0.1 < covered.mean() < 0.95
    black, white = (
        replace(view, layers=replace(view.layers, image=np.where(covered, view.layers.image, np.float32(beyond))))
        for beyond in (0.0, 1.0)
    )
    a, b = (as_taken(one, Taking((9, 9)), ALIGN).references[0][Kind.LOCAL] for one in (black, white))
    np.testing.assert_allclose(a.value, b.value, rtol=0, atol=LOCAL_NORMALISATION)


# So the pose is better


def off_cm(image: np.ndarray, truth: SE3) -> float:
    found = Aligner(ALIGN).align(keyframe(), layers_of(image), [IN_THE_ROOM]).camera_from_world
    return 100 * float(np.linalg.norm(found.inverse().translation - truth.inverse().translation))


def poses() -> list[SE3]:
    spread = np.repeat([0.03, 0.01], 3)
    return [SE3.exp(np.random.default_rng(seed).normal(0, spread)) @ IN_THE_ROOM for seed in range(6)]


@pytest.mark.parametrize("sides", [(11, 1), (1, 11)])
def test_a_blurred_image_hardly_moves_the_pose(sides: tuple[int, int]) -> None:
    # 0.15 cm. Compared with the sharp rendering it is 0.7 cm and 1 cm.
    assert np.median([off_cm(cv2.blur(picture(pose), sides), pose) for pose in poses()]) < BLURRED_ROOM_CM
