from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from reloc.build import make_places
from reloc.config import RelocConfig
from reloc.errors import ConfigError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.guesses import PlaceGuess, Places
from reloc.places.config import PlacesConfig
from reloc.places.features import Features, as_floats, detect, signed_descriptors
from reloc.places.finder import Matches, PlaceFinder, likely_views, match_view, pose_from_matches, refined, similar_views
from reloc.places.glance import glance, small_picture
from reloc.places.index import PlaceIndex, build_index
from reloc.places.index_file import load_index, save_index
from reloc.places.views import query_image, rendered_view
from tests.scenes import ANYWHERE, room
from tests.unit.places.known_room import SECONDS_APART, frame, index, mesh, photograph, pose_at

CAMERA = PinholeCamera(640, 480, 500.0, 510.0, 320.0, 239.0)
# Half way between two known views.
MOMENTS = (0.75, 5.25, 9.75)


@cache
def guesses(second: float, gain: float = 1.0) -> list[PlaceGuess]:
    return PlaceFinder(index()).guesses(frame(photograph(second, gain)))


def off(pose: SE3, true: SE3) -> tuple[float, float]:
    moved = np.linalg.norm(pose.inverse().translation - true.inverse().translation)
    return float(moved), float(np.degrees(rotation_angle(pose, true)))


def test_it_is_what_the_relocalizer_asks() -> None:
    assert isinstance(PlaceFinder(index()), Places)


@pytest.mark.parametrize("second", MOMENTS)
@pytest.mark.parametrize("gain", [1.0, 0.4])
def test_a_photograph_that_no_view_has_seen_is_placed_to_centimetres(second: float, gain: float) -> None:
    best = guesses(second, gain)[0]
    metres, degrees = off(best.camera_from_world, pose_at(second))
    assert metres < 0.03
    assert degrees < 0.6
    assert best.support > 40


def test_what_is_ignored_is_not_looked_at() -> None:
    """Half of the image shows another moment, and is to be ignored."""
    image, ignore = photograph(0.75), np.zeros((240, 320), bool)
    image[:, 160:] = photograph(9.75)[:, 160:]
    ignore[:, 160:] = True
    found = PlaceFinder(index()).guesses(frame(image, ignore))
    assert off(found[0].camera_from_world, pose_at(0.75))[0] < 0.05
    assert all(off(guess.camera_from_world, pose_at(9.75))[0] > 0.3 for guess in found)


def test_guesses_differ_and_the_likeliest_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """One image of two moments, side by side: each half speaks for a pose of its own."""
    monkeypatch.setattr("reloc.places.finder._PLENTY", 1000)
    image = photograph(0.75)
    image[:, 160:] = photograph(9.75)[:, 160:]
    found = PlaceFinder(index()).guesses(frame(image))
    supports = [guess.support for guess in found]
    assert supports == sorted(supports, reverse=True)
    for moment in (0.75, 9.75):
        assert min(off(guess.camera_from_world, pose_at(moment))[0] for guess in found) < 0.06
    apart = [off(a.camera_from_world, b.camera_from_world) for i, a in enumerate(found) for b in found[:i]]
    assert all(metres > 0.02 or degrees > 1 for metres, degrees in apart)


@pytest.mark.parametrize("name", ["black", "noise", "blank"])
def test_an_image_of_nothing_gets_a_place_to_begin_that_nothing_speaks_for(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    image = {"black": np.zeros_like(noise), "noise": noise, "blank": np.full_like(noise, 128)}[name]
    found = PlaceFinder(index()).guesses(frame(image))
    assert [guess.support for guess in found] == [0]


def test_as_many_poses_as_wanted_with_as_many_features_as_wanted() -> None:
    finder = PlaceFinder(index(), PlacesConfig(guesses=1, inliers=10))
    assert len(finder.guesses(frame(photograph(0.75)))) == 1
    strict = PlaceFinder(index(), PlacesConfig(inliers=100_000))
    assert [guess.support for guess in strict.guesses(frame(photograph(0.75)))] == [0]


@pytest.mark.parametrize("second", MOMENTS)
def test_votes_and_glances_go_to_views_near_by(second: float) -> None:
    _, image, valid = query_image(frame(photograph(second)))

    def is_near(view: int) -> bool:
        metres, degrees = off(index().pose(view), pose_at(second))
        return metres < 1.0 and degrees < 30

    assert is_near(int(likely_views(index(), detect(image, 1000, valid).descriptors, 3)[0]))
    assert any(is_near(int(view)) for view in similar_views(index(), glance(*small_picture(image, valid)), 3))


def test_matches_are_the_nearest_of_a_view_where_no_other_is_nearly_as_near() -> None:
    _, image, valid = query_image(frame(photograph(0.75)))
    features = detect(image, 300, valid)
    found = match_view(index(), features, (240, 320), 1)
    known, points = index().features_of(1)
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    pairs = matcher.knnMatch(as_floats(features.descriptors), as_floats(known), k=2)
    # Lengths differ from 1 by rounding, so that a ratio near the threshold may fall on either side.
    sure = {a.queryIdx: a.trainIdx for a, b in pairs if a.distance < 0.83 * b.distance}
    perhaps = {a.queryIdx for a, b in pairs if a.distance < 0.87 * b.distance}
    assert len(sure) > 30
    assert sure.keys() <= set(found.feature.tolist()) <= perhaps
    place = dict(zip(found.feature.tolist(), found.points_in_world, strict=True))
    for feature, match in sure.items():
        np.testing.assert_array_equal(place[feature], points[match].astype(float))
    np.testing.assert_array_equal(found.pixels, features.pixels[found.feature])


def test_another_way_to_match_is_asked_for_every_view() -> None:
    asked = []

    def recording(known: PlaceIndex, features: Features, shape: tuple[int, int], view: int) -> Matches:
        asked.append((len(features), shape, view))
        return match_view(known, features, shape, view)

    image = frame(photograph(0.75))
    found, usual = PlaceFinder(index(), match=recording).guesses(image), PlaceFinder(index()).guesses(image)
    assert found[0].support == usual[0].support
    assert {shape for _, shape, _ in asked} == {query_image(image)[1].shape}
    assert len({view for _, _, view in asked}) == len(asked) > 0


def _signed(image: np.ndarray, count: int, mask: np.ndarray | None = None) -> Features:
    """SIFT in the guise of learned features: vectors of length 1 with signs, by a rotation that keeps their distances."""
    found = detect(image, count, mask)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(128, 128)))[0]
    return Features(found.pixels, signed_descriptors((as_floats(found.descriptors) @ rotation).astype(np.float32)))


