"""An inverted file: the nearest descriptors among hundreds of thousands, by looking into a few cells of the space only.

The descriptors are sorted by the nearest of some hundred centroids. A query looks into the cells of the few centroids nearest to
it, so that a product of small matrices a cell answers for all queries at once. (Jégou, Douze and Schmid, "Product quantization
for nearest neighbor search", 2011, section IV, without the product quantisation.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.places.features import DESCRIPTOR_SIZE, Descriptors, as_floats

Floats = NDArray[np.float32]

_PER_CELL = 300
_MOST_CELLS = 1024
_TRAINING_PER_CELL = 64
_ROUNDS = 8
_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class Cells:
    """Descriptors, sorted by cell."""

    centroids: Floats
    """(C, 128) of length 1."""
    first: NDArray[np.int64]
    """(C + 1,) where the descriptors of each cell begin."""
    descriptors: Descriptors
    """(N, 128)."""

    def nearest(self, queries: Descriptors, neighbours: int, probes: int) -> tuple[NDArray[np.int32], Floats]:
        """Return indices (Q, K) of about the nearest descriptors, the nearest first, and their squared distances 0..2 (Q, K).

        Where fewer were looked at than were asked for, indices are −1 and distances 2.
        """
        vectors = as_floats(queries)
        index = np.full((len(queries), neighbours), -1, dtype=np.int32)
        cosine = np.zeros((len(queries), neighbours), dtype=np.float32)
        probes = min(probes, len(self.centroids))
        visited = np.argpartition(vectors @ self.centroids.T, -probes, axis=1)[:, -probes:].ravel()
        query = np.repeat(np.arange(len(queries)), probes)
        order = np.argsort(visited, kind="stable")
        bounds = np.searchsorted(visited[order], np.arange(len(self.centroids) + 1))
        for cell in np.flatnonzero(np.diff(bounds)):
            asking = query[order[bounds[cell] : bounds[cell + 1]]]
            start, end = self.first[cell], self.first[cell + 1]
            _keep_best(vectors[asking] @ as_floats(self.descriptors[start:end]).T, asking, start, index, cosine)
        return index, 2 - 2 * cosine


@njit(cache=True, nogil=True)
def _keep_best(products, asking, start, index, cosine):  # type: ignore[no-untyped-def]
    """Sort the products (n, m) of the queries `asking` with the descriptors from `start` on into their lists of the best."""
    places = index.shape[1]
    for row in range(len(asking)):
        query = asking[row]
        for column in range(products.shape[1]):
            value = products[row, column]
            if value <= cosine[query, places - 1]:
                continue
            place = places - 1
            while place > 0 and cosine[query, place - 1] < value:
                cosine[query, place] = cosine[query, place - 1]
                index[query, place] = index[query, place - 1]
                place -= 1
            cosine[query, place] = value
            index[query, place] = start + column


def sort_into_cells(descriptors: Descriptors, rng: np.random.Generator) -> tuple[Cells, NDArray[np.int64]]:
    """Return the cells of descriptors (N, 128), and the order (N,) in which they stand there."""
    count = max(1, min(_MOST_CELLS, len(descriptors) // _PER_CELL))
    chosen = rng.permutation(len(descriptors))[: count * _TRAINING_PER_CELL]
    centroids = _centroids(as_floats(descriptors[np.sort(chosen)]), count, rng)
    cell = _nearest_centroid(descriptors, centroids)
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], np.arange(count + 1)).astype(np.int64)
    return Cells(centroids, first, np.ascontiguousarray(descriptors[order])), order


def _centroids(vectors: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Return (C, 128) centroids of length 1 by spherical k-means."""
    if not len(vectors):
        return np.full((count, DESCRIPTOR_SIZE), DESCRIPTOR_SIZE**-0.5, dtype=np.float32)
    centroids = vectors[rng.permutation(len(vectors))[:count]]
    for _ in range(_ROUNDS):
        nearest = np.argmax(vectors @ centroids.T, axis=1)
        sums = np.zeros_like(centroids)
        np.add.at(sums, nearest, vectors)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centroids = np.where(length > 0, sums / np.maximum(length, 1e-9), centroids)
    return np.ascontiguousarray(centroids)


def _nearest_centroid(descriptors: Descriptors, centroids: Floats) -> NDArray[np.int64]:
    blocks = [descriptors[start : start + _BLOCK] for start in range(0, len(descriptors), _BLOCK)]
    found = [np.argmax(as_floats(block) @ centroids.T, axis=1) for block in blocks]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
