"""Where a camera may plausibly have been: poses from which the map is well seen, out of the map alone or around known poses.

A pose is proposed by the surface: from a point of it, step back into the free space that its normal points into, and look at it.
That needs no notion of a room: around an object and before a façade the free space is outside, in a room it is inside. What is
proposed is then looked at in a small rendering, and thrown away where the camera would stand too close, behind a wall or before
too little of the map. From what is left, those are chosen that best stand for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reloc.errors import ConfigError
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

Array = NDArray[np.float64]

# Proposals that are looked at for each view that is wanted, and the most that are proposed until there are as many.
_LOOKED_AT_PER_VIEW, _PROPOSED_PER_VIEW = 4, 60
_SURFACE_POINTS = 20_000
# A step back goes off the normal by up to this angle, and the surface point lies off the middle of the image by up to this share.
_OBLIQUE_DEG, _OFF_CENTRE = 60.0, 0.6
_ROLL_DEG = 10.0
# The small rendering that decides whether a proposal is any good.
_LOOK_WIDTH_PX = 48
_LEAST_FRONT_SHARE = 0.9
# What the size of the map, as its diagonal, says of clearance and distances where the user does not.
_CLEARANCE_SHARE, _NEAREST_SHARE, _FARTHEST_SHARE = 0.03, 0.3, 1.2
# The floor, as a percentile of the heights of the vertices: a few may have strayed below it.
_FLOOR_PERCENT = 1
# Closer than this many pixels a texel (or a vertex's share of the surface), a view holds nothing but blur.
_BLURRED_PX = 2.5


@dataclass(frozen=True)
class Plausible:
    """Where cameras are taken to have been. Lengths are in the unit of the map; None lets the map decide."""

    distance: tuple[float, float] | None = None
    """The least and largest distance to the surface in the middle of the view."""
    clearance: float | None = None
    """The least distance to any surface."""
    up: tuple[float, float, float] | None = None
    """The direction that is up in the map; without it the camera may be rolled by quarter turns."""
    height: tuple[float, float] | None = None
    """The least and largest height of the camera along `up`, above the lowest part of the map."""
    coverage: float = 0.25
    """The least share of the view that the map covers."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A pose from which the map is well seen."""

    camera_from_world: SE3
    depth: float
    """Median depth of what is seen."""


def sample_views(
    renderer: Renderer,
    mesh: TexturedMesh,
    camera: PinholeCamera,
    count: int,
    plausible: Plausible,
    progress: Callable[[float], None] = lambda share: None,
) -> list[SE3]:
    """Return up to `count` poses camera_from_world that stand for where a camera may have been; always the same for a map.

    Raises `ConfigError` where no pose satisfies what is asked for.
    """
    surface = _Surface.of(mesh, np.random.default_rng(0))
    rules = decided(plausible, mesh, camera)
    rng = np.random.default_rng(1)
    found: list[Candidate] = []
    wanted, proposed = _LOOKED_AT_PER_VIEW * count, 0
    while len(found) < wanted and proposed < _PROPOSED_PER_VIEW * count:
        poses = _proposals(surface, rules, camera, count, rng)
        proposed += count
        found += [candidate for pose in poses if (candidate := look(renderer, camera, pose, rules)) is not None]
        progress(min(1.0, max(len(found) / wanted, proposed / (_PROPOSED_PER_VIEW * count))))
    if not found:
        raise ConfigError(
            f"no camera pose was found from which the map is well seen, out of {proposed} tried; allow other distances (now "
            f"{rules.near:.3g} to {rules.far:.3g}), heights or clearance (now {rules.clearance:.3g}), or name a trajectory"
        )
    return representatives(found[:wanted], count)


@dataclass(frozen=True, eq=False)
class Rules:
    """What is plausible, with everything decided."""

    near: float
    far: float
    clearance: float
    coverage: float
    up: Array | None
    height: tuple[float, float] | None
    """Along `up`, from the origin of the map."""


