"""Whole recordings through the pipeline with its defaults, and how far the poses are from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from reloc.build import make_relocalizer
from reloc.config import RelocConfig
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.mesh.load import load_mesh
from reloc.relocalizer import Relocalizer
from reloc.render.software import SoftwareRenderer
from reloc.sources.disturb import disturbed
from reloc.sources.open import open_source


@dataclass(frozen=True, eq=False)
class Place:
    """A real map, its camera and its true poses."""

    renderer: SoftwareRenderer
    lens: LensCamera
    truth: Trajectory

    def relocalizer(self, world_from_camera: SE3) -> Relocalizer:
        """Return a relocalizer with the default configuration."""
        return make_relocalizer(RelocConfig(), self.renderer.mesh, self.lens, world_from_camera, renderer=self.renderer)


@dataclass(frozen=True, eq=False)
class Errors:
    """One entry a frame."""

    cm: np.ndarray
    deg: np.ndarray
    believed: np.ndarray
    """TRACKED, or LIMITED: by the occluder or the darkness that a disturbance is."""

    def share_within(self, cm: float, deg: float) -> float:
        """The share of all frames that are believed and so near; a frame without a pose is a miss."""
        return float(np.mean(self.believed & (self.cm <= cm) & (self.deg <= deg)))

    def believed_beyond(self, cm: float, deg: float) -> int:
        """How many frames have a pose that is believed, with whatever weakness, and are not even so near."""
        return int(np.count_nonzero(self.believed & ((self.cm > cm) | (self.deg > deg))))


@cache
def kitchen_place(folder: Path) -> Place:
    query = folder / "query"
    mesh, lens = load_mesh(folder / "map" / "mesh.obj"), load_calibration(query / "camera.yaml")
    return Place(SoftwareRenderer(mesh), lens, load_tum(query / "groundtruth.txt"))


@cache
def castle_place(folder: Path) -> Place:
    mesh, lens = load_mesh(folder / "map" / "mesh.obj"), load_calibration(folder / "camera.yaml")
    return Place(SoftwareRenderer(mesh), lens, load_tum(folder / "groundtruth.txt"))


def kitchen_errors(
    folder: Path, *, every: int = 1, first: int = 0, disturbance: str = "none", offset: SE3 | None = None
) -> Errors:
    """Track each `every`th frame of kitchen from its true first pose, or beside it, and measure every pose that comes out."""
    place = kitchen_place(folder)
    relocalizer = place.relocalizer((offset or SE3.identity()) @ place.truth.pose(first))
    rows = []
    with disturbed(open_source(str(folder / "query"), every=every, part=(first, None)), disturbance) as source:
        for raw in source:
            estimate = relocalizer.step(raw)
            true = place.truth.pose(place.truth.nearest(raw.timestamp_ns))
            rows.append((*distances(estimate.world_from_camera, true), estimate.verdict.is_believed))
    metres, radians, believed = np.array(rows).T
    return Errors(100 * metres, np.degrees(radians), believed.astype(bool))


def distances(a: SE3, b: SE3) -> tuple[float, float]:
    """The distance in metres of two positions and the angle in radians of two rotations."""
    return float(np.linalg.norm(a.translation - b.translation)), rotation_angle(a, b)


@cache
def castle_frames(folder: Path) -> tuple[RawFrame, ...]:
    with open_source(str(folder / "query")) as source:
        return tuple(source)
