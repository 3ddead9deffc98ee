from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from reloc.places.cells import Cells, sort_into_cells
from reloc.places.features import as_floats, root_descriptors


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Descriptors in clumps, as those of images are: features of one thing look alike."""
    prototypes = np.random.default_rng(9).gamma(0.5, 20, (40, 128))
    rng = np.random.default_rng(seed)
    noisy = prototypes[rng.integers(0, 40, count)] + rng.gamma(0.5, 4, (count, 128))
    return root_descriptors(noisy.astype(np.float32))


DESCRIPTORS, QUERIES = clustered(3000), clustered(50, 1)


def built(descriptors: np.ndarray = DESCRIPTORS) -> Cells:
    return sort_into_cells(descriptors, np.random.default_rng(0))[0]


def brute_force(queries: np.ndarray, descriptors: np.ndarray, neighbours: int) -> np.ndarray:
    return 2 - 2 * np.sort(as_floats(queries) @ as_floats(descriptors).T, axis=1)[:, ::-1][:, :neighbours]


def test_every_descriptor_stands_in_the_cell_of_its_nearest_centroid() -> None:
    cells, order = sort_into_cells(DESCRIPTORS, np.random.default_rng(0))
    np.testing.assert_array_equal(cells.descriptors, DESCRIPTORS[order])
    np.testing.assert_array_equal(np.sort(order), np.arange(len(DESCRIPTORS)))
    cell = np.repeat(np.arange(len(cells.centroids)), np.diff(cells.first))
    # On the sphere the nearest is the one with the greatest cosine.
    unit = cells.centroids / np.linalg.norm(cells.centroids, axis=1, keepdims=True)
    vectors = as_floats(cells.descriptors)
    distance = cKDTree(unit).query(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[0]
    own = np.linalg.norm(vectors / np.linalg.norm(vectors, axis=1, keepdims=True) - unit[cell], axis=1)
    np.testing.assert_allclose(own, distance, atol=1e-5)


def test_looking_into_all_cells_finds_what_brute_force_finds() -> None:
    cells = built()
    index, distance = cells.nearest(QUERIES, 5, len(cells.centroids))
    np.testing.assert_allclose(distance, brute_force(QUERIES, DESCRIPTORS, 5), atol=1e-5)
    found = 2 - 2 * np.einsum("qd,qkd->qk", as_floats(QUERIES), as_floats(cells.descriptors[index]))
    np.testing.assert_allclose(found, distance, atol=1e-5)


def test_looking_into_a_few_cells_finds_most() -> None:
    cells = built()
    assert len(cells.centroids) == 10
    distance = cells.nearest(QUERIES, 1, 3)[1]
    assert np.mean(distance[:, 0] < brute_force(QUERIES, DESCRIPTORS, 1)[:, 0] + 1e-5) > 0.9


def test_where_there_are_fewer_than_asked_for_the_rest_is_marked() -> None:
    index, distance = built(DESCRIPTORS[:3]).nearest(QUERIES, 5, 1)
    assert (np.sort(index[:, :3], axis=1) == [0, 1, 2]).all()
    assert (index[:, 3:] == -1).all()
    assert (distance[:, 3:] == 2).all()


@pytest.mark.parametrize(("known", "asked"), [(0, 5), (100, 0)])
def test_nothing_known_or_nothing_asked_is_no_error(known: int, asked: int) -> None:
    index, distance = built(DESCRIPTORS[:known]).nearest(QUERIES[:asked], 4, 3)
    assert index.shape == distance.shape == (asked, 4)
    assert (index[:, :4] == -1).all() or not asked