def test_features_with_signs_find_the_place_as_well(tmp_path: Path) -> None:
    views = [partial(rendered_view, room(), pose_at(SECONDS_APART * number)) for number in (0, 1, 6)]
    save_index(tmp_path / "a.npz", build_index(views, extract=_signed), mesh())
    known = load_index(tmp_path / "a.npz", mesh())
    assert (known.features, known.cells.descriptors.dtype) == ("aliked", np.int8)
    best = PlaceFinder(known, extract=_signed).guesses(frame(photograph(0.75)))[0]
    assert off(best.camera_from_world, pose_at(0.75))[0] < 0.03
    assert best.support > 40
    with pytest.raises(ConfigError, match=r"holds features of aliked.*places\.features=aliked"):
        make_places(RelocConfig(), known)
    assert make_places(RelocConfig(), index()).index is index()


# Poses from matches


def made_matches(count: int, outliers: int, noise_px: float, seed: int = 0) -> Matches:
    rng = np.random.default_rng(seed)
    pixels = rng.uniform((0, 0), (640, 480), (count, 2))
    points = ANYWHERE.inverse().apply(CAMERA.unproject(pixels) * rng.uniform(1, 5, (count, 1)))
    seen = pixels + rng.normal(0, noise_px, pixels.shape)
    seen[:outliers] = rng.uniform((0, 0), (640, 480), (outliers, 2))
    return Matches(seen, points, np.arange(count))


def test_exact_matches_give_the_pose() -> None:
    pose, inliers = pose_from_matches(made_matches(20, 0, 0.0), CAMERA)
    np.testing.assert_allclose(pose.matrix, ANYWHERE.matrix, atol=1e-6)
    assert inliers == 20


@pytest.mark.parametrize("seed", range(3))
def test_outliers_are_told_apart_and_the_rest_gives_what_opencv_finds(seed: int) -> None:
    matches = made_matches(120, 70, 0.5, seed)
    pose, inliers = pose_from_matches(matches, CAMERA)
    assert 48 <= inliers <= 56
    guess = refined(pose, matches, CAMERA)
    right = slice(70, None)
    _, rotation, translation = cv2.solvePnP(
        matches.points_in_world[right], matches.pixels[right], CAMERA.matrix, None, flags=cv2.SOLVEPNP_SQPNP
    )
    rotation, translation = cv2.solvePnPRefineLM(
        matches.points_in_world[right], matches.pixels[right], CAMERA.matrix, None, rotation, translation
    )
    expected = SE3(cv2.Rodrigues(rotation)[0], translation.ravel())
    # An outlier that happens to fall within the gate moves the pose by less than the noise does.
    metres, degrees = off(guess.camera_from_world, expected)
    assert metres < 0.01
    assert degrees < 0.15
    assert guess.support == inliers


def test_support_counts_features_not_matches() -> None:
    once = made_matches(30, 0, 0.0)
    twice = Matches(*(np.concatenate([part, part]) for part in (once.pixels, once.points_in_world, once.feature)))
    assert refined(ANYWHERE, twice, CAMERA).support == 30


def test_too_few_matches_give_nothing() -> None:
    assert pose_from_matches(made_matches(5, 0, 0.0), CAMERA)[1] == 0


def test_points_behind_the_camera_do_not_agree() -> None:
    matches = made_matches(30, 0, 0.0)
    in_camera = ANYWHERE.apply(matches.points_in_world)
    in_camera[:10] *= -1
    behind = Matches(matches.pixels, ANYWHERE.inverse().apply(in_camera), matches.feature)
    assert refined(ANYWHERE, behind, CAMERA).support == 20
