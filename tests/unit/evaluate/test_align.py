from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reloc.errors import TrajectoryError
from reloc.evaluate.align import AlignmentKind, align
from reloc.geometry.se3 import SE3
from tests.tolerances import ALGEBRA

RNG = np.random.default_rng(11)
POINTS = RNG.normal(loc=[5.0, -2.0, 1.0], size=(40, 3))
MOTION = SE3.exp([1.0, -2.0, 0.5, 0.4, -2.0, 1.0])


@pytest.mark.parametrize(("kind", "scale"), [(AlignmentKind.SE3, 1.0), (AlignmentKind.SIM3, 0.3), (AlignmentKind.SIM3, 7.0)])
def test_a_known_motion_is_found_exactly(kind: AlignmentKind, scale: float) -> None:
    found = align(kind, POINTS, scale * POINTS @ MOTION.rotation.T + MOTION.translation)
    assert found.scale == pytest.approx(scale, abs=ALGEBRA)
    np.testing.assert_allclose(found.groundtruth_from_estimate.matrix, MOTION.matrix, atol=ALGEBRA)


def test_the_rotation_is_that_of_scipy_under_noise() -> None:
    target = POINTS @ MOTION.rotation.T + RNG.normal(size=POINTS.shape) * 0.3
    expected, _ = Rotation.align_vectors(target - target.mean(axis=0), POINTS - POINTS.mean(axis=0))
    found = align(AlignmentKind.SE3, POINTS, target).groundtruth_from_estimate
    np.testing.assert_allclose(found.rotation, expected.as_matrix(), atol=1e-8)
    np.testing.assert_allclose(found.apply(POINTS.mean(axis=0)), target.mean(axis=0), atol=ALGEBRA)


def test_the_scale_is_the_minimum_of_the_squared_distances() -> None:
    target = 2.0 * POINTS @ MOTION.rotation.T + RNG.normal(size=POINTS.shape) * 0.3
    found = align(AlignmentKind.SIM3, POINTS, target)

    def cost(scale: float) -> float:
        moved = scale * (POINTS - POINTS.mean(axis=0)) @ found.groundtruth_from_estimate.rotation.T
        return float(np.sum((moved - (target - target.mean(axis=0))) ** 2))

    assert cost(found.scale) < min(cost(found.scale * 1.001), cost(found.scale * 0.999))


def test_a_mirror_image_is_never_made_even_where_it_would_fit_best() -> None:
    found = align(AlignmentKind.SIM3, POINTS, POINTS * [1.0, 1.0, -1.0])
    rotation = found.groundtruth_from_estimate.rotation
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=ALGEBRA)
    # The best scale under that rotation, by the normal equation of one unknown.
    turned, target = (POINTS - POINTS.mean(axis=0)) @ rotation.T, (POINTS - POINTS.mean(axis=0)) * [1.0, 1.0, -1.0]
    assert found.scale == pytest.approx(np.sum(turned * target) / np.sum(turned**2), abs=ALGEBRA)


def test_a_plane_determines_the_motion() -> None:
    flat = POINTS * [1.0, 1.0, 0.0]
    np.testing.assert_allclose(
        align(AlignmentKind.SE3, flat, MOTION.apply(flat)).groundtruth_from_estimate.matrix, MOTION.matrix, atol=1e-9
    )


def test_nothing_is_fitted_unless_asked() -> None:
    found = align(AlignmentKind.NONE, POINTS, MOTION.apply(POINTS))
    assert found.scale == 1.0
    assert found.groundtruth_from_estimate == SE3.identity()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (POINTS[:2], "at least 3 matched poses, found 2"),
        (np.linspace(0, 1, 9)[:, None] * [[0.3, 0.1, -0.7]] + [1.0, 2.0, 3.0], "not all on one line"),
        (np.ones((5, 3)), "not all on one line"),
    ],
)
def test_positions_that_determine_nothing_are_refused(points: np.ndarray, message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        align(AlignmentKind.SE3, points, MOTION.apply(points))
