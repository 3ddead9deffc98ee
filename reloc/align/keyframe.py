"""A view of the map from near the camera: the points to align and how they look from there. Reused while the view holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reloc.align.config import AlignConfig, KeyframeConfig
from reloc.align.layers import Kind, Layer, Layers, build_layers
from reloc.align.photometric import ReferencePoints
from reloc.align.probes import Probes, make_probes
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.render.renderer import Renderer, Rendering
from reloc.render.visibility import SurfaceRule, away_from_rims, cell_size, points_in_world, strongest_in_cells, usable_surface


@dataclass(frozen=True, eq=False)
class Keyframe:
    """The rendered reference that frames are aligned to."""

    rendering: Rendering
    depth: float
    """Median depth in metres of what is covered; NaN where nothing is."""
    coverage: float
    """Share 0..1 of the view that the map covers."""
    references: tuple[dict[Kind, ReferencePoints], ...]
    """For each level, finest first, the points of each kind."""
    layers: Layers
    """How the map looks from there."""
    allowed: tuple[NDArray[np.bool_], ...]
    """For each level (h, w), which of its pixels show surface that can be aligned."""

    @property
    def camera_from_world(self) -> SE3:
        """Where the map was seen from."""
        return self.rendering.camera_from_world

    @cached_property
    def probes(self) -> Probes:
        """The points that are asked what the camera has done to an image."""
        return make_probes(self.references[0][self.layers.kind], self.layers, self.rendering)

    def holds_at(self, camera_from_world: SE3, config: KeyframeConfig) -> bool:
        """Return whether a view from there is close enough to this one for its points to serve."""
        here, there = self.camera_from_world.inverse().translation, camera_from_world.inverse().translation
        moved = float(np.linalg.norm(here - there))
        turned = np.degrees(rotation_angle(self.camera_from_world, camera_from_world))
        return bool(moved <= config.moved_share * self.depth and turned <= config.turned_deg)

    def apart_px(self, a: SE3, b: SE3) -> float:
        """Return how far two poses camera_from_world move the image apart, in pixels of the finest level, at the median depth."""
        difference = (a @ b.inverse()).log()
        angle = math.hypot(float(np.linalg.norm(difference[:3])) / self.depth, float(np.linalg.norm(difference[3:])))
        return self.rendering.camera.fx * angle


def make_keyframe(
    renderer: Renderer,
    camera: PinholeCamera,
    camera_from_world: SE3,
    align: AlignConfig,
    config: KeyframeConfig,
    *,
    zoom: float = 1.0,
) -> Keyframe:
    """Render the map from a pose, with a share `zoom` of the focal length, and pick the points to align on every level."""
    camera = replace(camera, fx=zoom * camera.fx, fy=zoom * camera.fy)
    rendering = renderer.render(camera, camera_from_world)
    image = renderer.shade(rendering, color=align.exposure == "rgb")
    layers = build_layers(image, rendering.covered, camera, align)
    rule = SurfaceRule(config.grazing_cosine, config.depth_step, config.two_sided)
    usable = usable_surface(rendering, renderer.facing(rendering), rule)
    allowed = tuple(away_from_rims(usable, level, config.rim_px) for level in range(len(layers)))
    references = pick_references(layers, allowed, rendering, align)
    return Keyframe(rendering, _median(rendering.depth[rendering.covered]), rendering.coverage, references, layers, allowed)


def _median(values: NDArray[np.float32]) -> float:
    """Return the (upper) median, NaN of nothing: np.median takes twice as long, looking for NaN."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle]) if values.size else float("nan")


def pick_references(
    layers: Layers, allowed: Sequence[NDArray[np.bool_]], rendering: Rendering, align: AlignConfig
) -> tuple[dict[Kind, ReferencePoints], ...]:
    """Pick, at each level of the layers, the strongest gradients of each kind among the allowed pixels."""
    return tuple(
        {
            kind: _reference_points(layers.at(level, kind), level, allowed[level], rendering, align.points)
            for kind in layers.kinds_at(level)
        }
        for level in range(len(layers))
    )


def _reference_points(layer: Layer, level: int, allowed: NDArray[np.bool_], rendering: Rendering, points: int) -> ReferencePoints:
    values = layer.values
    rows, columns = strongest_in_cells(values, allowed, cell_size(int(np.count_nonzero(allowed)), points))
    # pyrDown keeps the even pixels, so a pixel of this level lies exactly on one of the finest.
    depth = rendering.depth[rows << level, columns << level]
    in_world = points_in_world(layer.camera, rendering.camera_from_world, rows, columns, depth)
    shape = len(rows), values.shape[2]
    value, gradient = np.empty(shape), np.empty((*shape, 2))
    _look_up(values, rows, columns, value, gradient)
    return ReferencePoints(in_world, value, gradient)


@njit(cache=True, nogil=True)
def _look_up(values, rows, columns, value, gradient):  # type: ignore[no-untyped-def]
    """Write the values (N, C) at some pixels, and their central differences along u and v (N, C, 2)."""
    for i in range(len(rows)):
        v, u = rows[i], columns[i]
        for c in range(values.shape[2]):
            value[i, c] = values[v, u, c]
            gradient[i, c, 0] = (values[v, u + 1, c] - values[v, u - 1, c]) / 2
            gradient[i, c, 1] = (values[v + 1, u, c] - values[v - 1, u, c]) / 2
