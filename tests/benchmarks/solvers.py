"""The solvers side by side on the same photographs from the same starts: how near, from how far, at what cost.

Each is given one guess and a view of the map from there, and nothing else: no search, no second guess. What has a coarse-to-fine
pyramid is given a second view from where it ended, as in `reloc align`; first-order descent draws the map anew in every step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np

from reloc.align.aligner import FrameAligner
from reloc.align.features.aligner import FeatureAligner
from reloc.align.features.config import FeaturesConfig
from reloc.align.keyframe import make_keyframe
from reloc.align.layers import build_layers
from reloc.aligners import make_aligner, renderer_of_views
from reloc.build import make_renderer, make_undistorter
from reloc.config import RelocConfig, load_config
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from reloc.sources.disturb import apply_effect
from reloc.sources.effects import Effect, Moment, gain_bias, gamma, shadow
from tests.benchmarks.castle import disturbed_pose, load_queries
from tests.benchmarks.common import DATA, recording, say
from tests.benchmarks.report import Cell, Report, Table

STARTS = ((0.01, 1.0), (0.02, 2.0), (0.04, 4.0))
"""Share of the depth, degrees."""
LIGHTS: dict[str, Effect | None] = {
    "as it is": None,
    "gamma 0.5": gamma(0.5),
    "colour cast": gain_bias((1.4, 1.0, 0.6)),
    "hard shadow": shadow(0.6, 0.4, 7.0),
}
LIGHTS_STARTS = ((0.04, 4.0), (0.08, 8.0))
NEAR_SHARE, NEAR_DEG = 0.01, 0.5
"""What counts as found: rough enough for every solver at its own resolution."""
_VGG = ["features.network=vgg16", "features.weights=random"]
_SMALL = ["adam.width_px=120"]
COLUMNS = {
    "scene": "",
    "solver": "",
    "start": "",
    "starts": "d",
    "found": ".2f",
    "median % of depth": ".3f",
    "median °": ".3f",
    "steps": ".0f",
    "CPU ms": ".0f",
}
LIGHT_COLUMNS = {
    "scene": "",
    "light": "",
    "start": "",
    "solver": "",
    "starts": "d",
    "found": ".2f",
    "median % of depth": ".3f",
    "CPU ms": ".0f",
}


@dataclass(frozen=True, eq=False)
class Photograph:
    frame: RawFrame
    lens: LensCamera
    world_from_camera: SE3
    depth: float
    """Of the scene, by which errors are measured."""


@dataclass(frozen=True, eq=False)
class Scene:
    name: str
    mesh: TexturedMesh
    photographs: Sequence[Photograph]
    settings: tuple[str, ...]
    """The image size that is usual for such images."""

    @cached_property
    def renderer(self) -> Renderer:
        return make_renderer(RelocConfig(), self.mesh)


@dataclass(frozen=True)
class Ended:
    share: float
    degrees: float
    steps: int
    cpu_ms: float

    @property
    def near(self) -> bool:
        return self.share <= NEAR_SHARE and self.degrees <= NEAR_DEG


class Oriented:
    """Features by hand in place of a network's: how steeply the image rises along four directions, in a window's deviations."""

    layers = ("relu1_1",)

    def __call__(self, image: Any) -> list[Any]:
        import torch
        from torch.nn.functional import avg_pool2d, pad

        grey = image.mean(0, keepdim=True)[None]
        wide = pad(grey, (1, 1, 1, 1), mode="replicate")
        along_u, along_v = wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2], wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]
        size = avg_pool2d(pad(along_u**2 + along_v**2, (7, 7, 7, 7), mode="replicate"), 15, 1).sqrt() + 0.02
        ways = torch.cat([along_u, -along_u, along_v, -along_v], dim=1).clamp_min(0) / size
        return [avg_pool2d(pad(ways, (1, 1, 1, 1), mode="replicate"), 3, 1)[0]]


Make = Callable[[RelocConfig, TexturedMesh, Renderer], FrameAligner]


@dataclass(frozen=True, eq=False)
class Solver:
    name: str
    settings: tuple[str, ...] = ()
    make: Make = make_aligner
    views: int = 2
    starts: int = 16
    """How many are worth their time."""


def _oriented(config: RelocConfig, mesh: TexturedMesh, renderer: Renderer) -> FrameAligner:
    return FeatureAligner(FeaturesConfig(), config.align, Oriented(), renderer)  # type: ignore[arg-type]


LM = Solver("LM, locally normalised (default)")
LM_RAW = Solver("LM, intensity", ("align.residual=intensity",))
SOLVERS = [
    LM,
    LM_RAW,
    Solver("LM, locally normalised + VGG16 (random)", tuple(_VGG), starts=8),
    Solver("Adam, our shading, 240 px", ("align.solver=adam",), views=1, starts=6),
    Solver("Adam, our shading, 120 px", ("align.solver=adam", *_SMALL), views=1, starts=6),
]
PYTORCH3D = Solver(
    "Adam, PyTorch3D, 120 px", ("align.solver=adam", *_SMALL, "render.backend=pytorch3d", "pytorch3d.faces=4000"), views=1
)
PYTORCH3D_STARTS = 1
UNDER_LIGHTS = [
    LM_RAW,
    Solver("LM, intensity + VGG16 (random)", ("align.residual=intensity", "features.layers=[relu2_2]", *_VGG)),
    Solver("LM, intensity + oriented gradients", ("align.residual=intensity",), _oriented),
    LM,
    Solver("LM, locally normalised + VGG16 (random)", tuple(_VGG)),
    Solver("LM, locally normalised + oriented gradients", (), _oriented),
]


def main(*, quick: bool = False) -> Report:
    scenes = _scenes()
    if not scenes:
        return Report("Solvers", [], notes=[f"left out: there is no {DATA}"])
    rows: list[list[Cell]] = []
    for scene, solver, (share, degrees) in product(scenes, SOLVERS, STARTS[::2] if quick else STARTS):
        rows.append(_row(scene, solver, share, degrees, 4 if quick else solver.starts))
        say(str(rows[-1]))
    if find_spec("pytorch3d") is not None and not quick:
        rows += with_pytorch3d(scenes)
    lights: list[list[Cell]] = []
    for scene, (light, effect), start, solver in product(
        scenes, LIGHTS.items(), LIGHTS_STARTS[: 1 if quick else 2], UNDER_LIGHTS
    ):
        ended = _run(scene, solver, *start, 6 if quick else 10, effect)
        lights.append([scene.name, light, _named(*start), solver.name, len(ended), *_figures(ended)[:2], _figures(ended)[4]])
        say(str(lights[-1]))
    notes = [
        f"found: within {100 * NEAR_SHARE:g} % of the depth and {NEAR_DEG:g}°; medians are of those that were found",
        "one guess a start, without search; castle at its full 944 pixels, kitchen at 320",
        "random: VGG16 with weights by chance. What trained weights would do, this does not say",
    ]
    tables = [Table("From how far, how near, at what cost", COLUMNS, rows), Table("Under changed light", LIGHT_COLUMNS, lights)]
    return Report("Solvers on the same photographs", tables, notes=notes)


def with_pytorch3d(scenes: Sequence[Scene]) -> list[list[Cell]]:
    """Descend through PyTorch3D's renderings, and through ours from the same starts."""
    ours = replace(SOLVERS[-1], name=f"{SOLVERS[-1].name}, the same starts")
    rows = [_row(scene, solver, *STARTS[0], PYTORCH3D_STARTS) for scene in scenes for solver in (PYTORCH3D, ours)]
    for row in rows:
        say(str(row))
    return rows


