"""The slow, readable twin of the photometric term: one point and one channel after the other, in the order of the formulas."""

from __future__ import annotations

import numpy as np

from reloc.align.photometric import PhotometricTerm
from reloc.align.problem import NormalEquations, Unknowns


def tukey_by_the_book(residual: float, width: float) -> tuple[float, float]:
    """ρ and its weight (Beaton and Tukey 1974): r²/2 − r⁴/2c² + r⁶/6c⁴ and (1 − (r/c)²)²; c²/6 and 0 outside."""
    r = min(abs(residual), width)
    return r**2 / 2 - r**4 / (2 * width**2) + r**6 / (6 * width**4), (1 - (r / width) ** 2) ** 2


def bilinear(grid: np.ndarray, u: float, v: float) -> float:
    """Interpolate between the four entries around (u, v)."""
    column, row = int(np.floor(u)), int(np.floor(v))
    a, b = u - column, v - row
    top = (1 - a) * grid[row, column] + a * grid[row, column + 1]
    bottom = (1 - a) * grid[row + 1, column] + a * grid[row + 1, column + 1]
    return float((1 - b) * top + b * bottom)


def central_differences(channel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """∂/∂u and ∂/∂v of an image (H, W) at its pixels; NaN at its border."""
    along_u, along_v = np.full(channel.shape, np.nan), np.full(channel.shape, np.nan)
    along_u[:, 1:-1] = (channel[:, 2:] - channel[:, :-2]) / 2
    along_v[1:-1] = (channel[2:] - channel[:-2]) / 2
    return along_u, along_v


def projection_jacobian(point_in_camera: np.ndarray, fx: float, fy: float) -> np.ndarray:
    """∂(u, v)/∂(x, y, z) (2, 3) of the pinhole."""
    x, y, z = point_in_camera
    return np.array([[fx / z, 0, -fx * x / z**2], [0, fy / z, -fy * y / z**2]])


def perturbation_jacobian(point_in_camera: np.ndarray) -> np.ndarray:
    """∂(exp(δ) p)/∂δ (3, 6) at δ = 0: the identity, and −[p]×."""
    x, y, z = point_in_camera
    return np.hstack([np.eye(3), [[0, z, -y], [-z, 0, x], [y, -x, 0]]])


def slow_linearize(term: PhotometricTerm, unknowns: Unknowns, image_share: float = 0.5) -> NormalEquations:
    """H = Σ w J Jᵀ, g = Σ w J r and Σ ρ(r), over all points whose values and gradients the image holds.

    J takes so large a part of the image's gradient, and the rest of the rendering's.
    """
    camera, points = term.camera, term.points
    channels, size = points.value.shape[1], 6 + len(unknowns.exposure)
    images = [term.image[:, :, c].astype(np.float64) for c in range(channels)]
    gradients = [central_differences(image) for image in images]
    trust = np.ones(len(points)) if term.weight is None else term.weight
    hessian, gradient, cost, count = np.zeros((size, size)), np.zeros(size), 0.0, 0
    for i, point in enumerate(points.in_world):
        p = unknowns.rotation @ point + unknowns.translation
        if p[2] <= 0:
            continue
        u, v = camera.project(p)
        if not (1 <= u < camera.width - 2 and 1 <= v < camera.height - 2):
            continue
        found = [bilinear(image, u, v) for image in images]
        slopes = [np.array([bilinear(axis, u, v) for axis in pair]) for pair in gradients]
        if not np.isfinite([*found, *np.ravel(slopes)]).all():
            continue
        count += 1
        for c in range(channels):
            gain, bias = unknowns.exposure[2 * c : 2 * c + 2]
            residual = found[c] - (gain * points.value[i, c] + bias)
            slope = image_share * slopes[c] + (1 - image_share) * gain * points.gradient[i, c]
            jacobian = np.zeros(size)
            jacobian[:6] = slope @ projection_jacobian(p, camera.fx, camera.fy) @ perturbation_jacobian(p)
            jacobian[6 + 2 * c : 8 + 2 * c] = -points.value[i, c], -1
            rho, weight = tukey_by_the_book(residual, term.width)
            hessian += trust[i] * weight * np.outer(jacobian, jacobian)
            gradient += trust[i] * weight * residual * jacobian
            cost += trust[i] * rho
    return NormalEquations(hessian, gradient, cost, count)
