"""Outlines: of a mask that was given, and of the map as it is rendered. Both are measured by one and the same operator.

A pixel is inside or outside, so an outline is known to half a pixel, and how it lies in that pixel depends on its slope. Since
the two outlines that are compared are measured alike, what the pixels do to one they do to the other, and it cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.render.renderer import Rendering
from reloc.render.visibility import points_in_world

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Smooths the staircase that pixels make of a slanted outline, so that the distance has a gradient; straight outlines stay.
_SMOOTHING_PX = 1.0
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a region of an image."""

    inside: Mask
    """(H, W), true in the region."""
    known: Mask
    """(H, W), false where it is not known whether a pixel is inside."""

    @cached_property
    def distance(self) -> NDArray[np.float32]:
        """(H, W) pixels to the outline, negative inside; infinite where there is no outline at all."""
        if self.inside.all() or not self.inside.any():
            return np.full(self.inside.shape, -np.inf if self.inside.all() else np.inf, dtype=np.float32)
        # The outline runs half-way between a pixel inside and its neighbour outside.
        outwards = cv2.distanceTransform((~self.inside).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
        inwards = cv2.distanceTransform(self.inside.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
        signed = np.where(self.inside, -inwards, outwards)
        return np.asarray(cv2.GaussianBlur(signed, (0, 0), _SMOOTHING_PX))

    @cached_property
    def rim(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pixels inside that have a neighbour known to be outside: where the image ends is no outline."""
        outside = cv2.dilate((~self.inside & self.known).view(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        rows, columns = np.nonzero(self.inside & self.known & (outside > 0))
        return rows, columns

    @property
    def area(self) -> int:
        """How many pixels are inside."""
        return int(np.count_nonzero(self.inside))


@dataclass(frozen=True, eq=False)
class RimPoints:
    """Pixels of an outline with what the comparison needs of them."""

    pixel: Array
    """(N, 2)."""
    distance: Array
    """(N,) the outline's own distance there: about −0.5."""


def outline_of_mask(coverage: NDArray[np.float32], known: Mask) -> Outline:
    """Return the outline of a mask that was averaged: a pixel is inside where at least half of it was."""
    return Outline(np.ascontiguousarray(coverage >= 0.5), known)


def outline_of_rendering(rendering: Rendering) -> Outline:
    """Return the outline of the map in a rendering."""
    covered = np.ascontiguousarray(rendering.covered)
    return Outline(covered, np.ones_like(covered))


def rim_points(outline: Outline, most: int) -> RimPoints:
    """Return at most so many pixels of an outline, evenly thinned."""
    rows, columns = (index[:: max(1, -(-len(index) // most))] for index in outline.rim)
    pixel = np.stack([columns, rows], axis=1).astype(np.float64)
    return RimPoints(pixel, outline.distance[rows, columns].astype(np.float64))


def surface_behind(rendering: Rendering, pixel: Array) -> Array:
    """Return (N, 3) the points of the map, in the world, that are rendered at pixels (N, 2) which it covers."""
    columns, rows = pixel.astype(np.int64).T
    camera: PinholeCamera = rendering.camera
    return points_in_world(camera, rendering.camera_from_world, rows, columns, rendering.depth[rows, columns])


def nearest_rim(outline: Outline, pixel: Array) -> NDArray[np.int64]:
    """Return (M, 2) the pixels (u, v) of the outline's rim that are nearest to pixels (M, 2). The rim must not be empty."""
    elsewhere = np.ones(outline.inside.shape, dtype=np.uint8)
    elsewhere[outline.rim] = 0
    _, labels = cv2.distanceTransformWithLabels(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = outline.rim
    by_label = np.empty((int(labels.max()) + 1, 2), dtype=np.int64)
    by_label[labels[rows, columns]] = np.stack([columns, rows], axis=1)
    u, v = pixel.astype(np.int64).T
    return np.asarray(by_label[labels[v, u]])


def outward_normals(outline: Outline, pixel: Array) -> Array:
    """Return (N, 2) the unit gradients of the outline's distance at pixels (N, 2)."""
    distance = outline.distance
    height, width = distance.shape
    u, v = pixel.astype(np.int64).T
    along_u = distance[v, np.minimum(u + 1, width - 1)] - distance[v, np.maximum(u - 1, 0)]
    along_v = distance[np.minimum(v + 1, height - 1), u] - distance[np.maximum(v - 1, 0), u]
    gradient = np.stack([along_u, along_v], axis=1).astype(np.float64)
    return np.asarray(gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6))


def overlap(a: Outline, b: Outline) -> float:
    """Return the intersection over union of two regions, where both are known; 0 where there is neither."""
    known = a.known & b.known
    union = np.count_nonzero((a.inside | b.inside) & known)
    return float(np.count_nonzero(a.inside & b.inside & known) / union) if union else 0.0
