"""The silhouette term: the outline of the map should lie on the outline of a mask, and the mask's on the map's.

Forward, a point X of the surface that is rendered on the outline, at the pixel u₀, has the residual φ(π(exp(δ) T_cw X)) − ψ(u₀),
with the signed distances φ to the mask's outline and ψ to the map's; ψ(u₀) is about minus half a pixel. Backward, a pixel q of
the mask's outline has the residual ψ(q) − φ(q) − n · (π(exp(δ) T_cw X) − u₀), where X is rendered at the pixel u₀ of the map's
outline that is nearest to q, and n is the outward normal there: the distance from q to a tangent that moves with the surface.

Forward alone is biased: where the mask sticks out of the map, no point of the map's outline is far from the mask's. With both,
and a robust cost that grows less than the square, the sum comes near to the area between the outlines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.outline import (
    Outline,
    nearest_rim,
    outline_of_rendering,
    outward_normals,
    rim_points,
    surface_behind,
)
from reloc.align.problem import POSE_SIZE, NormalEquations, Unknowns, normal_equations
from reloc.align.robust import tukey
from reloc.geometry.camera import PinholeCamera
from reloc.render.renderer import Rendering

Array = NDArray[np.float64]

_OPEN = 1e9
"""A width that clips nothing."""
_EMPTY = np.empty((0, 3)), np.empty((0, 2)), np.empty(0)


@dataclass(frozen=True, eq=False)
class SilhouetteTerm:
    """Compares the outline of the map, as rendered at a pose near by, with that of a mask. It holds while the outline does."""

    camera: PinholeCamera
    mask: NDArray[np.float32]
    """(H, W) φ, pixels to the mask's outline, negative inside; NaN where it is not known."""
    rim_in_world: Array
    """(N, 3) points of the surface on the map's outline,"""
    rim_pixel: Array
    """(N, 2) where they were rendered,"""
    rim_offset: Array
    """(N,) and ψ there."""
    answer_in_world: Array
    """(M, 3) for each pixel of the mask's outline the point of the surface on the map's outline that was nearest,"""
    answer_pixel: Array
    """(M, 2) where that was rendered,"""
    answer_normal: Array
    """(M, 2) the outward normal of the map's outline,"""
    answer_gap: Array
    """(M,) and how far the mask's outline lay outside the map's."""
    width: float = _OPEN
    """Pixels at which the robust cost levels out."""

    def clipped_at(self, width: float) -> SilhouetteTerm:
        """Return the same comparison with another width of the robust cost."""
        return replace(self, width=width)

    def linearize(self, unknowns: Unknowns) -> NormalEquations:
        """Return cost and quadratic model at these unknowns; what of them is no pose has no part in it."""
        jacobian, residual, weight, cost = self._rows(unknowns)
        seen = ~np.isnan(residual)
        hessian, gradient = normal_equations(jacobian, np.where(seen, residual, 0.0), weight)
        return NormalEquations(hessian, gradient, cost, int(np.count_nonzero(seen)))

    def residuals(self, unknowns: Unknowns) -> Array:
        """Return (N + M,) pixels, first those of the map's outline, then those of the mask's; NaN where nothing is known."""
        return self._rows(unknowns)[1]

    def sectors(self, count: int) -> list[SilhouetteTerm]:
        """Return the comparison cut into so many parts, by the direction from the middle of the map's outline."""
        if not len(self.rim_pixel):
            return [self]
        middle = self.rim_pixel.mean(axis=0)
        rim, answer = (_sector(pixel - middle, count) for pixel in (self.rim_pixel, self.answer_pixel))
        return [self._part(rim == sector, answer == sector) for sector in range(count)]

    def _part(self, rim: NDArray[np.bool_], answer: NDArray[np.bool_]) -> SilhouetteTerm:
        return replace(
            self,
            rim_in_world=self.rim_in_world[rim],
            rim_pixel=self.rim_pixel[rim],
            rim_offset=self.rim_offset[rim],
            answer_in_world=self.answer_in_world[answer],
            answer_pixel=self.answer_pixel[answer],
            answer_normal=self.answer_normal[answer],
            answer_gap=self.answer_gap[answer],
        )

    def _rows(self, unknowns: Unknowns) -> tuple[Array, Array, Array, float]:
        """Return Jacobian (6 + E, N + M), residuals (N + M,), robust weights (N + M,) and the cost."""
        size, rim, count = (
            POSE_SIZE + len(unknowns.exposure),
            len(self.rim_in_world),
            len(self.rim_in_world) + len(self.answer_in_world),
        )
        jacobian, residual, weight = np.zeros((size, count)), np.full(count, np.nan), np.zeros(count)
        view = unknowns.rotation, unknowns.translation, self.camera.intrinsics, self.width
        cost = _rim(self.rim_in_world, self.rim_offset, self.mask, *view, jacobian[:, :rim], residual[:rim], weight[:rim])
        answers = self.answer_in_world, self.answer_pixel, self.answer_normal, self.answer_gap
        cost += _answers(*answers, *view, jacobian[:, rim:], residual[rim:], weight[rim:])
        return jacobian, residual, weight, cost