@dataclass(frozen=True, eq=False)
class _Surface:
    points: Array
    """(N, 3) spread evenly over the area."""
    normals: Array
    tree: cKDTree

    @classmethod
    def of(cls, mesh: TexturedMesh, rng: np.random.Generator) -> _Surface:
        from scipy.spatial import cKDTree  # late: a run that has its index needs none of it

        cross = _doubled_normals(mesh)
        doubled = np.linalg.norm(cross, axis=1)
        chosen = rng.choice(len(doubled), _SURFACE_POINTS, p=doubled / doubled.sum())
        weights = rng.dirichlet((1.0, 1.0, 1.0), _SURFACE_POINTS)
        points = np.einsum("nk,nkd->nd", weights, mesh.vertices[mesh.faces[chosen]].astype(np.float64))
        return cls(points, cross[chosen] / doubled[chosen, None], cKDTree(points))


def _doubled_normals(mesh: TexturedMesh) -> Array:
    """Return (F, 3) the outward normals, as long as twice the area."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    return np.cross(b - a, c - a)


def _texel_side(mesh: TexturedMesh) -> float:
    """Return the median side, over the area, of a square on the surface that one texel covers, or one vertex colours."""
    doubled = np.linalg.norm(_doubled_normals(mesh), axis=1)
    if mesh.vertex_colors is not None:
        sides = np.sqrt(doubled)
    else:
        sizes = np.array([texture.shape[1::-1] for texture in mesh.textures], dtype=np.float64)[mesh.material]
        a, b = ((mesh.uv[:, corner] - mesh.uv[:, 0]) * sizes for corner in (1, 2))
        sides = np.sqrt(doubled / np.maximum(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]), 1e-9))
    order = np.argsort(sides)
    share = np.cumsum(doubled[order])
    return float(sides[order[np.searchsorted(share, share[-1] / 2)]])


def decided(plausible: Plausible, mesh: TexturedMesh, camera: PinholeCamera) -> Rules:
    """Decide what was left open by the size of the map and the fineness of its texture."""
    low, high = mesh.bounds.astype(np.float64)
    diagonal = float(np.linalg.norm(high - low))
    clearance = _CLEARANCE_SHARE * diagonal if plausible.clearance is None else plausible.clearance
    blurred = _texel_side(mesh) * camera.fx / _BLURRED_PX
    near = min(max(clearance, blurred), _NEAREST_SHARE * diagonal)
    up = None if plausible.up is None else np.array(plausible.up, dtype=np.float64) / np.linalg.norm(plausible.up)
    height = None
    if up is not None and plausible.height is not None:
        floor = float(np.percentile(mesh.vertices @ up, _FLOOR_PERCENT))
        height = (floor + plausible.height[0], floor + plausible.height[1])
    return Rules(*(plausible.distance or (near, _FARTHEST_SHARE * diagonal)), clearance, plausible.coverage, up, height)


def _proposals(surface: _Surface, rules: Rules, camera: PinholeCamera, count: int, rng: np.random.Generator) -> list[SE3]:
    """Return poses that look at the surface from the side of its normals, clear of all surface."""
    chosen = rng.choice(len(surface.points), count)
    targets, normals = surface.points[chosen], surface.normals[chosen]
    directions = _cone(normals, rng)
    distances = np.exp(rng.uniform(math.log(rules.near), math.log(rules.far), count))
    positions = targets + distances[:, None] * directions
    nearest, index = surface.tree.query(positions)
    outside = ((positions - surface.points[index]) * surface.normals[index]).sum(axis=1) > 0
    allowed = outside & (nearest >= rules.clearance)
    if rules.height is not None and rules.up is not None:
        heights = positions @ rules.up
        allowed &= (heights >= rules.height[0]) & (heights <= rules.height[1])
    half_view = np.array([camera.width / camera.fx, camera.height / camera.fy]) / 2 * _OFF_CENTRE
    return [
        SE3.exp([0, 0, 0, *_jitter(half_view, rng)]) @ looking_at(positions[k], targets[k], rules.up)
        for k in np.flatnonzero(allowed)
    ]


def _cone(axes: Array, rng: np.random.Generator) -> Array:
    """Return unit vectors (N, 3) up to `_OBLIQUE_DEG` off the axes (N, 3), evenly over the sphere's cap."""
    cosine = rng.uniform(math.cos(math.radians(_OBLIQUE_DEG)), 1.0, len(axes))
    side = np.cross(axes, rng.normal(size=axes.shape))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return cosine[:, None] * axes + np.sqrt(1 - cosine**2)[:, None] * side


