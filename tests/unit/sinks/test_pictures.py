from __future__ import annotations

import cv2
import numpy as np
import pytest

from reloc.estimate import Exposure, Verdict
from reloc.sinks import pictures
from tests.tolerances import GREY_ROUNDING, JPEG

RNG = np.random.default_rng(4)
IMAGE = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
RENDERING = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
COVERED = RNG.random((48, 64)) < 0.7
NO_CHANGE = Exposure(np.array([1.0]), np.array([0.0]))


def flat(*color: int) -> np.ndarray:
    return np.full((48, 64, 3), color, np.uint8)


def test_intensities_become_bytes_by_rounding_and_clipping() -> None:
    found = pictures.as_bytes(np.array([[-0.5, 0.0, 0.1, 0.5, 1.0, 7.0]], np.float32))
    np.testing.assert_array_equal(found, [[0, 0, 26, 128, 255, 255]])


@pytest.mark.parametrize(
    "exposure", [Exposure(np.array([0.7]), np.array([0.1])), Exposure(np.array([0.5, 1.0, 1.5]), np.array([0.1, 0.0, -0.2]))]
)
def test_exposing_a_rendering_is_gain_and_bias_per_channel(exposure: Exposure) -> None:
    expected = np.clip(RENDERING / 255 * exposure.gain + exposure.bias, 0, 1) * 255
    assert np.abs(pictures.exposed(RENDERING, exposure) - expected).max() <= GREY_ROUNDING


def test_a_blend_is_the_mean_where_the_map_covers_and_the_image_elsewhere() -> None:
    found = pictures.blend(IMAGE, RENDERING, COVERED)
    assert np.abs(found - (IMAGE / 2 + RENDERING / 2))[COVERED].max() <= GREY_ROUNDING
    np.testing.assert_array_equal(found[~COVERED], IMAGE[~COVERED])


def test_a_checkerboard_takes_turns() -> None:
    found = pictures.checkerboard(IMAGE, RENDERING, np.ones_like(COVERED), cell_px=16)
    np.testing.assert_array_equal(found[:16, :16], IMAGE[:16, :16])
    np.testing.assert_array_equal(found[:16, 16:32], RENDERING[:16, 16:32])
    np.testing.assert_array_equal(found[16:32, :16], RENDERING[16:32, :16])
    np.testing.assert_array_equal(found[16:32, 16:32], IMAGE[16:32, 16:32])


def test_a_checkerboard_never_shows_what_the_map_does_not_cover() -> None:
    found = pictures.checkerboard(IMAGE, RENDERING, COVERED, cell_px=8)
    np.testing.assert_array_equal(found[~COVERED], IMAGE[~COVERED])


def test_edges_are_drawn_where_the_rendering_has_them_and_nowhere_else() -> None:
    rendering = flat(40, 40, 40)
    rendering[:, 32:] = 200
    edges = pictures.strong_edges(rendering, np.ones_like(COVERED))
    assert set(np.unique(np.nonzero(edges)[1])) <= {31, 32}
    assert edges[10:-10].any(axis=1).all()


def test_the_rim_of_the_map_is_not_an_edge() -> None:
    covered = np.zeros_like(COVERED)
    covered[:, :30] = True
    rendering = flat(200, 200, 200)
    rendering[:, 30:] = 0
    assert not pictures.strong_edges(rendering, covered).any()


def test_without_a_map_in_view_there_are_no_edges() -> None:
    assert not pictures.strong_edges(RENDERING, np.zeros_like(COVERED)).any()


def test_an_edge_overlay_is_the_darkened_image_with_green_edges() -> None:
    rendering = flat(40, 40, 40)
    rendering[:, 32:] = 200
    full = np.ones_like(COVERED)
    found, edges = pictures.edge_overlay(IMAGE, rendering, full), pictures.strong_edges(rendering, full)
    assert (found[edges] == pictures.EDGE_COLOR).all()
    assert np.abs(found - IMAGE * 0.8)[~edges].max() <= GREY_ROUNDING


