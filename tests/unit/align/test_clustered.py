from __future__ import annotations

import numpy as np

from reloc.align.clustered import clustered_covariance
from reloc.align.problem import NormalEquations
from tests.tolerances import ALGEBRA, SAMPLED_CLUSTERS


def parts_of_a_line(rng: np.random.Generator, clusters: int, members: int) -> tuple[list[NormalEquations], np.ndarray]:
    """Fit a + b x to noise that is the same for all members of a cluster; return the parts at the minimum, and (a, b)."""
    x = np.repeat(rng.uniform(-1, 1, clusters), members) + rng.uniform(-0.02, 0.02, clusters * members)
    noise = np.repeat(rng.normal(size=clusters), members)
    design = np.stack([np.ones_like(x), x])
    found = np.linalg.lstsq(design.T, noise, rcond=None)[0]
    residual = design.T @ found - noise
    parts = []
    for cluster in range(clusters):
        here = slice(cluster * members, (cluster + 1) * members)
        jacobian, r = design[:, here], residual[here]
        parts.append(NormalEquations(jacobian @ jacobian.T, jacobian @ r, 0.5 * float(r @ r), members))
    return parts, found


def test_errors_shared_by_a_cluster_count_once() -> None:
    rng = np.random.default_rng(4)
    fits = [parts_of_a_line(rng, 30, 10) for _ in range(800)]
    claimed = np.mean([clustered_covariance(parts, 0.0) for parts, _ in fits], axis=0)
    actual = np.cov(np.stack([found for _, found in fits]).T)
    assert np.allclose(np.diag(claimed) / np.diag(actual), 1, atol=SAMPLED_CLUSTERS)
    # Taken for independent, the 300 residuals would claim ten times less.
    naive = np.linalg.inv(sum(part.hessian for part in fits[0][0]))
    assert np.all(np.diag(actual) > 6 * np.diag(naive))


def test_noise_of_every_residual_comes_on_top() -> None:
    parts, _ = parts_of_a_line(np.random.default_rng(2), 30, 10)
    added = clustered_covariance(parts, 0.5) - clustered_covariance(parts, 0.0)
    assert np.allclose(added, 0.25 * np.linalg.inv(sum(part.hessian for part in parts)), rtol=ALGEBRA)


def test_too_few_clusters_know_nothing() -> None:
    parts, _ = parts_of_a_line(np.random.default_rng(0), 2, 5)
    assert np.all(np.diag(clustered_covariance(parts, 0.0)) > 1e6)


def test_a_direction_that_nothing_determines_is_huge_but_finite() -> None:
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(10, 2)) * [1, 0]
    parts = [NormalEquations(np.diag([1.0, 0.0]), gradient, 0.0, 1) for gradient in gradients]
    assert np.isfinite(clustered_covariance(parts, 0.0)).all()
