from __future__ import annotations

import numpy as np
import pytest

from reloc.errors import ConfigError, SourceError
from reloc.frame import RawFrame
from reloc.sources import effects
from reloc.sources.disturb import DISTURBANCES, apply_effect, disturbed, with_effect
from reloc.sources.effects import Moment
from reloc.sources.images import ImageFile, ImageSequence
from reloc.sources.source import FrameSource
from tests.unit.sources.made import ListSource, frames, picture

# Ten seconds at 30 Hz, as kitchen.
_COUNT = 300
_CHANGE_COUNT = {"dropped", "every_8", "every_16", "every_24"}
_CHANGE_PICTURES = sorted(set(DISTURBANCES) - _CHANGE_COUNT - {"none"})


@pytest.fixture(scope="module")
def recording() -> list[RawFrame]:
    return frames(_COUNT)


def _names(source: FrameSource) -> list[int]:
    return [int(frame.name.removesuffix(".png")) for frame in source]


@pytest.mark.parametrize("name", DISTURBANCES)
def test_every_disturbance_is_described_and_repeats_itself(name: str, recording: list[RawFrame]) -> None:
    assert 10 < len(DISTURBANCES[name].description) < 100
    first, second = (list(disturbed(ListSource(recording), name, seed=4)) for _ in range(2))
    assert len(first) > 10
    assert [(f.index, f.timestamp_ns) for f in first] == [(f.index, f.timestamp_ns) for f in second]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", _CHANGE_PICTURES)
def test_frames_keep_index_time_size_and_depth(name: str, recording: list[RawFrame]) -> None:
    source = disturbed(ListSource(recording), name)
    changed = list(source)
    assert source.info.length == _COUNT
    assert [(f.index, f.timestamp_ns) for f in changed] == [(f.index, f.timestamp_ns) for f in recording]
    assert all(a.image.dtype == np.uint8 and a.image.shape == (24, 32, 3) for a in changed)
    different = np.mean([not np.array_equal(a.image, b.image) for a, b in zip(changed, recording, strict=True)])
    assert different > 0.15


@pytest.mark.parametrize("name", DISTURBANCES)
@pytest.mark.parametrize("kind", ["grey", "deep"])
def test_grey_and_sixteen_bits_are_disturbed_alike(name: str, kind: str) -> None:
    image = {"grey": picture(0)[..., 0], "deep": picture(0, dtype=np.uint16)}[kind]
    made = [RawFrame(i, i * 40_000_000, image, f"{i}.png") for i in range(100)]
    for frame in disturbed(ListSource(made), name):
        assert frame.image.dtype == image.dtype
        assert frame.image.shape == image.shape


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_effect_that_does_nothing_changes_no_bit(dtype: type) -> None:
    image = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    np.testing.assert_array_equal(apply_effect(image, lambda pixels, moment: pixels, Moment(0, 0.0, 0)), image)


def test_effects_saturate_and_round() -> None:
    image = np.array([[0, 1, 99, 100, 101, 255]], np.uint8)
    doubled, halved, lowered = (
        apply_effect(image, effects.gain_bias((gain,), bias), Moment(0, 0.0, 0))
        for gain, bias in ((2.55, 0), (0.5, 0), (1, -0.4))
    )
    np.testing.assert_array_equal(doubled, [[0, 3, 252, 255, 255, 255]])
    np.testing.assert_array_equal(halved, [[0, 0, 50, 50, 50, 128]])
    np.testing.assert_array_equal(lowered, [[0, 0, 0, 0, 0, 153]])


def test_a_covered_lens_is_black_for_two_seconds_of_source_time(recording: list[RawFrame]) -> None:
    dark = [not frame.image.any() for frame in disturbed(ListSource(recording), "covered")]
    assert dark == [90 <= i < 150 for i in range(_COUNT)]


def test_frozen_pictures_are_identical_and_say_which_they_are(recording: list[RawFrame]) -> None:
    changed = list(disturbed(ListSource(recording), "frozen"))
    assert all(frame.image.tobytes() == recording[90].image.tobytes() for frame in changed[90:150])
    assert _names(ListSource(changed)) == [90 if 90 <= i < 150 else i for i in range(_COUNT)]
    assert changed[150].image is recording[150].image


def test_a_kidnapped_camera_sees_another_part_and_jumps_back(recording: list[RawFrame]) -> None:
    changed = list(disturbed(ListSource(recording), "kidnapped"))
    shown = [i + 120 if 90 <= i < 150 else i for i in range(_COUNT)]
    assert _names(ListSource(changed)) == shown
    assert all(frame.image is recording[i].image for frame, i in zip(changed, shown, strict=True))


def test_a_live_camera_cannot_be_kidnapped() -> None:
    with pytest.raises(SourceError, match="Only a recording"):
        disturbed(ListSource(frames(3), live=True), "kidnapped")


def test_files_are_read_twice_at_a_time_when_kidnapped(kitchen) -> None:
    images = sorted((kitchen / "query" / "images").iterdir())[:10]
    source = ImageSequence([ImageFile(path, i) for i, path in enumerate(images)], name="k", clock="test")
    shown = [frame.name for frame in disturbed(source, "kidnapped")]
    assert shown == [images[i].name for i in (0, 1, 2, 7, 8, 5, 6, 7, 8, 9)]


def test_dropped_frames_leave_gaps_of_the_stated_share(recording: list[RawFrame]) -> None:
    for seed in range(5):
        kept = [frame.index for frame in disturbed(ListSource(recording), "dropped", seed)]
        assert kept[0] == 0
        assert kept == sorted(kept)
        assert len(kept) == pytest.approx(0.7 * _COUNT, abs=4 * np.sqrt(_COUNT * 0.21))


def test_dropping_does_not_depend_on_what_else_was_left_out(recording: list[RawFrame]) -> None:
    all_kept = {frame.index for frame in disturbed(ListSource(recording), "dropped")}
    half_kept = {frame.index for frame in disturbed(ListSource(recording[::2]), "dropped")}
    assert half_kept == {index for index in all_kept if index % 2 == 0}


@pytest.mark.parametrize("n", [8, 16, 24])
def test_slower_cameras(recording: list[RawFrame], n: int) -> None:
    assert [frame.index for frame in disturbed(ListSource(recording), f"every_{n}")] == list(range(0, _COUNT, n))


def test_disturbances_can_be_stacked(recording: list[RawFrame]) -> None:
    stacked = disturbed(disturbed(ListSource(recording), "every_8"), "covered")
    assert [frame.index for frame in stacked if not frame.image.any()] == [96, 104, 112, 120, 128, 136, 144]


def test_an_effect_of_ones_own(recording: list[RawFrame]) -> None:
    (frame,) = with_effect(ListSource(recording[:1]), lambda image, moment: 1 - image)
    np.testing.assert_array_equal(frame.image, 255 - recording[0].image)


@pytest.mark.parametrize(("name", "match"), [("shadows", "did you mean “shadow”"), ("qqq", "known are none, gamma_half")])
def test_an_unknown_name_gets_a_hint(name: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        disturbed(ListSource([]), name)
