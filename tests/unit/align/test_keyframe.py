from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.keyframe import Keyframe, make_keyframe
from reloc.align.layers import build_layers
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from reloc.synthetic.handheld import HandHeld
from tests.oracles.ray_caster import RayCaster, View
from tests.scenes import bare_mesh, room
from tests.tolerances import DEPTH_SHARE, PICKED_PX

CAMERA = PinholeCamera(160, 120, 130.0, 131.0, 79.1, 60.3)
ALIGN = AlignConfig(points=400)
RULES = KeyframeConfig()
IN_THE_ROOM = HandHeld(0).world_from_camera(3.0).inverse()


@dataclass(frozen=True, eq=False)
class Case:
    """A keyframe, and what the ray caster sees from there."""

    renderer: SoftwareRenderer
    keyframe: Keyframe
    view: View


@cache
def case(name: str, exposure: str = "luminance") -> Case:
    renderer, pose = {"room": (room(), IN_THE_ROOM), "floating rubble": (SoftwareRenderer(rubble()), SE3.identity())}[name]
    keyframe = make_keyframe(renderer, CAMERA, pose, replace(ALIGN, exposure=exposure), RULES)
    mesh = renderer.mesh
    return Case(renderer, keyframe, RayCaster(mesh.vertices, mesh.faces, pose).view(CAMERA))


def rubble() -> TexturedMesh:
    """Blobs of random colours at all depths with nothing behind them: edges, holes and grazing surface everywhere."""
    rng = np.random.default_rng(1)
    blobs = [trimesh.creation.icosphere(subdivisions=3, radius=radius) for radius in rng.uniform(0.2, 0.7, 12)]
    for blob in blobs:
        blob.apply_translation(rng.uniform([-1.4, -1.0, 2.0], [1.4, 1.0, 4.5]))
    merged = trimesh.util.concatenate(blobs)
    return bare_mesh(merged.vertices, merged.faces, rng.integers(0, 256, (len(merged.vertices), 3)))


SCENES = ["room", "floating rubble"]


def pixels_of(keyframe: Keyframe, level: int, points: np.ndarray) -> np.ndarray:
    """Where the points fall on a level of the pyramid of the keyframe, by the camera of that level."""
    camera = CAMERA
    for _ in range(level):
        camera = camera.decimated()
    return camera.project(keyframe.camera_from_world.apply(points))


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("exposure", ["luminance", "rgb"])
def test_points_project_back_onto_the_pixels_whose_looks_they_carry(name: str, exposure: str) -> None:
    keyframe, renderer = case(name, exposure).keyframe, case(name, exposure).renderer
    picture = renderer.shade(keyframe.rendering, color=exposure == "rgb")
    layers = build_layers(picture, keyframe.rendering.covered, CAMERA, ALIGN)
    for level, references in enumerate(keyframe.references):
        assert tuple(references) == layers.kinds_at(level)
        for kind, points in references.items():
            values = layers.at(level, kind).values
            pixels = pixels_of(keyframe, level, points.in_world)
            columns, rows = np.rint(pixels).astype(int).T
            assert len(points) > 20
            np.testing.assert_allclose(pixels, np.rint(pixels), rtol=0, atol=PICKED_PX)
            np.testing.assert_array_equal(points.value, values[rows, columns])
            along_u = (values[rows, columns + 1].astype(float) - values[rows, columns - 1]) / 2
            along_v = (values[rows + 1, columns].astype(float) - values[rows - 1, columns]) / 2
            np.testing.assert_allclose(points.gradient, np.stack([along_u, along_v], axis=-1), rtol=0, atol=1e-6)


def test_the_points_of_a_zoomed_view_lie_between_the_pixels_of_the_camera() -> None:
    zoomed = make_keyframe(room(), CAMERA, IN_THE_ROOM, ALIGN, RULES, zoom=0.98)
    camera = replace(CAMERA, fx=0.98 * CAMERA.fx, fy=0.98 * CAMERA.fy)
    for points in zoomed.references[0].values():
        in_camera = IN_THE_ROOM.apply(points.in_world)
        drawn, seen = camera.project(in_camera), CAMERA.project(in_camera)
        np.testing.assert_allclose(drawn, np.rint(drawn), rtol=0, atol=PICKED_PX)
        # Anywhere between them alike: the mean distance from the nearest is a quarter.
        assert np.abs(seen - np.rint(seen)).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("name", SCENES)
def test_points_lie_on_the_surface_that_the_ray_caster_sees(name: str) -> None:
    keyframe, view = case(name).keyframe, case(name).view
    for level, references in enumerate(keyframe.references):
        for points in references.values():
            columns, rows = np.rint(pixels_of(keyframe, level, points.in_world)).astype(int).T * 2**level
            z = keyframe.camera_from_world.apply(points.in_world)[:, 2]
            error = np.abs(z / view.depth[rows, columns] - 1) * view.cosine[rows, columns]
            assert error.max() < DEPTH_SHARE


