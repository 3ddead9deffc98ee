from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.linalg

from reloc.align.photometric import PhotometricTerm, ReferencePoints
from reloc.align.problem import Unknowns
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from tests.oracles.photometric import slow_linearize
from tests.scenes import ANYWHERE
from tests.tolerances import ALGEBRA, FINITE_DIFFERENCE, FLOAT32_SUM, TWIN

CAMERA = PinholeCamera(64, 48, 55.0, 57.0, 30.3, 24.4)
# Where the points were picked is not where the term is linearised: at the very pose of the keyframe each point falls on a
# pixel, where the interpolation has a knot.
MOVED = SE3.exp([0.03, -0.02, 0.05, 0.02, -0.03, 0.01])
EXPOSURE = {1: np.array([1.2, -0.05]), 3: np.array([1.2, -0.05, 0.8, 0.03, 1.05, 0.01])}
CHANNELS = [1, 3]
COLUMNS = {1: range(8), 3: range(12)}


def pixels_away_from_the_border(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform([6, 6], [CAMERA.width - 8, CAMERA.height - 8], (count, 2))


def points_behind(pixels: np.ndarray, depth: np.ndarray, pose: SE3) -> np.ndarray:
    """Surface points in the world that a pose sees at these pixels."""
    rays = np.column_stack([(pixels - [CAMERA.cx, CAMERA.cy]) / [CAMERA.fx, CAMERA.fy], np.ones(len(pixels))])
    return (rays * depth[:, None] - pose.translation) @ pose.rotation


def quadratics(channels: int) -> np.ndarray:
    """Coefficients (C, 6) of a u² + b u v + c v² + d u + e v + f: multiples of 2⁻¹², exact in float32."""
    rng = np.random.default_rng(channels)
    scale = np.array([2**-12, 2**-12, 2**-12, 2**-8, 2**-8, 2**-4])
    return rng.integers(-9, 10, (channels, 6)) * scale


def values_at(coefficients: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The quadratics (..., C) at pixels (..., 2)."""
    u, v = pixels[..., 0], pixels[..., 1]
    return np.stack([u * u, u * v, v * v, u, v, np.ones_like(u)], axis=-1) @ coefficients.T


def gradients_at(coefficients: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Their gradients (N, C, 2)."""
    u, v = pixels[:, :1], pixels[:, 1:]
    a, b, c, d, e, _ = coefficients.T
    return np.stack([2 * a * u + b * v + d, b * u + 2 * c * v + e], axis=-1)


def image_of(coefficients: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(float)
    return values_at(coefficients, np.stack([u, v], axis=-1))


def hat6(delta: np.ndarray) -> np.ndarray:
    x, y, z, a, b, c = delta
    return np.array([[0, -c, b, x], [c, 0, -a, y], [-b, a, 0, z], [0, 0, 0, 0]])


def seen_at(pose: SE3, points: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of points after exp(δ), through scipy's matrix exponential and K."""
    matrix = scipy.linalg.expm(hat6(delta)) @ pose.matrix
    in_image = (points @ matrix[:3, :3].T + matrix[:3, 3]) @ CAMERA.matrix.T
    return in_image[:, :2] / in_image[:, 2:]


def exact_problem(channels: int, width: float = 1e9) -> tuple[PhotometricTerm, Unknowns, np.ndarray]:
    """A term whose Jacobian is exactly the derivative of the residual, and its unknowns and coefficients.

    The central differences of a quadratic are its gradient, and bilinear interpolation keeps a gradient that is linear as it
    is. The references are given the gradient that makes the mean of the two (efficient second-order minimisation) exact.
    """
    rng = np.random.default_rng(10 + channels)
    coefficients = quadratics(channels)
    pose, exposure = MOVED @ ANYWHERE, EXPOSURE[channels]
    points = points_behind(pixels_away_from_the_border(rng, 60), rng.uniform(1.0, 3.0, 60), ANYWHERE)
    pixels = seen_at(pose, points, np.zeros(6))
    gradient = gradients_at(coefficients, pixels) / exposure[0::2, None]
    value = (values_at(coefficients, pixels) + rng.normal(0, 0.05, (60, channels)) - exposure[1::2]) / exposure[0::2]
    term = PhotometricTerm(ReferencePoints(points, value, gradient), image_of(coefficients), CAMERA, width)
    return term, Unknowns.at(pose, exposure), coefficients


def differences(term: PhotometricTerm, unknowns: Unknowns, coefficients: np.ndarray) -> np.ndarray:
    """∂r/∂(δ, Δ) (6 + 2 C, N, C) by central differences of the analytic image."""

    def residual(step: np.ndarray) -> np.ndarray:
        exposure = unknowns.exposure + step[6:]
        found = values_at(coefficients, seen_at(unknowns.camera_from_world, term.points.in_world, step[:6]))
        return found - exposure[0::2] * term.points.value - exposure[1::2]

    size, h = 6 + len(unknowns.exposure), 1e-5
    return np.stack([(residual(h * axis) - residual(-h * axis)) / (2 * h) for axis in np.eye(size)])


# The Jacobian


@pytest.mark.parametrize(("channels", "column"), [(c, m) for c in CHANNELS for m in COLUMNS[c]])
def test_every_column_of_the_jacobian_of_one_point_is_its_finite_difference(channels: int, column: int) -> None:
    # A single point whose channels are looked at one by one: of one residual, g is J r.
    term, unknowns, coefficients = exact_problem(channels)
    expected = differences(term, unknowns, coefficients)[column]
    residual = term.sample(unknowns).residual
    for i in range(0, 60, 7):
        one = replace(term, points=ReferencePoints(*(a[i : i + 1] for a in vars(term.points).values())))
        gradient = one.linearize(unknowns).gradient[column]
        np.testing.assert_allclose(gradient, expected[i] @ residual[i], rtol=0, atol=FINITE_DIFFERENCE)


@pytest.mark.parametrize(("channels", "row"), [(c, m) for c in CHANNELS for m in COLUMNS[c]])
@pytest.mark.parametrize("width", [1e9, 0.08])
def test_every_row_of_the_hessian_and_the_gradient_is_made_of_finite_differences(channels: int, row: int, width: float) -> None:
    term, unknowns, coefficients = exact_problem(channels, width)
    jacobian, residual = differences(term, unknowns, coefficients), term.sample(unknowns).residual
    weight = np.clip(1 - (residual / width) ** 2, 0, None) ** 2
    found = term.linearize(unknowns)
    hessian = np.einsum("ic,mic->m", weight * jacobian[row], jacobian)
    gradient = (weight * residual * jacobian[row]).sum()
    atol = FINITE_DIFFERENCE * np.abs(jacobian[row]).max()
    assert found.count == 60
    np.testing.assert_allclose(found.hessian[row], hessian, rtol=FINITE_DIFFERENCE, atol=atol)
    np.testing.assert_allclose(found.gradient[row], gradient, rtol=0, atol=atol)


@pytest.mark.parametrize(("channels", "column"), [(c, m) for c in CHANNELS for m in COLUMNS[c]])
@pytest.mark.parametrize("width", [1e9, 0.1])
def test_the_gradient_is_the_derivative_of_the_cost_along_every_unknown(channels: int, column: int, width: float) -> None:
    # On an image that rises evenly the interpolated value itself is exact, so the cost may be differentiated as it comes.
    rng = np.random.default_rng(column)
    coefficients = quadratics(channels) * [0, 0, 0, 1, 1, 1]
    pose, exposure = MOVED @ ANYWHERE, EXPOSURE[channels]
    points = points_behind(pixels_away_from_the_border(rng, 60), rng.uniform(1, 3, 60), ANYWHERE)
    pixels = seen_at(pose, points, np.zeros(6))
    value = (values_at(coefficients, pixels) + rng.normal(0, 0.05, (60, channels)) - exposure[1::2]) / exposure[0::2]
    gradient = gradients_at(coefficients, pixels) / exposure[0::2, None]
    term = PhotometricTerm(ReferencePoints(points, value, gradient), image_of(coefficients), CAMERA, width, rng.random(60))
    unknowns, step = Unknowns.at(pose, exposure), 1e-5 * np.eye(6 + 2 * channels)[column]
    slope = (term.linearize(unknowns.moved(step)).cost - term.linearize(unknowns.moved(-step)).cost) / 2e-5
    assert term.linearize(unknowns).gradient[column] == pytest.approx(slope, rel=1e-6, abs=FINITE_DIFFERENCE)


def test_a_step_of_second_order_minimisation_lands_on_the_solution_of_a_quadratic_image() -> None:
    # What the mean of the two gradients is for: an image moved along u by 2 px, of which one gradient alone would miss by far.
    coefficients = np.array([[2**-8, 0, 0, 2**-4, 0, 0.25], [0, 0, 2**-8, 0, -(2**-4), 0.25]])
    rng = np.random.default_rng(1)
    pixels = pixels_away_from_the_border(rng, 200)
    points = points_behind(pixels, np.full(200, 1e4), SE3.identity())
    value, gradient = values_at(coefficients, pixels), gradients_at(coefficients, pixels)
    term = PhotometricTerm(ReferencePoints(points, value, gradient), image_of(coefficients), CAMERA)
    shift = 1e4 * np.array([2.0 / CAMERA.fx, -1.5 / CAMERA.fy])
    start = Unknowns.at(SE3(np.eye(3), np.array([*shift, 0.0])), np.array([1.0, 0.0, 1.0, 0.0]))
    equations = term.linearize(start)
    step = np.linalg.solve(equations.hessian[:2, :2], -equations.gradient[:2])
    # The value is interpolated: a quadratic lies up to 2⁻⁸ / 4 below its chords, which on these slopes is 0.02 px.
    np.testing.assert_allclose(step / shift, -1, atol=0.02)


# The twin


def random_problem(channels: int, seed: int) -> tuple[PhotometricTerm, Unknowns]:
    """Random pixels with a hole; points in view, beyond every border, on it, behind the camera and in the plane z = 0."""
    rng = np.random.default_rng(seed)
    image = rng.random((CAMERA.height, CAMERA.width, channels))
    image[20:26, 30:37] = np.nan
    pixels = rng.uniform([-10, -10], [CAMERA.width + 10, CAMERA.height + 10], (400, 2))
    depth = rng.uniform(0.5, 4, 400)
    depth[::9] *= -1
    pose = SE3.exp(rng.normal(0, 0.5, 6))
    points = points_behind(pixels, depth, pose)
    points[5] = pose.inverse().translation
    value, gradient = rng.random((400, channels)), rng.normal(0, 0.2, (400, channels, 2))
    term = PhotometricTerm(ReferencePoints(points, value, gradient), image, CAMERA)
    return term, Unknowns.at(pose, rng.uniform(0.3, 1.2, 2 * channels))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("width", [1e9, 0.5])
@pytest.mark.parametrize("trusted", [False, True])
def test_the_kernel_and_its_slow_twin_say_the_same(channels: int, seed: int, width: float, trusted: bool) -> None:
    term, unknowns = random_problem(channels, seed)
    weights = [None, np.random.default_rng(seed).random(400)]
    term = term.clipped_at(width, weights[trusted])
    fast, slow = term.linearize(unknowns), slow_linearize(term, unknowns)
    assert 100 < fast.count < 350
    assert fast.count == slow.count
    assert fast.cost == pytest.approx(slow.cost, rel=TWIN)
    np.testing.assert_allclose(fast.gradient, slow.gradient, rtol=TWIN, atol=TWIN * np.abs(slow.gradient).max())
    np.testing.assert_allclose(fast.hessian, slow.hessian, rtol=TWIN, atol=TWIN * np.abs(slow.hessian).max())
    np.testing.assert_array_equal(fast.hessian, fast.hessian.T)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("seed", range(4))
def test_the_products_of_the_gradients_are_those_of_the_slow_twin(channels: int, seed: int) -> None:
    # With the mean of two Jacobians A and B: 2 ((A + B) / 2)² − A² / 2 − B² / 2 = A B.
    term, unknowns = random_problem(channels, seed)
    term = term.clipped_at(0.5, np.random.default_rng(seed).random(400))
    by_rendering, by_both, by_image = (slow_linearize(term, unknowns, share).hessian for share in (0.0, 0.5, 1.0))
    found, common = term.gradient_products(unknowns)
    largest = TWIN * np.abs(by_image).max()
    np.testing.assert_allclose(found, by_rendering, rtol=TWIN, atol=largest)
    np.testing.assert_allclose(common, 2 * by_both - (by_rendering + by_image) / 2, rtol=TWIN, atol=largest)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("seed", range(4))
def test_in_float32_as_images_are_the_kernel_looks_up_the_same_but_for_rounding(channels: int, seed: int) -> None:
    term, unknowns = random_problem(channels, seed)
    exact = term.clipped_at(0.5).linearize(unknowns)
    found = replace(term, image=term.image.astype(np.float32), width=0.5).linearize(unknowns)
    assert found.count == exact.count
    assert found.cost == pytest.approx(exact.cost, rel=FLOAT32_SUM)
    np.testing.assert_allclose(found.gradient, exact.gradient, rtol=0, atol=FLOAT32_SUM * np.abs(exact.gradient).max())
    np.testing.assert_allclose(found.hessian, exact.hessian, rtol=0, atol=FLOAT32_SUM * np.abs(exact.hessian).max())


@pytest.mark.parametrize("channels", CHANNELS)
def test_samples_fall_where_opencv_projects_the_points(channels: int) -> None:
    term, unknowns = random_problem(channels, 7)
    pixel = term.sample(unknowns).pixel
    rotation, _ = cv2.Rodrigues(unknowns.rotation)
    expected, _ = cv2.projectPoints(term.points.in_world, rotation, unknowns.translation, CAMERA.matrix, None)
    z = (term.points.in_world @ unknowns.rotation.T + unknowns.translation)[:, 2]
    ahead, behind = z > 1e-6, z < -1e-6
    assert min(np.count_nonzero(ahead), np.count_nonzero(behind)) > 40
    assert np.isnan(pixel[behind]).all()
    np.testing.assert_allclose(pixel[ahead], expected[ahead, 0], rtol=ALGEBRA * 100, atol=ALGEBRA * 100)


@pytest.mark.parametrize("channels", CHANNELS)
def test_samples_are_interpolated_as_by_opencv_and_nan_out_of_view(channels: int) -> None:
    term, unknowns = random_problem(channels, 8)
    samples = term.sample(unknowns)
    u, v = np.nan_to_num(samples.pixel, nan=-99).T
    lookup = np.stack([u, v], axis=-1).astype(np.float32)[None]
    image = term.image.reshape(CAMERA.height, CAMERA.width, channels)
    found = cv2.remap(image, lookup, None, cv2.INTER_LINEAR, borderValue=[np.nan] * 4).reshape(-1, channels)
    inside = (u >= 1) & (v >= 1) & (u < CAMERA.width - 2) & (v < CAMERA.height - 2)
    expected = found - unknowns.exposure[0::2] * term.points.value - unknowns.exposure[1::2]
    seen = inside & ~np.isnan(found).any(axis=1)
    assert np.count_nonzero(seen) > 100
    assert np.isnan(samples.residual[~inside]).all()
    # OpenCV interpolates in float32 or, in some versions, in steps of 1/32 px: it judges the place, not the digits.
    np.testing.assert_allclose(samples.residual[seen], expected[seen], rtol=0, atol=1 / 32)


def test_the_cost_of_the_samples_is_the_cost_of_the_equations() -> None:
    term, unknowns = random_problem(1, 9)
    term = replace(term, image=np.nan_to_num(term.image))
    residual = term.sample(unknowns).residual
    seen = ~np.isnan(residual[:, 0])
    assert term.linearize(unknowns).count == np.count_nonzero(seen)
    assert term.linearize(unknowns).cost == pytest.approx(0.5 * (residual[seen] ** 2).sum(), rel=1e-6)


# Out of view


def test_points_that_cannot_be_seen_weigh_nothing() -> None:
    term, unknowns = random_problem(1, 3)
    blind = replace(term, image=np.full_like(term.image, np.nan))
    equations = blind.linearize(unknowns)
    assert equations.count == 0
    assert equations.cost == 0
    assert (equations.hessian == 0).all()
    assert (equations.gradient == 0).all()


def test_distrusted_points_count_as_seen_but_weigh_nothing() -> None:
    term, unknowns = random_problem(3, 4)
    equations = term.clipped_at(0.5, np.zeros(400)).linearize(unknowns)
    assert equations.count == term.linearize(unknowns).count
    assert equations.cost == 0
    assert (equations.hessian == 0).all()


# Agreement


def test_agreement_is_the_correlation_times_the_share_in_view() -> None:
    term, unknowns = random_problem(3, 5)
    poses = [unknowns.camera_from_world, SE3.exp([0.1, 0, 0, 0, 0.1, 0]) @ unknowns.camera_from_world]
    found = term.agreement(np.stack([p.rotation for p in poses]), np.stack([p.translation for p in poses]))
    for value, pose in zip(found, poses, strict=True):
        residual = term.sample(Unknowns.at(pose, np.zeros(6))).residual
        seen = ~np.isnan(residual).any(axis=1)
        correlations = [np.corrcoef(residual[seen, c], term.points.value[seen, c])[0, 1] for c in range(3)]
        assert value == pytest.approx(np.mean(correlations) * seen.mean(), abs=TWIN)


def test_agreement_does_not_depend_on_exposure() -> None:
    term, unknowns = random_problem(1, 6)
    poses = unknowns.rotation[None], unknowns.translation[None]
    brighter = replace(term, image=term.image * 0.5 + 0.25)
    np.testing.assert_allclose(brighter.agreement(*poses), term.agreement(*poses), rtol=TWIN)


def test_a_blank_image_agrees_with_nothing() -> None:
    term, unknowns = random_problem(1, 6)
    poses = unknowns.rotation[None], unknowns.translation[None]
    np.testing.assert_array_equal(replace(term, image=np.full_like(term.image, 0.5)).agreement(*poses), 0)
    np.testing.assert_array_equal(replace(term, image=np.full_like(term.image, np.nan)).agreement(*poses), 0)
