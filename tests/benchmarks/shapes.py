"""How far a mesh of the wrong shape misleads, and whether the covariance says so: made-up deformations, seen from anywhere.

Nothing of it is photographed: the mesh as it is gives the masks, and a deformed copy of it is aligned to them. This is what
`silhouette.model_error` and `silhouette.absorbed_misfit` were set on; the photographs check them (benchmark `silhouette`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh

from reloc.align.config import SilhouetteConfig
from reloc.align.mask_aligner import MaskAligner
from reloc.align.mask_views import MaskView, mask_view
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.software import SoftwareRenderer
from tests.benchmarks.castle import disturbed_pose
from tests.benchmarks.common import say
from tests.benchmarks.report import Cell, Check, Report, Table
from tests.benchmarks.silhouette import CHI_SQUARED_6, FOLDER, mesh

CAMERA = PinholeCamera(612, 512, 1181.0, 1181.0, 305.5, 255.5)
DISTANCE = 2.57
"""In diagonals of the object's box: that of the photographs."""
AMPLITUDES = (0.002, 0.005, 0.01, 0.02)
"""Standard deviation of the deformation, in diagonals; as much again all around."""
WAVES = 24
WAVELENGTHS = 0.3, 1.0
"""In diagonals."""
START_DEG, START_SHARE = 5.0, 0.05
COLUMNS = {
    "views": "d",
    "deformation %": ".1f",
    "runs": "d",
    "median IoU": ".3f",
    "median °": ".2f",
    "median NEES": ".1f",
    "NEES, model_error 1": ".0f",
}


@dataclass(frozen=True)
class Run:
    overlap: float
    degrees: float
    nees: float
    bare: float
    """NEES without any factor."""


def main(*, quick: bool = False) -> Report:
    if not FOLDER.is_dir():
        return Report("Wrong shapes", [], notes=[f"left out: there is no {FOLDER}"])
    rows: list[list[Cell]] = []
    medians = []
    for views in (1, 2):
        for amplitude in AMPLITUDES[::2] if quick else AMPLITUDES:
            runs = [run(mesh(), amplitude, views, seed) for seed in range(6 if quick else 16)]
            overlap, degrees, nees, bare = (
                float(np.median([getattr(one, what) for one in runs])) for what in ("overlap", "degrees", "nees", "bare")
            )
            medians += [nees] if views == 1 else []
            rows.append([views, 100 * amplitude, len(runs), overlap, degrees, nees, bare])
            say(str(rows[-1]))
    checks = [Check("one view: the largest median NEES, over what it should be", max(medians) / CHI_SQUARED_6, 2.0, "at most")]
    notes = [f"NEES: squared error over covariance, {CHI_SQUARED_6} at the median where the covariance is right"]
    return Report("Wrong shapes", [Table("A deformed blackdog", COLUMNS, rows)], checks, notes)


def run(base: TexturedMesh, amplitude: float, views: int, seed: int) -> Run:
    """Align a deformed mesh to the masks of the one that it was made of."""
    random = np.random.default_rng([seed, round(1e5 * amplitude), views])
    diagonal = float(np.linalg.norm(np.ptp(base.bounds, axis=0)))
    poses = [anywhere(base, random) for _ in range(views)]
    wrong = deformed(base, amplitude, random)
    start = disturbed_pose(poses[0].inverse(), START_SHARE * DISTANCE * diagonal, np.radians(START_DEG), random)
    config = SilhouetteConfig()
    found = MaskAligner(SoftwareRenderer(wrong), base.center, config).align(masks(base, poses), start.inverse())
    error = (found.rig_from_world @ poses[0].inverse()).log()
    nees = float(error @ np.linalg.solve(found.covariance, error))
    turned = rotation_angle(found.rig_from_world, poses[0])
    return Run(found.overlap, float(np.degrees(turned)), nees, nees * config.shape_factor(found.overlaps))


def masks(base: TexturedMesh, poses: Sequence[SE3]) -> list[MaskView]:
    """Return what cameras at poses camera_from_world see, the first of which is the rig's frame."""
    made, known = [], np.ones((CAMERA.height, CAMERA.width), bool)
    for pose in poses:
        fine = SoftwareRenderer(base).render(CAMERA.area_scaled(2 * CAMERA.width, 2 * CAMERA.height), pose).covered
        coverage = fine.reshape(CAMERA.height, 2, CAMERA.width, 2).mean(axis=(1, 3)).astype(np.float32)
        made.append(mask_view(coverage, known, CAMERA, pose @ poses[0].inverse()))
    return made


def anywhere(base: TexturedMesh, random: np.random.Generator) -> SE3:
    """Return camera_from_world of a camera that looks at the middle of a mesh from a random direction."""
    back, up = random.normal(size=(2, 3))
    forward = -back / np.linalg.norm(back)
    right = np.cross(forward, up) / np.linalg.norm(np.cross(forward, up))
    rotation = np.stack([right, np.cross(forward, right), forward])
    distance = DISTANCE * float(np.linalg.norm(np.ptp(base.bounds, axis=0)))
    return SE3(rotation, np.array([0, 0, distance]) - rotation @ base.center)


def deformed(base: TexturedMesh, amplitude: float, random: np.random.Generator) -> TexturedMesh:
    """Return a mesh moved along its normals: by a sum of waves in random directions, and all around."""
    points = base.vertices.astype(np.float64)
    diagonal = float(np.linalg.norm(np.ptp(base.bounds, axis=0)))
    normals = trimesh.Trimesh(base.vertices, base.faces, process=False).vertex_normals
    ways = random.normal(size=(WAVES, 3))
    ways *= 2 * np.pi / (diagonal * random.uniform(*WAVELENGTHS, (WAVES, 1)) * np.linalg.norm(ways, axis=1, keepdims=True))
    waves = np.cos(points @ ways.T + random.uniform(0, 2 * np.pi, WAVES)).sum(axis=1) * np.sqrt(2 / WAVES)
    moved = amplitude * diagonal * (waves + random.normal())
    return replace(base, vertices=(points + moved[:, None] * normals).astype(np.float32), derived=None)