@pytest.mark.parametrize(
    "exposure",
    [NO_CHANGE, Exposure(np.array([0.8]), np.array([0.1])), Exposure(np.array([0.6, 0.7, 0.8]), np.array([0.1, 0.0, 0.2]))],
)
def test_the_residual_of_what_the_camera_would_see_is_white(exposure: Exposure) -> None:
    image = pictures.exposed(RENDERING, exposure)
    found = pictures.residual_picture(image, RENDERING, np.ones_like(COVERED), exposure)
    # Rounding the image to bytes may show as one step of the colours.
    assert found.min() >= 238


def test_a_brighter_image_is_red_a_darker_one_blue_and_the_rest_dark() -> None:
    image = flat(100, 100, 100)
    image[:, :20], image[:, 20:40] = 120, 80
    found = pictures.residual_picture(image, flat(100, 100, 100), COVERED, NO_CHANGE).astype(int)
    brighter, darker = found[:, :20][COVERED[:, :20]], found[:, 20:40][COVERED[:, 20:40]]
    assert (brighter[:, 0] > brighter[:, 2] + 40).all()
    assert (darker[:, 2] > darker[:, 0] + 40).all()
    assert (found[~COVERED] == pictures.BACKGROUND).all()


@pytest.mark.parametrize(("step", "color"), [(51, (180, 4, 38)), (90, (180, 4, 38)), (-51, (59, 76, 192)), (-90, (59, 76, 192))])
def test_the_colours_are_full_at_the_full_scale_and_beyond(step: int, color: tuple[int, int, int]) -> None:
    found = pictures.residual_picture(flat(*[100 + step] * 3), flat(100, 100, 100), np.ones_like(COVERED), NO_CHANGE)
    assert (found == color).all()


def test_a_colour_cast_is_averaged_over_the_channels() -> None:
    found = pictures.residual_picture(flat(130, 100, 70), flat(100, 100, 100), np.ones_like(COVERED), NO_CHANGE)
    assert (found == 242).all()


def test_pictures_side_by_side_keep_their_pixels_below_their_captions() -> None:
    half = IMAGE[::2, ::2]
    found = pictures.side_by_side([IMAGE, RENDERING, half], ["image", "rendering", "half"], gap_px=8)
    bar = found.shape[0] - 48
    assert found.shape[1] == 64 * 3 + 2 * 8
    np.testing.assert_array_equal(found[bar:, :64], IMAGE)
    np.testing.assert_array_equal(found[bar:, 72:136], RENDERING)
    assert found[:bar, :64].max() > 200


def test_a_badge_shows_the_verdict_in_its_colour_and_leaves_the_rest() -> None:
    before = IMAGE.copy()
    found = pictures.with_badge(np.kron(IMAGE, np.ones((8, 8, 1), np.uint8)), Verdict.LOST, "no measurement")
    assert tuple(found[0, 0]) == pictures.VERDICT_COLORS[Verdict.LOST]
    np.testing.assert_array_equal(found[60:, ::8], np.kron(IMAGE, np.ones((8, 8, 1), np.uint8))[60:, ::8])
    np.testing.assert_array_equal(IMAGE, before)


@pytest.mark.parametrize("text", ["", "geht nicht: Überbelichtung", "x" * 500])
def test_any_text_can_stand_beside_a_badge(text: str) -> None:
    assert pictures.with_badge(IMAGE, Verdict.COASTING, text).shape == IMAGE.shape


def test_a_jpeg_keeps_size_and_the_order_of_the_colours() -> None:
    decoded = cv2.imdecode(np.frombuffer(pictures.jpeg(flat(200, 40, 90), 90), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(decoded.astype(int) - (200, 40, 90)).max() <= JPEG


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_colour(verdict: Verdict) -> None:
    assert len(pictures.VERDICT_COLORS[verdict]) == 3
