from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from reloc.align.config import SilhouetteConfig
from reloc.align.mask_aligner import MaskAligner, MaskAlignment
from reloc.align.mask_views import MaskView, mask_view
from reloc.errors import SourceError
from reloc.estimate import Outcome
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle, rotation_exp
from reloc.render.software import SoftwareRenderer
from tests.scenes import lump, view_of_the_lump
from tests.tolerances import LUMP_DEG, LUMP_SHARE

CAMERA = PinholeCamera(240, 180, 290.0, 291.0, 119.3, 88.8)
OTHER = PinholeCamera(320, 160, 330.0, 330.0, 160.4, 79.0)
DISTANCE = 5.0
TRUTH = view_of_the_lump()


@cache
def renderer() -> SoftwareRenderer:
    return SoftwareRenderer(lump())


def mask(pose: SE3, camera: PinholeCamera = CAMERA) -> np.ndarray:
    """The share of each pixel that the map covers, from a rendering four times as fine."""
    factor = 4
    fine = renderer().render(camera.area_scaled(camera.width * factor, camera.height * factor), pose).covered
    return fine.reshape(camera.height, factor, camera.width, factor).mean(axis=(1, 3)).astype(np.float32)


def view(coverage: np.ndarray, camera: PinholeCamera = CAMERA, camera_from_rig: SE3 | None = None) -> MaskView:
    return mask_view(coverage, np.ones(coverage.shape, bool), camera, camera_from_rig)


def align(views: list[MaskView], guess: SE3, **how: bool) -> MaskAlignment:
    return MaskAligner(renderer(), np.zeros(3), SilhouetteConfig()).align(views, guess, **how)


def off(found: SE3, truth: SE3) -> tuple[float, float]:
    """Degrees, and the distance between the cameras as a share of that to the object."""
    a, b = found.inverse(), truth.inverse()
    return float(np.degrees(rotation_angle(a, b))), float(np.linalg.norm(a.translation - b.translation)) / DISTANCE


def started(degrees: float, share: float, seed: int) -> SE3:
    """A pose that is turned and moved by so much, in random directions."""
    rng = np.random.default_rng(seed)
    axis, way = rng.normal(size=3), rng.normal(size=3)
    world_from_camera = TRUTH.inverse()
    rotation = rotation_exp(np.radians(degrees) * axis / np.linalg.norm(axis)) @ world_from_camera.rotation
    return SE3(rotation, world_from_camera.translation + share * DISTANCE * way / np.linalg.norm(way)).inverse()


@pytest.mark.parametrize(("degrees", "share", "seed"), [(10, 0.1, 1), (10, 0.1, 2), (30, 0.3, 3)])
def test_a_mask_is_found_from_far_off(degrees: float, share: float, seed: int) -> None:
    found = align([view(mask(TRUTH))], started(degrees, share, seed))
    turned, moved = off(found.rig_from_world, TRUTH)
    assert found.outcome is Outcome.CONVERGED
    assert found.overlap > 0.99
    assert turned < LUMP_DEG
    assert moved < LUMP_SHARE
    assert (np.linalg.eigvalsh(found.covariance) > 0).all()


def test_holes_in_a_mask_do_not_pull() -> None:
    coverage = mask(TRUTH)
    rng = np.random.default_rng(5)
    rows, columns = np.nonzero(coverage > 0.5)
    for k in rng.integers(0, len(rows), 12):
        cv2.circle(coverage, (int(columns[k]), int(rows[k])), 5, 0.0, -1)
    assert np.count_nonzero(coverage > 0.5) < 0.93 * len(rows)
    turned, moved = off(align([view(coverage)], started(10, 0.1, 1)).rig_from_world, TRUTH)
    assert turned < 3 * LUMP_DEG
    assert moved < 3 * LUMP_SHARE


def test_a_mask_that_runs_out_of_the_image_is_found() -> None:
    cropped = PinholeCamera(150, 180, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)
    coverage = mask(TRUTH, cropped)
    assert (coverage[:, -1] > 0.5).sum() > 30
    turned, moved = off(align([view(coverage, cropped)], started(3, 0.03, 1)).rig_from_world, TRUTH)
    assert turned < 3 * LUMP_DEG
    assert moved < 3 * LUMP_SHARE


def two_views(rig_from_world: SE3, scale: float = 1.0) -> list[MaskView]:
    """Two different cameras 60° apart, that see the lump scaled about the origin."""
    second_from_rig = view_of_the_lump(80.0) @ TRUTH.inverse()
    result = []
    for camera, camera_from_rig in ((CAMERA, SE3.identity()), (OTHER, second_from_rig)):
        pose = camera_from_rig @ rig_from_world
        result.append(view(mask(SE3(pose.rotation, pose.translation / scale), camera), camera, camera_from_rig))
    return result


def test_two_cameras_share_one_pose() -> None:
    found = align(two_views(TRUTH), started(10, 0.1, 1))
    turned, moved = off(found.rig_from_world, TRUTH)
    assert min(found.overlaps) > 0.99
    assert turned < LUMP_DEG
    assert moved < LUMP_SHARE
    assert np.trace(found.covariance) < np.trace(align(two_views(TRUTH)[:1], TRUTH).covariance)


@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_two_cameras_tell_the_size_of_the_object(scale: float) -> None:
    found = align(two_views(TRUTH, scale), started(5, 0.05, 1), refine_scale=True)
    assert found.scale == pytest.approx(scale, rel=2 * LUMP_SHARE)
    assert off(found.rig_from_world, TRUTH)[1] < 2 * LUMP_SHARE
    assert 0 < found.scale_sigma < 0.02
    assert align(two_views(TRUTH, scale), TRUTH).scale == 1.0


def test_where_the_object_is_never_in_view_nothing_is_claimed() -> None:
    behind = SE3.exp([0, 0, 0, 0, np.pi, 0]) @ TRUTH
    config = SilhouetteConfig(starts=0)
    found = MaskAligner(renderer(), np.zeros(3), config).align([view(mask(TRUTH))], behind)
    assert found.outcome is Outcome.TOO_FEW_POINTS
    assert found.overlap == 0.0
    assert np.diag(found.covariance).min() > 1e6


@pytest.mark.parametrize(("value", "found"), [(0.0, "nothing"), (1.0, "everything")])
def test_a_mask_without_an_outline_is_refused(value: float, found: str) -> None:
    with pytest.raises(SourceError, match=found):
        view(np.full((180, 240), value, np.float32))


def test_what_is_left_of_a_wrong_shape_makes_one_view_less_sure_and_several_not() -> None:
    config = SilhouetteConfig(model_error=16.0, absorbed_misfit=0.04)
    assert [config.shape_factor(overlaps) for overlaps in ([1.0], [0.96], [0.9, 0.8])] == pytest.approx([16.0, 32.0, 16.0])


def test_the_covariance_of_a_swollen_object_knows_that_it_is_swollen() -> None:
    mesh = lump()
    side = np.where(mesh.vertices[:, :1] > 0, 1.12, 1.0).astype(np.float32)
    swollen = SoftwareRenderer(replace(mesh, vertices=mesh.vertices * side, derived=None))
    found, unaware = (
        MaskAligner(swollen, np.zeros(3), SilhouetteConfig(absorbed_misfit=misfit)).align([view(mask(TRUTH))], TRUTH)
        for misfit in (0.04, 1e9)
    )
    assert found.overlap < 0.99
    np.testing.assert_allclose(found.covariance, unaware.covariance * (1 + (1 - found.overlap) / 0.04), rtol=1e-6)