def _scenes() -> list[Scene]:
    scenes = []
    if (DATA / "castle").is_dir():
        photographs = [Photograph(q.frame, q.lens, q.world_from_camera, 9.0) for q in load_queries()]
        mesh = load_mesh(DATA / "castle" / "map" / "mesh.obj")
        scenes.append(Scene("castle", mesh, photographs, ("undistort.working_width=960",)))
    if (DATA / "kitchen").is_dir():
        made = recording()
        frames = [made.frames[i] for i in np.linspace(10, len(made.frames) - 10, 5).astype(int)]
        photographs = [Photograph(f, made.lens, made.truth.pose(made.truth.nearest(f.timestamp_ns)), 2.0) for f in frames]
        scenes.append(Scene("kitchen", load_mesh(made.map), photographs, ()))
    return scenes


def _row(scene: Scene, solver: Solver, share: float, degrees: float, starts: int) -> list[Cell]:
    ended = _run(scene, solver, share, degrees, starts, None)
    return [scene.name, solver.name, _named(share, degrees), len(ended), *_figures(ended)]


def _named(share: float, degrees: float) -> str:
    return f"{100 * share:.0f} %/{degrees:.0f}°"


def _figures(ended: Sequence[Ended]) -> list[float]:
    """Return the share found; medians of both errors of those; medians of steps and time of all."""
    near = [one for one in ended if one.near]
    errors = [float(np.median([getattr(one, what) for one in near])) if near else float("nan") for what in ("share", "degrees")]
    costs = [float(np.median([getattr(one, what) for one in ended])) for what in ("steps", "cpu_ms")]
    return [len(near) / len(ended), 100 * errors[0], errors[1], *costs]


def _run(scene: Scene, solver: Solver, share: float, degrees: float, starts: int, effect: Effect | None) -> list[Ended]:
    """Align the scene's photographs in turn from random starts: the same ones for every solver and light."""
    config = load_config(None, [*scene.settings, *solver.settings])
    drawing = scene.renderer if config.render.backend == "software" else make_renderer(config, scene.mesh)
    aligner = solver.make(config, scene.mesh, drawing)
    renderer = renderer_of_views(config, drawing)
    ended = []
    # A first start, which compiles and loads, is not counted; those who take long pay little for that.
    for number in [*([0] if solver.views > 1 else []), *range(starts)]:
        photograph = scene.photographs[number % len(scene.photographs)]
        random = np.random.default_rng([11, number, round(1000 * share)])
        start = disturbed_pose(photograph.world_from_camera, share * photograph.depth, np.radians(degrees), random)
        ended.append(_align(config, aligner, renderer, photograph, start, solver.views, effect))
    return ended[-starts:]


def _align(
    config: RelocConfig,
    aligner: FrameAligner,
    renderer: Renderer,
    photograph: Photograph,
    world_from_camera: SE3,
    views: int,
    effect: Effect | None,
) -> Ended:
    raw, setting = photograph.frame, config.align.as_solved()
    if effect is not None:
        raw = replace(raw, image=apply_effect(raw.image, effect, Moment(raw.index, 0.0, 0)))
    frame = make_undistorter(config, photograph.lens)(raw)
    pose, steps = world_from_camera.inverse(), 0
    begin = time.process_time()
    layers = build_layers(frame.image, frame.valid, frame.camera, setting)
    for _ in range(views):
        view = make_keyframe(renderer, frame.camera, pose, setting, config.keyframe)
        found = aligner.align(view, layers, [pose])
        pose, steps = found.camera_from_world, steps + found.iterations
    milliseconds = (time.process_time() - begin) * 1e3
    moved = pose.inverse().translation - photograph.world_from_camera.translation
    turned = rotation_angle(pose.inverse(), photograph.world_from_camera)
    return Ended(float(np.linalg.norm(moved)) / photograph.depth, float(np.degrees(turned)), steps, milliseconds)
