from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from reloc.errors import ConfigError
from reloc.geometry.se3 import SE3
from reloc.places.sampling import Candidate, Plausible, decided, look, looking_at, representatives, sample_views
from reloc.places.views import VIEW_CAMERA
from tests.oracles.ray_caster import RayCaster
from tests.scenes import room
from tests.tolerances import ALGEBRA
from tests.unit.places.known_room import mesh

ASKED = Plausible(distance=(1.0, 2.5), clearance=0.3, up=(0.0, 0.0, 1.0), height=(0.8, 1.9), coverage=0.5)


def views(count: int = 8, plausible: Plausible = ASKED) -> list[SE3]:
    return sample_views(room(), mesh(), VIEW_CAMERA, count, plausible)


def test_views_are_what_was_asked_for_by_another_ray_caster() -> None:
    floor = np.percentile(mesh().vertices[:, 2], 1)
    corners = cKDTree(mesh().vertices.astype(float))
    found = views()
    assert len(found) == 8
    for pose in found:
        position = pose.inverse().translation
        assert 0.8 <= position[2] - floor <= 1.9
        assert corners.query(position)[0] > 0.3
        seen = RayCaster(mesh().vertices, mesh().faces, pose).view(VIEW_CAMERA.area_scaled(48, 36))
        covered = seen.face_id >= 0
        assert covered.mean() >= 0.5
        assert seen.depth[covered].min() > 0.12
        # Asked of the point it was aimed at, which lies off the middle of the image by up to 60 %.
        assert seen.depth[covered].min() < 2.5
        assert seen.depth[covered].max() > 1.0
    # Not rolled far: the rows of the images are about level.
    assert np.median([abs(pose.rotation[0, 2]) for pose in found]) < 0.35


def test_the_camera_is_in_front_of_what_it_sees() -> None:
    for pose in views(4):
        rendering = room().render(VIEW_CAMERA.area_scaled(48, 36), pose)
        assert (room().facing(rendering)[rendering.covered] > 0).mean() >= 0.9


def test_the_same_map_gives_the_same_views_and_progress_ends_at_one() -> None:
    told: list[float] = []
    again = sample_views(room(), mesh(), VIEW_CAMERA, 4, ASKED, told.append)
    for a, b in zip(views(4), again, strict=True):
        assert a == b
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_without_wishes_the_size_of_the_map_decides() -> None:
    low, high = mesh().bounds
    diagonal = float(np.linalg.norm(high - low))
    rules = decided(Plausible(), mesh(), VIEW_CAMERA)
    assert 0 < rules.clearance < 0.1 * diagonal
    assert rules.clearance <= rules.near < rules.far < 2 * diagonal
    assert (rules.up, rules.height) == (None, None)
    larger = replace(mesh(), vertices=10 * mesh().vertices)
    assert decided(Plausible(), larger, VIEW_CAMERA).far == pytest.approx(10 * rules.far, rel=1e-5)


def test_wishes_that_no_pose_fulfils_are_said() -> None:
    with pytest.raises(ConfigError, match=r"no camera pose was found.*50 to 60"):
        views(2, replace(ASKED, distance=(50.0, 60.0)))


def test_a_camera_looks_at_its_target_with_up_upwards() -> None:
    position, target = np.array([1.0, 2.0, 3.0]), np.array([4.0, -1.0, 2.5])
    pose = looking_at(position, target, np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(pose.inverse().translation, position, atol=ALGEBRA)
    np.testing.assert_allclose(pose.apply(target), [0, 0, np.linalg.norm(target - position)], atol=ALGEBRA)
    np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=ALGEBRA)
    assert np.linalg.det(pose.rotation) > 0
    above = pose.apply(target + np.array([0, 0, 0.1]))
    assert above[1] < 0
    assert abs(above[0]) < ALGEBRA
    # Straight down, where up says nothing.
    assert looking_at(position, position - [0, 0, 2.0], np.array([0.0, 0.0, 1.0])).is_finite


def test_a_view_too_near_or_of_the_back_or_of_nothing_is_refused() -> None:
    rules = decided(ASKED, mesh(), VIEW_CAMERA)
    good = views(1)[0]
    assert look(room(), VIEW_CAMERA, good, rules) is not None
    turned_away = SE3.exp([0, 0, 1e3, 0, 0, 0]) @ good
    assert look(room(), VIEW_CAMERA, turned_away, rules) is None
    assert look(room(), VIEW_CAMERA, good, replace(rules, clearance=50.0)) is None
    outside = looking_at(np.array([20.0, 2.0, 1.3]), np.array([2.0, 2.0, 1.3]), np.array([0.0, 0.0, 1.0]))
    assert look(room(), VIEW_CAMERA, outside, replace(rules, coverage=0.01)) is None


def test_each_clump_of_candidates_gets_a_representative_before_any_gets_two() -> None:
    rng = np.random.default_rng(0)
    clumps = [SE3.exp([10.0 * k, 0, 0, 0, 0, 0]) for k in range(4)]
    candidates = [
        Candidate(SE3.exp(0.02 * rng.normal(size=6)) @ clump, 2.0) for clump in clumps for _ in range(1 + 3 * clumps.index(clump))
    ]
    chosen = representatives(candidates, 4)
    nearest = {min(range(4), key=lambda k: np.linalg.norm(pose.translation - clumps[k].translation)) for pose in chosen}
    assert nearest == {0, 1, 2, 3}
    # The largest clump goes first.
    assert np.linalg.norm(chosen[0].translation - clumps[3].translation) < 1
    assert len(representatives(candidates, 1000)) == len(candidates)
