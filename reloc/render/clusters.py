"""The mesh laid out for drawing: neighbouring faces together, so that what is out of sight is skipped in bulk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FACES_PER_CLUSTER = 64


@dataclass(frozen=True, eq=False)
class FaceClusters:
    """Faces in the order of a space-filling curve, cut into runs of `FACES_PER_CLUSTER` with a bounding sphere each."""

    corners: NDArray[np.float32]
    """(F, 3, 3) corner positions in world space."""
    order: NDArray[np.int32]
    """(F,) index in the mesh of each face here."""
    centers: NDArray[np.float32]
    """(C, 3) centres of the bounding spheres."""
    radii: NDArray[np.float32]
    """(C,) their radii."""


def cluster_faces(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> FaceClusters:
    """Sort faces along a Morton curve through their centroids and bound each run of them by a sphere."""
    order = np.argsort(_morton_codes(vertices[faces].mean(axis=1)), kind="stable").astype(np.int32)
    corners = np.ascontiguousarray(vertices[faces[order]])
    starts = np.arange(0, len(faces), FACES_PER_CLUSTER)
    low = np.minimum.reduceat(corners.min(axis=1), starts, axis=0)
    high = np.maximum.reduceat(corners.max(axis=1), starts, axis=0)
    centers = (low + high) / 2
    # Rounding must not shrink the sphere, or a face at its rim would vanish at the edge of the image.
    radii = np.linalg.norm(high - low, axis=1) / 2 * (1 + 1e-5)
    return FaceClusters(corners, order, centers.astype(np.float32), radii.astype(np.float32))


def _morton_codes(points: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the interleaved bits of each point's cell in a grid of 2^16 cells an axis."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = max(float((high - low).max()), np.finfo(np.float32).tiny)
    cells = ((points - low) / extent * 65535).astype(np.uint64)
    return _spread(cells[:, 0]) | (_spread(cells[:, 1]) << np.uint64(1)) | (_spread(cells[:, 2]) << np.uint64(2))


def _spread(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put two zero bits between the 16 low bits of each number."""
    x = bits
    for shift, mask in ((16, 0x0000FF0000FF), (8, 0x00F00F00F00F), (4, 0x0C30C30C30C3), (2, 0x249249249249)):
        x = (x | (x << np.uint64(shift))) & np.uint64(mask)
    return x
