"""The mesh laid out for drawing: neighbouring faces together, so that what is out of sight is skipped in bulk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FACES_PER_CLUSTER = 64
"""At most 3 · 64 corners, so that a corner's place in its cluster fits a byte."""


@dataclass(frozen=True, eq=False)
class FaceClusters:
    """Faces in the order of a space-filling curve, cut into runs of `FACES_PER_CLUSTER`, each with its own few vertices."""

    vertices: NDArray[np.float32]
    """(N, 3) in world space, those of a cluster one after another; on the seams between clusters they stand twice."""
    first_vertex: NDArray[np.int64]
    """(C + 1,) where the vertices of a cluster begin, and where the last ones end."""
    corners: NDArray[np.uint8]
    """(F, 3) the corners of each face, counted from its cluster's first vertex."""
    order: NDArray[np.int32]
    """(F,) index in the mesh of each face here."""
    centers: NDArray[np.float32]
    """(C, 3) centres of the bounding spheres."""
    radii: NDArray[np.float32]
    """(C,) their radii."""


def cluster_faces(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> FaceClusters:
    """Sort faces along a Morton curve through their centroids and bound each run of them by a sphere."""
    order = np.argsort(_morton_codes(vertices[faces].mean(axis=1)), kind="stable").astype(np.int32)
    cluster = np.repeat(np.arange(len(faces)) // FACES_PER_CLUSTER, 3)
    # One number per (cluster, vertex): equal numbers are the corners that share a vertex.
    keys, slot = np.unique(cluster * len(vertices) + faces[order].ravel(), return_inverse=True)
    clusters = int(cluster[-1]) + 1
    first = np.searchsorted(keys, np.arange(clusters + 1) * len(vertices))
    own = np.ascontiguousarray(vertices[keys % len(vertices)])
    low, high = np.minimum.reduceat(own, first[:-1], axis=0), np.maximum.reduceat(own, first[:-1], axis=0)
    # Rounding must not shrink the sphere, or a face at its rim would vanish at the edge of the image.
    radii = np.linalg.norm(high - low, axis=1) / 2 * (1 + 1e-5)
    corners = (slot - first[cluster]).astype(np.uint8).reshape(-1, 3)
    centers = ((low + high) / 2).astype(np.float32)
    return FaceClusters(own, first.astype(np.int64), corners, order, centers, radii.astype(np.float32))


def _morton_codes(points: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the interleaved bits of each point's cell in a grid of 2^16 cells an axis."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = max(float((high - low).max()), float(np.finfo(np.float32).tiny))
    cells = ((points - low) / extent * 65535).astype(np.uint64)
    codes: NDArray[np.uint64] = _spread(cells[:, 0])
    codes |= _spread(cells[:, 1]) << np.uint64(1)
    codes |= _spread(cells[:, 2]) << np.uint64(2)
    return codes


def _spread(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put two zero bits between the 16 low bits of each number."""
    x = bits.copy()
    for shift, mask in ((16, 0x0000FF0000FF), (8, 0x00F00F00F00F), (4, 0x0C30C30C30C3), (2, 0x249249249249)):
        x |= x << np.uint64(shift)
        x &= np.uint64(mask)
    return x