@pytest.mark.parametrize("name", SCENES)
def test_no_point_lies_at_an_edge_at_a_hole_or_on_grazing_surface(name: str) -> None:
    keyframe, view = case(name).keyframe, case(name).view
    farthest = ndimage.maximum_filter(view.depth, 3, mode="nearest")
    nearest = ndimage.minimum_filter(view.depth, 3, mode="nearest")
    # A hair beside the limits, where float32 may decide otherwise.
    edge = (view.face_id < 0) | (farthest - nearest > (RULES.depth_step + 1e-4) * view.depth)
    bad = edge | (view.cosine < RULES.grazing_cosine - 1e-4)
    distance = ndimage.distance_transform_cdt(~bad, "chessboard")
    assert 0.05 < bad.mean() < 0.95
    for level, references in enumerate(keyframe.references):
        for points in references.values():
            columns, rows = np.rint(pixels_of(keyframe, level, points.in_world)).astype(int).T * 2**level
            assert distance[rows, columns].min() > RULES.rim_px * max(2**level // 2, 1)


def test_surface_seen_from_behind_is_aligned_only_where_asked() -> None:
    mesh, pose = rubble(), SE3.identity()
    inside_out = replace(mesh, faces=np.ascontiguousarray(mesh.faces[:, ::-1]))
    renderer = SoftwareRenderer(inside_out)
    one_sided = make_keyframe(renderer, CAMERA, pose, ALIGN, RULES)
    two_sided = make_keyframe(renderer, CAMERA, pose, ALIGN, replace(RULES, two_sided=True))
    normal = case("floating rubble").keyframe
    assert [len(p) for kinds in one_sided.references for p in kinds.values()] == [0] * 4
    assert [len(p) for kinds in two_sided.references for p in kinds.values()] == [
        len(p) for kinds in normal.references for p in kinds.values()
    ]


@pytest.mark.parametrize("name", SCENES)
def test_depth_and_coverage_are_those_of_the_view(name: str) -> None:
    keyframe, view = case(name).keyframe, case(name).view
    assert keyframe.coverage == pytest.approx((view.face_id >= 0).mean(), abs=1e-3)
    assert keyframe.depth == pytest.approx(np.median(view.depth[view.face_id >= 0]), rel=1e-3)


def test_a_view_of_nothing_has_no_points_and_holds_nowhere() -> None:
    away = SE3.exp([0, 0, 0, 0, np.pi, 0])
    keyframe = make_keyframe(SoftwareRenderer(rubble()), CAMERA, away, ALIGN, RULES)
    assert keyframe.coverage == 0
    assert np.isnan(keyframe.depth)
    assert [len(p) for kinds in keyframe.references for p in kinds.values()] == [0] * 4
    assert not keyframe.holds_at(away, RULES)


# How long it holds


def moved_in_world(keyframe: Keyframe, share: float, turned_deg: float) -> SE3:
    """The keyframe's camera, moved in a straight line by a share of the depth and turned about its own centre."""
    world_from_camera = keyframe.camera_from_world.inverse()
    turn = SE3.exp(np.concatenate([np.zeros(3), np.radians(turned_deg) * np.array([0.6, -0.64, 0.48])]))
    away = share * keyframe.depth * np.array([0.48, 0.6, -0.64])
    return SE3(world_from_camera.rotation @ turn.rotation, world_from_camera.translation + away).inverse()


@pytest.mark.parametrize(
    ("share", "turned_deg", "holds"),
    [(0, 0, True), (0.059, 3.95, True), (0.061, 0, False), (0, 4.05, False), (0.3, 30, False), (0, 179, False)],
)
def test_a_keyframe_holds_within_its_share_of_the_depth_and_its_turn(share: float, turned_deg: float, holds: bool) -> None:
    keyframe = case("room").keyframe
    rules = KeyframeConfig(moved_share=0.06, turned_deg=4.0)
    assert keyframe.holds_at(moved_in_world(keyframe, share, turned_deg), rules) == holds


def test_a_keyframe_far_from_the_origin_holds_as_well() -> None:
    # What counts is how far the camera has moved, not the translation of camera_from_world, which a turn alone changes.
    mesh, pose = rubble(), SE3.identity()
    far = SE3(np.eye(3), np.array([100.0, 0, 0]))
    shifted = replace(mesh, vertices=mesh.vertices + np.float32([100, 0, 0]))
    keyframe = make_keyframe(SoftwareRenderer(shifted), CAMERA, pose @ far.inverse(), ALIGN, RULES)
    assert keyframe.holds_at(moved_in_world(keyframe, 0.0, 3.0), RULES)
    assert not keyframe.holds_at(moved_in_world(keyframe, 0.08, 0.0), RULES)


def test_the_same_view_gives_the_same_points_to_the_bit() -> None:
    again = make_keyframe(SoftwareRenderer(rubble()), CAMERA, SE3.identity(), ALIGN, RULES)
    for kinds, other in zip(case("floating rubble").keyframe.references, again.references, strict=True):
        for kind, points in kinds.items():
            np.testing.assert_array_equal(points.in_world, other[kind].in_world)
            np.testing.assert_array_equal(points.value, other[kind].value)


def test_more_points_where_more_are_asked_for() -> None:
    few, many = (make_keyframe(room(), CAMERA, IN_THE_ROOM, AlignConfig(points=n), RULES) for n in (150, 1400))
    counts = [len(next(iter(k.references[0].values()))) for k in (few, many)]
    assert 75 < counts[0] < 250
    assert 700 < counts[1] < 2000
