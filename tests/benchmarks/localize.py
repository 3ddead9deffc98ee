"""Single images from nothing but the map: how many are placed, how far off, how long that takes, and what wrong images do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reloc.build import make_places, make_relocalizer, make_renderer, make_undistorter
from reloc.config import RelocConfig
from reloc.estimate import Estimate
from reloc.frame import RawFrame
from reloc.geometry.calibration import load_calibration
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import load_tum
from reloc.mesh.load import load_mesh
from reloc.places.cache import load_cached_index, store_index
from reloc.places.index import build_index
from reloc.places.plan import PlaceRequest, plan_views
from reloc.sources.decode import read_image
from tests.benchmarks.castle import DEPTH
from tests.benchmarks.common import DATA, recording, say, sift_ms
from tests.benchmarks.report import Cell, Check, Report, Table
from tests.benchmarks.wrong_images import wrong_images

FRAMES_APART = 5
NEAR_M, NEAR_DEG, PLACED_LIMIT = 0.05, 5.0, 0.92
CASTLE_SHARE, CASTLE_DEG = 0.01, 0.5
QUERY_MS, QUERY_SIFTS = 300.0, 5.0
_PLACED = {
    "": "",
    "images": "d",
    "placed": ".3f",
    "TRACKED or LIMITED": ".3f",
    "believed, but off": "d",
    "median": ".4f",
    "p95": ".4f",
    "median °": ".3f",
}
_TIMES = {"": "", "median ms": ".0f", "p95 ms": ".0f", "processor ms": ".0f", "median / SIFT": ".2f"}
_WRONG = {"map": "", "images of": "", "count": "d", "believed": "d", "highest score": ".2f"}


@dataclass(frozen=True, eq=False)
class Placed:
    """What became of an image."""

    estimate: Estimate
    wall_ms: float
    cpu_ms: float
    sift_ms: float

    def error(self, true: SE3) -> tuple[float, float]:
        """Return metres and degrees to the true world_from_camera."""
        found = self.estimate.world_from_camera
        return float(np.linalg.norm(found.translation - true.translation)), float(np.degrees(rotation_angle(found, true)))


class Localizer:
    """A map with known views, which are made once and kept in the cache, and a camera."""

    def __init__(self, map_folder: str, lens: LensCamera) -> None:
        config, mesh = RelocConfig(), load_mesh(map_folder)
        self._mesh, self._lens, self._config = mesh, lens, config
        self._renderer, self._undistorter = make_renderer(config, mesh), make_undistorter(config, lens)
        index = load_cached_index(mesh)
        if index is None:
            say("indexing the map, once...")
            index = build_index(plan_views(self._renderer, mesh, PlaceRequest(config.places.views)).views)
            store_index(mesh, index)
        self._places = make_places(config, index)

    def estimate(self, raw: RawFrame) -> Estimate:
        """Return where an image was taken."""
        return make_relocalizer(
            self._config,
            self._mesh,
            self._lens,
            None,
            renderer=self._renderer,
            undistorter=self._undistorter,
            places=self._places,
        ).step(raw)

    def place(self, raw: RawFrame) -> Placed:
        """Return the same with its time and that of SIFT on the image right before, so that both meet the same machine."""
        sift = sift_ms(raw)[0]
        wall, cpu = time.perf_counter(), time.process_time()
        estimate = self.estimate(raw)
        return Placed(estimate, (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3, sift)


def main(*, quick: bool = False) -> Report:
    recorded = recording()
    step = 5 if quick else 1
    indoors = Localizer(str(recorded.map), recorded.lens)
    frames = recorded.frames[:: FRAMES_APART * step]
    indoors.place(frames[0])  # what is slow once
    placed = [indoors.place(frame) for frame in frames]
    truths = [recorded.truth.pose(recorded.truth.nearest(frame.timestamp_ns)) for frame in frames]
    tables = [
        Table(
            f"Every {FRAMES_APART * step}th frame alone, metres", _PLACED, [_row(recorded.name, placed, truths, NEAR_M, NEAR_DEG)]
        ),
        Table("Time a query", _TIMES, [_times(placed)]),
    ]
    wall, sift = (np.array([getattr(one, name) for one in placed]) for name in ("wall_ms", "sift_ms"))
    checks = [
        Check("share placed within 5 cm and 5°", _share(placed, truths, NEAR_M, NEAR_DEG), PLACED_LIMIT, "at least"),
        Check("milliseconds a query, median", float(np.median(wall)), QUERY_MS),
        Check("query / SIFT, median", float(np.median(wall / sift)), QUERY_SIFTS),
    ]
    wrong = _wrong_rows(recorded.name, indoors, wrong_images(recorded.name, (recorded.lens.width, recorded.lens.height), step))
    if (DATA / "castle").is_dir():
        lens = load_calibration(DATA / "castle" / "camera.yaml")
        outdoors = Localizer(str(DATA / "castle" / "map" / "mesh.obj"), lens)
        row, share = _castle(outdoors)
        tables.append(Table("Castle's queries, in units of the map (depth 9)", _PLACED, [row]))
        checks.append(Check("share of castle's queries within 1 % of the depth and 0.5°", share, 1.0, "at least"))
        wrong += _wrong_rows("castle", outdoors, wrong_images("castle", (lens.width, lens.height), step))
    tables.append(Table("Images that were not taken there", _WRONG, wrong))
    physical = [row for row in wrong if "mirrored" not in str(row[1])]
    checks.append(Check("wrong images believed", sum(int(row[3]) for row in physical), 0))
    notes = [
        "mirror images are no photographs and are not counted: castle's façade is nearly its own mirror image",
        "decoding is left out; SIFT is measured on the same images in turn, with as many threads as OpenCV likes",
    ]
    return Report(f"Localisation from nothing ({recorded.name})", tables, checks, notes)


def _castle(outdoors: Localizer) -> tuple[list[Cell], float]:
    truth = load_tum(DATA / "castle" / "groundtruth.txt")
    paths = sorted((DATA / "castle" / "query" / "images").glob("*.jpg"))
    placed = [outdoors.place(RawFrame(number, 0, read_image(path), path.name)) for number, path in enumerate(paths)]
    truths = [truth.pose(number) for number in range(len(paths))]
    row = _row("castle", placed, truths, CASTLE_SHARE * DEPTH, CASTLE_DEG)
    return row, _share(placed, truths, CASTLE_SHARE * DEPTH, CASTLE_DEG)


def _share(placed: Sequence[Placed], truths: Sequence[SE3], most: float, most_deg: float) -> float:
    return float(np.mean(_near(placed, truths, most, most_deg) & [one.estimate.verdict.is_believed for one in placed]))


def _near(placed: Sequence[Placed], truths: Sequence[SE3], most: float, most_deg: float) -> NDArray[np.bool_]:
    errors = np.array([one.error(true) for one, true in zip(placed, truths, strict=True)])
    return np.asarray((errors[:, 0] <= most) & (errors[:, 1] <= most_deg))


def _row(name: str, placed: Sequence[Placed], truths: Sequence[SE3], most: float, most_deg: float) -> list[Cell]:
    near = _near(placed, truths, most, most_deg)
    believed = np.array([one.estimate.verdict.is_believed for one in placed])
    errors = np.array([one.error(true) for one, true in zip(placed, truths, strict=True)])[believed]
    median, p95 = np.percentile(errors[:, 0], [50, 95]).tolist()
    off = int((believed & ~near).sum())
    return [
        name,
        len(placed),
        float((near & believed).mean()),
        float(believed.mean()),
        off,
        median,
        p95,
        float(np.median(errors[:, 1])),
    ]


def _times(placed: Sequence[Placed]) -> list[Cell]:
    wall, cpu, sift = (np.array([getattr(one, name) for one in placed]) for name in ("wall_ms", "cpu_ms", "sift_ms"))
    return ["query", float(np.median(wall)), float(np.percentile(wall, 95)), float(np.median(cpu)), float(np.median(wall / sift))]


def _wrong_rows(name: str, localizer: Localizer, images: Iterable[RawFrame]) -> list[list[Cell]]:
    # Of each only what is counted: a thousand images would fill the memory.
    found: dict[str, list[tuple[bool, float]]] = {}
    for raw in images:
        estimate = localizer.estimate(raw)
        found.setdefault(raw.name, []).append((estimate.verdict.is_believed, estimate.score))
    return [
        [name, kind, len(some), sum(believed for believed, _ in some), max(score for _, score in some)]
        for kind, some in found.items()
    ]
