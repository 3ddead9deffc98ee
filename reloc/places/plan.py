"""Which views of a map to index: photographs with poses, views around given poses, or plausible ones out of the map alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reloc.errors import ConfigError, RelocError
from reloc.frame import RawFrame
from reloc.geometry.se3 import SE3
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.places.colmap import Photograph
from reloc.places.sampling import Candidate, Plausible, Rules, decided, look, representatives, sample_views
from reloc.places.views import VIEW_CAMERA, View, photographed_view, rendered_view
from reloc.render.renderer import Renderer
from reloc.sources.decode import read_image
from reloc.undistort import Undistorter

Array = NDArray[np.float64]

# Known poses are looked at themselves and this often beside them, as far off as one hand-held camera is from another.
_BESIDE, _BESIDE_SHARE, _BESIDE_DEG = 3, 0.1, 8.0
# Cameras were this much nearer or farther than those that are known.
_DISTANCE_SLACK = 2.0
# A photograph that agrees less with the map does not belong to it, or its pose is given in another frame.
_LEAST_CORRELATION = 0.2
_MOST_SAID = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PlaceRequest:
    """What a user wants indexed."""

    views: int = 400
    """How many views to render, at most."""
    plausible: Plausible = field(default_factory=Plausible)
    poses: Sequence[SE3] = ()
    """Poses camera_from_world around which to stay; none: anywhere plausible."""
    photographs: Sequence[Photograph] = ()
    """Photographs to index besides."""


@dataclass(frozen=True, eq=False)
class PlacePlan:
    """The views to index."""

    views: Sequence[Callable[[], View]]
    """Each makes a view when called."""
    photographs: int
    """How many of them, the first ones, are photographs."""


def plan_views(
    renderer: Renderer, mesh: TexturedMesh, request: PlaceRequest, progress: Callable[[float], None] = lambda share: None
) -> PlacePlan:
    """Return the views to index. Photographs that cannot be read or do not fit the map are left out, and it is said.

    Raises `ConfigError` where no pose is any good.
    """
    photographs = _fitting(renderer, _thinned(request.photographs, request.views))
    known = [*request.poses, *(one.camera_from_world for one in photographs)]
    plausible = _informed(renderer, mesh, request.plausible, known)
    if request.poses:
        poses = _around(renderer, mesh, request, plausible)
    else:
        poses = sample_views(renderer, mesh, VIEW_CAMERA, request.views, plausible, progress)
    return PlacePlan(
        [*(_Photographed(renderer, one) for one in photographs), *(_Rendered(renderer, pose) for pose in poses)], len(photographs)
    )


@dataclass(frozen=True, eq=False)
class _Rendered:
    renderer: Renderer
    camera_from_world: SE3

    def __call__(self) -> View:
        return rendered_view(self.renderer, self.camera_from_world)


@dataclass(frozen=True, eq=False)
class _Photographed:
    renderer: Renderer
    photograph: Photograph

    def __call__(self) -> View:
        one = self.photograph
        frame = Undistorter(one.lens, working_width=VIEW_CAMERA.width)(RawFrame(0, 0, read_image(one.path), one.path.name))
        return photographed_view(self.renderer, frame, one.camera_from_world)


def _thinned(photographs: Sequence[Photograph], most: int) -> Sequence[Photograph]:
    """Return at most so many photographs, evenly out of all."""
    return photographs[:: max(1, -(-len(photographs) // most))]


def _fitting(renderer: Renderer, photographs: Sequence[Photograph]) -> list[Photograph]:
    """Return the photographs that look as the map does from their poses, and say why the first of the others do not."""
    problems = [_problem(renderer, one) for one in photographs]
    said = [problem for problem in problems if problem]
    for problem in said[:_MOST_SAID]:
        _log.warning("a photograph is left out: %s", problem)
    if len(said) > _MOST_SAID:
        _log.warning("%d photographs are left out in all, of %d", len(said), len(photographs))
    return [one for one, problem in zip(photographs, problems, strict=True) if not problem]


def _problem(renderer: Renderer, photograph: Photograph) -> str:
    """Return why a photograph cannot be a view of the map, or nothing where it can."""
    try:
        view = _Photographed(renderer, photograph)()
    except RelocError as error:
        return str(error)
    rendered = rendered_view(renderer, view.camera_from_world, view.camera)
    seen = view.valid & rendered.valid
    pair = np.stack([view.image[seen], rendered.image[seen]]).astype(np.float64)
    steady = pair.shape[1] > 100 and bool((pair.std(axis=1) > 1).all())
    correlation = float(np.asarray(np.corrcoef(pair))[0, 1]) if steady else 0.0
    if correlation >= _LEAST_CORRELATION:
        return ""
    return (
        f"{photograph.path.name} does not look like the map from its pose (correlation {correlation:.2f}); are the COLMAP model "
        "and the map in one frame?"
    )


def _informed(renderer: Renderer, mesh: TexturedMesh, plausible: Plausible, known: Sequence[SE3]) -> Plausible:
    """Return what is plausible with what the known poses say filled in where the user has left it open."""
    if not known:
        return plausible
    up = plausible.up or _common_up(known)
    depths = [depth for pose in known if np.isfinite(depth := _median_depth(renderer, pose))]
    distance = plausible.distance
    if distance is None and depths:
        near, far = (float(np.percentile(depths, percent)) for percent in (5, 95))
        distance = (near / _DISTANCE_SLACK, far * _DISTANCE_SLACK)
    return replace(plausible, up=up, distance=distance)


def _common_up(known: Sequence[SE3]) -> tuple[float, float, float] | None:
    """Return the mean of the directions that are up in the images, or None where they have little in common."""
    mean = -np.stack([pose.rotation[1] for pose in known]).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return None if length < 0.7 else (float(mean[0]), float(mean[1]), float(mean[2]))


def _median_depth(renderer: Renderer, pose: SE3) -> float:
    rendering = renderer.render(VIEW_CAMERA.area_scaled(48, 36), pose)
    return float(np.median(rendering.depth[rendering.covered])) if rendering.covered.any() else float("nan")


def _around(renderer: Renderer, mesh: TexturedMesh, request: PlaceRequest, plausible: Plausible) -> list[SE3]:
    """Return views at and beside the poses of a trajectory."""
    rules = decided(plausible, mesh, VIEW_CAMERA)
    rng = np.random.default_rng(1)
    # No more than are looked at anyway: a trajectory of an hour has a hundred thousand poses.
    step = max(1, len(request.poses) // (2 * request.views))
    candidates = [one for pose in request.poses[::step] for one in _beside(renderer, pose, rules, rng)]
    if not candidates:
        raise ConfigError("from none of the given poses the map is seen; are trajectory and map in one frame?")
    return representatives(candidates, request.views)


def _beside(renderer: Renderer, pose: SE3, rules: Rules, rng: np.random.Generator) -> list[Candidate]:
    here = look(renderer, VIEW_CAMERA, pose, rules)
    if here is None:
        return []
    sigma = np.repeat([_BESIDE_SHARE * here.depth, np.radians(_BESIDE_DEG)], 3)
    beside = [look(renderer, VIEW_CAMERA, SE3.exp(rng.normal(size=6) * sigma) @ pose, rules) for _ in range(_BESIDE)]
    return [here, *(one for one in beside if one is not None)]
