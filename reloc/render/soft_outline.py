"""A soft silhouette in torch, on the visibility of any renderer.

Liu et al., "Soft Rasterizer", ICCV 2019: a pixel at the distance d from a triangle is covered by it with the probability
σ(±d² / s²), inside plus, and by the mesh with 1 − Π(1 − p) over its triangles. Of a fine mesh, many triangles lie near to a
pixel, and the product swells. Here d is the distance to the outline of the whole mesh, as if it were one triangle, which neither
swells nor costs more with more triangles.

Which pixels the mesh covers, and which edge of it is the nearest to a pixel, is taken as fixed; where that edge lies moves with
the pose.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.contour import Edges, contour, edges_of
from reloc.render.renderer import Renderer

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]

LEAST_ALPHA = 1e-4
"""What is covered by less than this, or by all but this, is taken for 0 or 1."""
# The nearest edge of a pixel is looked for among points on the edges, which are so close together.
_SAMPLE_PX = 0.25
# A point of the outline is drawn within this of a pixel of the other side; what is not is a fold inside.
_ON_OUTLINE_PX = 1.5


class SoftOutline:
    """Draws a soft silhouette; see `SoftRenderer`.

    Args:
        mesh: The map.
        visibility: What finds the pixels that it covers; it draws the same mesh.
        softness_px: s, over how many pixels the outline fades.
        device: Where torch computes, `cpu` or `cuda`.
        double: float64 rather than float32, for comparisons.
    """

    def __init__(
        self, mesh: TexturedMesh, visibility: Renderer, *, softness_px: float, device: str = "cpu", double: bool = False
    ) -> None:
        import torch

        self._torch = torch
        self._mesh = mesh
        self._visibility = visibility
        self._softness = softness_px
        self._device = device
        self._dtype = torch.float64 if double else torch.float32

    @property
    def device(self) -> str:
        """Where the tensors live."""
        return self._device

    def alpha(self, camera: PinholeCamera, camera_from_world: Tensor) -> Tensor:
        """Return (H, W) how far each pixel is covered, from a pose, a matrix (4, 4)."""
        torch = self._torch
        pose = SE3.from_matrix(camera_from_world.detach().cpu().double().numpy())
        covered = self._visibility.render(camera, pose).covered
        hard = torch.from_numpy(covered).to(self._device, self._dtype)
        place, ends = self._nearest_edges(camera, pose, covered)
        pixel = self._tensor(_pixels(place, camera))
        squares = _squared_distance(pixel, *self._drawn(camera, camera_from_world, ends).unbind(1))
        index = torch.from_numpy(place).to(self._device)
        inside = hard.reshape(-1)[index] > 0
        soft = torch.sigmoid(torch.where(inside, squares, -squares) / self._softness**2)
        return hard.reshape(-1).index_copy(0, index, soft).reshape(hard.shape)

    def _nearest_edges(
        self, camera: PinholeCamera, pose: SE3, covered: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (N,) the pixels near the outline, counted row by row, and (N, 2) the vertices of the edge nearest to each."""
        # Late, like torch: only who descends on outlines needs it.
        from scipy.spatial import cKDTree

        away = _away_from_outline(covered)
        edge, points = self._outline_points(camera, pose, away)
        reach = self._softness * math.sqrt(math.log(1 / LEAST_ALPHA - 1))
        near = away <= reach + 1
        outside, inside = (np.flatnonzero(near & side) for side in (~covered, covered))
        if not len(points) or not len(outside):
            return np.empty(0, np.int64), np.empty((0, 2), np.int64)
        seen = edge[cKDTree(points).query(_pixels(outside, camera))[1]]
        # Folds of the surface lie right behind its outline: only what is nearest to something outside is outline.
        outline = np.isin(edge, seen)
        behind = edge[outline][cKDTree(points[outline]).query(_pixels(inside, camera))[1]]
        return np.concatenate([outside, inside]), self._edges.ends[np.concatenate([seen, behind])]

    def _outline_points(self, camera: PinholeCamera, pose: SE3, away: NDArray[np.float32]) -> tuple[NDArray[np.int64], Array]:
        """Return points (K, 2) of the outline in pixels, close together, and (K,) the edges that they are on."""
        candidates = contour(self._edges, self._vertices, pose.inverse().translation)
        ends = pose.apply(self._vertices[self._edges.ends[candidates]].reshape(-1, 3)).reshape(-1, 2, 3)
        in_front = (ends[:, :, 2] > 0).all(axis=1)
        drawn = camera.project(ends[in_front])
        may_show = _may_show(drawn, camera)
        drawn, candidates = drawn[may_show], candidates[in_front][may_show]
        number = np.ceil(np.linalg.norm(drawn[:, 1] - drawn[:, 0], axis=1) / _SAMPLE_PX).astype(np.int64) + 1
        which = np.repeat(np.arange(len(number)), number)
        first = np.cumsum(number) - number
        share = ((np.arange(len(which)) - first[which]) / np.maximum(number[which] - 1, 1))[:, None]
        points = (1 - share) * drawn[which, 0] + share * drawn[which, 1]
        columns, rows = np.rint(points).astype(np.int64).T
        inside = (columns >= 0) & (rows >= 0) & (columns < camera.width) & (rows < camera.height)
        inside[inside] = away[rows[inside], columns[inside]] <= _ON_OUTLINE_PX
        return candidates[which[inside]], points[inside]

    def _drawn(self, camera: PinholeCamera, camera_from_world: Tensor, vertices: NDArray[np.int64]) -> Tensor:
        """Return (N, 2, 2) the pixels at which vertices (N, 2) are drawn."""
        torch = self._torch
        pose = camera_from_world.to(self._device, self._dtype)
        points = self._tensor(self._vertices[vertices]) @ pose[:3, :3].T + pose[:3, 3]
        x, y, z = points.unbind(-1)
        return torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], dim=-1)

    def _tensor(self, values: NDArray[np.generic]) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device, self._dtype)

    @cached_property
    def _edges(self) -> Edges:
        return edges_of(self._mesh)

    @cached_property
    def _vertices(self) -> Array:
        return self._mesh.vertices.astype(np.float64)


def _away_from_outline(covered: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return (H, W) pixels from each pixel to the nearest one on the other side of the outline, infinite where there is none."""
    if covered.all() or not covered.any():
        return np.full(covered.shape, np.inf, np.float32)
    sides = [cv2.distanceTransform(side.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in (covered, ~covered)]
    return np.asarray(sides[0] + sides[1])  # either is 0 where the other is not


def _pixels(place: NDArray[np.int64], camera: PinholeCamera) -> NDArray[np.int64]:
    """Return (N, 2) the pixels (u, v) that are counted row by row."""
    rows, columns = np.divmod(place, camera.width)
    return np.stack([columns, rows], axis=1)


def _may_show(drawn: Array, camera: PinholeCamera) -> NDArray[np.bool_]:
    """Return (E,) which of the edges (E, 2, 2), in pixels, do not lie wholly beyond one side of the image."""
    low, high = drawn.min(axis=1), drawn.max(axis=1)
    return np.asarray((high > -1).all(axis=1) & (low < (camera.width, camera.height)).all(axis=1))


def _squared_distance(point: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return (N,) the squared distances of points (N, 2) from the segments between a and b, both (N, 2)."""
    along = b - a
    share = ((point - a) * along).sum(-1) / (along**2).sum(-1).clamp_min(1e-12)
    return ((point - a - share.clamp(0.0, 1.0)[:, None] * along) ** 2).sum(-1)