def silhouette_term(mask: Outline, rendering: Rendering, points: int) -> SilhouetteTerm:
    """Return the comparison of a mask with the map as rendered, by at most so many points of either outline."""
    drawn = outline_of_rendering(rendering)
    rim, asked = rim_points(drawn, points), rim_points(mask, points)
    answer_in_world, answer_pixel, gap = _EMPTY
    normal = answer_pixel
    if len(rim.pixel) and len(asked.pixel):
        answer_pixel = nearest_rim(drawn, asked.pixel).astype(np.float64)
        answer_in_world = surface_behind(rendering, answer_pixel)
        normal = outward_normals(drawn, answer_pixel)
        columns, rows = asked.pixel.astype(np.int64).T
        gap = drawn.distance[rows, columns] - asked.distance
    return SilhouetteTerm(
        camera=rendering.camera,
        mask=np.where(mask.known, mask.distance, np.float32(np.nan)),
        rim_in_world=surface_behind(rendering, rim.pixel),
        rim_pixel=rim.pixel,
        rim_offset=rim.distance,
        answer_in_world=answer_in_world,
        answer_pixel=answer_pixel,
        answer_normal=normal,
        answer_gap=gap,
    )


def _sector(offset: Array, count: int) -> NDArray[np.int64]:
    """Return (N,) in which of `count` equal sectors around the origin the offsets (N, 2) lie."""
    turn = np.arctan2(offset[:, 1], offset[:, 0]) / (2 * np.pi) + 0.5
    return np.minimum((turn * count).astype(np.int64), count - 1)


@njit(cache=True, nogil=True, inline="always")
def _in_camera(points, i, rotation, translation):  # type: ignore[no-untyped-def]
    px, py, pz = points[i, 0], points[i, 1], points[i, 2]
    x = rotation[0, 0] * px + rotation[0, 1] * py + rotation[0, 2] * pz + translation[0]
    y = rotation[1, 0] * px + rotation[1, 1] * py + rotation[1, 2] * pz + translation[1]
    z = rotation[2, 0] * px + rotation[2, 1] * py + rotation[2, 2] * pz + translation[2]
    return x, y, z


@njit(cache=True, nogil=True, inline="always")
def _set_column(jacobian, k, gu, gv, x, y, z, fx, fy):  # type: ignore[no-untyped-def]
    """Write ∂r/∂δ for ∂r/∂(u, v): through the pinhole, then (∇, P × ∇) for the left perturbation."""
    jx, jy = gu * fx / z, gv * fy / z
    jz = -(jx * x + jy * y) / z
    jacobian[0, k], jacobian[1, k], jacobian[2, k] = jx, jy, jz
    jacobian[3, k], jacobian[4, k], jacobian[5, k] = y * jz - z * jy, z * jx - x * jz, x * jy - y * jx


@njit(cache=True, nogil=True, error_model="numpy")
def _rim(points, offset, mask, rotation, translation, intrinsics, width, jacobian, residual, weight):  # type: ignore[no-untyped-def]
    """Write the rows of the map's outline; return their cost."""
    fx, fy, cx, cy = intrinsics
    cost = 0.0
    for i in range(len(points)):
        x, y, z = _in_camera(points, i, rotation, translation)
        if z <= 0.0:
            continue
        u, v = fx * x / z + cx, fy * y / z + cy
        if not (u >= 0.0 and v >= 0.0 and u < mask.shape[1] - 1 and v < mask.shape[0] - 1):
            continue
        column, row = int(u), int(v)
        a, b = u - column, v - row
        m00, m01 = mask[row, column], mask[row, column + 1]
        m10, m11 = mask[row + 1, column], mask[row + 1, column + 1]
        # A float64 sum of float32 corners: the gradient below is exactly the derivative of this value.
        r = (1.0 - b) * ((1.0 - a) * m00 + a * m01) + b * ((1.0 - a) * m10 + a * m11) - offset[i]
        if not np.isfinite(r):
            continue
        rho, weight[i] = tukey(r, width)
        cost += rho
        residual[i] = r
        gu = (1.0 - b) * (m01 - m00) + b * (m11 - m10)
        gv = (1.0 - a) * (m10 - m00) + a * (m11 - m01)
        _set_column(jacobian, i, gu, gv, x, y, z, fx, fy)
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def _answers(points, pixel, normal, gap, rotation, translation, intrinsics, width, jacobian, residual, weight):  # type: ignore[no-untyped-def]
    """Write the rows of the mask's outline; return their cost."""
    fx, fy, cx, cy = intrinsics
    cost = 0.0
    for i in range(len(points)):
        x, y, z = _in_camera(points, i, rotation, translation)
        if z <= 0.0:
            continue
        nu, nv = normal[i, 0], normal[i, 1]
        r = gap[i] - nu * (fx * x / z + cx - pixel[i, 0]) - nv * (fy * y / z + cy - pixel[i, 1])
        rho, weight[i] = tukey(r, width)
        cost += rho
        residual[i] = r
        _set_column(jacobian, i, -nu, -nv, x, y, z, fx, fy)
    return cost