def _jitter(half_view: Array, rng: np.random.Generator) -> Array:
    """Return a rotation vector (3,) that moves the target off the middle of the image and rolls the camera a little."""
    yaw, pitch = np.arctan(rng.uniform(-half_view, half_view))
    return np.array([pitch, yaw, math.radians(rng.normal(0.0, _ROLL_DEG))])


def looking_at(position: Array, target: Array, up: Array | None) -> SE3:
    """Return camera_from_world of a camera at `position` (3,) that looks at `target` (3,) and is level with regard to `up`.

    Without `up` it is level with regard to the axis of the map that it looks along least.
    """
    forward = (target - position) / np.linalg.norm(target - position)
    axis = np.eye(3)[np.argmin(np.abs(forward))] if up is None or abs(forward @ up) > 0.999 else up
    right = np.cross(forward, axis)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return SE3(rotation, -rotation @ position)


def look(renderer: Renderer, camera: PinholeCamera, pose: SE3, rules: Rules) -> Candidate | None:
    """Return the candidate at a pose, or None where a small rendering shows that nobody would see the map from there."""
    height = round(camera.height * _LOOK_WIDTH_PX / camera.width)
    rendering = renderer.render(camera.area_scaled(_LOOK_WIDTH_PX, height), pose)
    covered = rendering.covered
    if rendering.coverage < max(rules.coverage, 1e-3):
        return None
    depths = rendering.depth[covered]
    in_front = float((renderer.facing(rendering)[covered] > 0).mean())
    if in_front < _LEAST_FRONT_SHARE or float(depths.min()) < rules.clearance / 2:
        return None
    return Candidate(pose, float(np.median(depths)))


# Two views are alike if they lie within this share of their depth and this angle of one another.
_ALIKE_SHARE, _ALIKE_DEG = 0.35, 20.0


def representatives(candidates: Sequence[Candidate], count: int) -> list[SE3]:
    """Return `count` poses such that every candidate has one that is as much like it as possible.

    Greedy maximisation of the sum over the candidates of the likeness to the nearest chosen one, which is within 1 − 1/e of the
    best possible (Nemhauser, Wolsey and Fisher, 1978).
    """
    likeness = _likeness(candidates)
    best = np.zeros(len(candidates), dtype=np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gain = np.maximum(likeness - best, 0).sum(axis=1)
        gain[chosen] = -1
        chosen.append(int(np.argmax(gain)))
        best = np.maximum(best, likeness[chosen[-1]])
    return [candidates[k].camera_from_world for k in chosen]


def _likeness(candidates: Sequence[Candidate]) -> NDArray[np.float32]:
    """Return (N, N) numbers 0..1 for how alike the views of two candidates are."""
    worlds = [candidate.camera_from_world.inverse() for candidate in candidates]
    positions = np.stack([world.translation for world in worlds])
    forward = np.stack([world.rotation[:, 2] for world in worlds])
    log_depth = np.log([candidate.depth for candidate in candidates])
    depth = np.exp((log_depth[:, None] + log_depth) / 2)
    moved = np.linalg.norm(positions[:, None] - positions, axis=2) / depth / _ALIKE_SHARE
    turned = np.degrees(np.arccos(np.clip(forward @ forward.T, -1, 1))) / _ALIKE_DEG
    return np.asarray(np.exp(-(moved**2 + turned**2) / 2), dtype=np.float32)
