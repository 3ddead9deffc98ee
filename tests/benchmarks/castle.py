"""From how far off a single photograph finds its pose: starts in random directions around the true one, as for `reloc align`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reloc.build import make_relocalizer
from reloc.config import RelocConfig
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, rotation_angle, rotation_exp
from reloc.geometry.trajectory import load_tum
from reloc.render.renderer import Renderer
from reloc.sources.decode import read_image
from reloc.sources.disturb import apply_effect
from reloc.sources.effects import Effect, Moment, gain_bias
from tests.benchmarks.common import DATA, NO_MESH, renderer_of, say
from tests.benchmarks.report import Cell, Check, Report, Table

DEPTH = 9.0
"""The scale of the scene in units of the map; see the data's README."""
NEAR_SHARE, NEAR_DEG = 0.003, 0.15
"""What counts as found: a share of the depth, and degrees."""
STARTS = {0.04: (4.0, 0.95), 0.08: (8.0, 0.70)}
"""Share of the depth, degrees, and the share of starts that must be found."""
EFFECTS: Mapping[str, Effect | None] = {
    "as it is": None,
    "colour cast": gain_bias((1.3, 1.0, 0.7)),
    "gain 0.5": gain_bias((0.5,)),
    "gain 2": gain_bias((2.0,)),
    "bias +0.1": gain_bias((1.0,), 0.1),
    "bias −0.1": gain_bias((1.0,), -0.1),
}
COLUMNS = {
    "image": "",
    "start": "",
    "query": "",
    "starts": "d",
    "found": ".3f",
    "TRACKED": ".3f",
    "TRACKED, not found": "d",
    "median % of depth": ".3f",
    "median °": ".3f",
    "ms": ".0f",
}

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Query:
    """A photograph with its true pose."""

    frame: RawFrame
    lens: LensCamera
    world_from_camera: SE3


@dataclass(frozen=True)
class Found:
    """Where a start has led to."""

    share: float
    """Of the depth, from the true position."""
    degrees: float
    believed: bool
    milliseconds: float

    @property
    def near(self) -> bool:
        return self.share <= NEAR_SHARE and self.degrees <= NEAR_DEG


def main(*, quick: bool = False) -> Report:
    if not (DATA / "castle").is_dir():
        return Report("Castle", [], notes=[f"left out: there is no {DATA / 'castle'}"])
    renderer = renderer_of(DATA / "castle" / "map" / "mesh.obj")
    queries = load_queries()
    rows: list[list[Cell]] = []
    checks: list[Check] = []
    for effect_name, effect in EFFECTS.items():
        starts = (20 if quick else 200) if effect is None else (5 if quick else 25)
        for share, (degrees, least) in STARTS.items():
            by_query = {q.frame.name: starts_from(q, renderer, effect, share, degrees, starts) for q in queries}
            rows += [_row(effect_name, share, degrees, name, found) for name, found in by_query.items()]
            everything = [one for found in by_query.values() for one in found]
            what = f"{effect_name}, from {100 * share:.0f} %/{degrees:.0f}°: share found"
            checks.append(Check(what, float(np.mean([one.near for one in everything])), least, "at least"))
            say(checks[-1].line())
    notes = [
        f"found: within {100 * NEAR_SHARE:g} % of the depth ({DEPTH} units) and {NEAR_DEG:g}°",
        "each start is a fresh relocalizer with one frame",
    ]
    return Report("Castle: single photographs", [Table("Starts that end at the true pose", COLUMNS, rows)], checks, notes)


def load_queries() -> list[Query]:
    folder = DATA / "castle"
    lens, truth = load_calibration(folder / "camera.yaml"), load_tum(folder / "groundtruth.txt")
    files = sorted((folder / "query" / "images").iterdir())
    frames = [RawFrame(i, int(truth.timestamps_ns[i]), read_image(file), file.stem) for i, file in enumerate(files)]
    return [Query(frame, lens, truth.pose(frame.index)) for frame in frames]


def starts_from(
    query: Query, renderer: Renderer, effect: Effect | None, share: float, degrees: float, starts: int
) -> list[Found]:
    """Align a photograph from random starts; the same ones on every run, whatever the effect."""
    image = query.frame.image if effect is None else apply_effect(query.frame.image, effect, Moment(query.frame.index, 0.0, 0))
    frame = replace(query.frame, image=image)
    random = np.random.default_rng([7, query.frame.index, round(1000 * share)])
    moved = [disturbed_pose(query.world_from_camera, share * DEPTH, np.radians(degrees), random) for _ in range(starts)]
    return [align(frame, query, renderer, start) for start in moved]


def disturbed_pose(world_from_camera: SE3, metres: float, radians: float, random: np.random.Generator) -> SE3:
    """Return the pose with its camera moved and turned by given amounts in random directions."""
    offset, axis = _direction(random), _direction(random)
    return SE3(rotation_exp(radians * axis) @ world_from_camera.rotation, world_from_camera.translation + metres * offset)


def _direction(random: np.random.Generator) -> Array:
    vector = random.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))


def align(frame: RawFrame, query: Query, renderer: Renderer, start: SE3) -> Found:
    """Do what `reloc align` does, at the image size of stills."""
    config = RelocConfig()
    config = replace(config, undistort=replace(config.undistort, working_width=config.undistort.still_width))
    estimate = make_relocalizer(config, NO_MESH, query.lens, start, renderer=renderer).step(frame)
    pose, true = estimate.world_from_camera, query.world_from_camera
    return Found(
        share=float(np.linalg.norm(pose.translation - true.translation)) / DEPTH,
        degrees=float(np.degrees(rotation_angle(pose, true))),
        believed=estimate.verdict.is_believed,
        milliseconds=estimate.milliseconds["total"],
    )


def _row(effect: str, share: float, degrees: float, name: str, found: Sequence[Found]) -> list[Cell]:
    near = [one.near for one in found]
    wrong = sum(one.believed and not one.near for one in found)
    medians = [float(np.median([getattr(one, what) for one in found])) for what in ("share", "degrees", "milliseconds")]
    believed = float(np.mean([one.believed for one in found]))
    start = f"{100 * share:.0f} %/{degrees:.0f}°"
    return [effect, start, name, len(found), float(np.mean(near)), believed, wrong, 100 * medians[0], medians[1], medians[2]]
