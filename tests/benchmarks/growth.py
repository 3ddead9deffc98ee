"""How the time a frame grows with the faces of the map and with the pixels of the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.render.renderer import Renderer
from tests.benchmarks.common import Accuracy, Recording, Steps, Times, in_turns, recording, renderer_of, tracker, warm_up
from tests.benchmarks.report import Cell, Check, Report, Table

FACES = (20_000, 50_000, 500_000, 2_000_000)
SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
GROWTH_LIMIT = 1.5
"""For 40 times the faces: from 50,000 to 2,000,000."""
COLUMNS = {
    "median ms": ".2f",
    "mean ms": ".2f",
    "p95 ms": ".2f",
    "keyframe ms": ".1f",
    "processor: median ms": ".2f",
    "mean": ".2f",
    "p95": ".2f",
    "keyframe": ".1f",
    "× median": ".2f",
    "× mean": ".2f",
    "× p95": ".2f",
    "× keyframe": ".2f",
    "error cm": ".2f",
}


def main(*, quick: bool = False) -> Report:
    recorded = recording(100 if quick else None)
    by_faces = measure_faces(recorded, FACES[:3] if quick else FACES)
    by_size = measure_sizes(recorded)
    tables = [
        Table("Faces: the same surface, cut ever finer", {"faces": ",d", **COLUMNS}, _rows(by_faces, recorded)),
        Table("Pixels: the same images, enlarged or reduced", {"image": "", **COLUMNS}, _rows(by_size, recorded)),
    ]
    base, largest = Times.of_cpu(by_faces[FACES[1]]), Times.of_cpu(by_faces[max(by_faces)])
    checks = [
        Check(
            f"{name} time, {max(by_faces):,d} against {FACES[1]:,d} faces",
            getattr(largest, name) / getattr(base, name),
            GROWTH_LIMIT,
        )
        for name in ("median", "mean", "p95", "keyframe")
    ]
    notes = [
        "× and checks are of processor time, against the first row and against 50,000 faces; the rows took turns of 20 frames",
        "images wider than the working width are reduced before they are aligned (`undistort.working_width`)",
    ]
    return Report(f"Growth ({recorded.name})", tables, checks, notes)


def _rows(measured: Mapping[int, Steps] | Mapping[str, Steps], recorded: Recording) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    first: Times | None = None
    for name, steps in measured.items():
        wall, cpu = Times.of(steps), Times.of_cpu(steps)
        first = first or cpu
        ratios = [here / there for here, there in zip(vars(cpu).values(), vars(first).values(), strict=True)]
        error = Accuracy.of(steps, recorded.truth).median_cm
        rows.append([name, *vars(wall).values(), *vars(cpu).values(), *ratios, error])
    return rows


def measure_faces(recorded: Recording, counts: Sequence[int]) -> dict[int, Steps]:
    """Track against meshes of the same surface with ever more faces."""
    coarse = recorded.map.with_name("mesh_20k.obj")
    mesh = load_mesh(coarse if coarse.is_file() else recorded.map)
    renderers: dict[int, Renderer] = {}
    for count in counts:
        mesh = subdivided(mesh, count)
        renderers[count] = renderer_of(mesh)
        warm_up(renderers[count], recorded.lens, recorded.truth, recorded.frames)
    trackers = {
        count: (tracker(renderer, recorded.lens, recorded.truth, recorded.frames[0]), iter(recorded.frames))
        for count, renderer in renderers.items()
    }
    return in_turns(trackers)


def measure_sizes(recorded: Recording) -> dict[str, Steps]:
    """Track the same images at several sizes."""
    renderer = renderer_of(recorded.map)
    trackers = {}
    for width, height in SIZES:
        lens = resized_lens(recorded.lens, width, height)
        frames = list(resized(recorded.frames[:3], recorded.lens, width, height))
        warm_up(renderer, lens, recorded.truth, frames)
        follow = tracker(renderer, lens, recorded.truth, frames[0])
        trackers[f"{width}x{height}"] = (follow, resized(recorded.frames, recorded.lens, width, height))
    return in_turns(trackers)


def resized_lens(lens: LensCamera, width: int, height: int) -> LensCamera:
    """Return the lens of images scaled to a width and cropped, above and below alike, to a height."""
    scaled = lens.scaled_to(width, round(lens.height * width / lens.width))
    top = (scaled.height - height) // 2
    return replace(scaled, height=height, cy=scaled.cy - top)


def resized(frames: Sequence[RawFrame], lens: LensCamera, width: int, height: int) -> Iterator[RawFrame]:
    """Yield the images of `lens` scaled and cropped to another size."""
    whole = (width, round(lens.height * width / lens.width))
    top = (whole[1] - height) // 2
    for frame in frames:
        shrinks = width < frame.image.shape[1]
        image = cv2.resize(frame.image, whole, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        yield replace(frame, image=np.ascontiguousarray(image[top : top + height]))


def subdivided(mesh: TexturedMesh, count: int) -> TexturedMesh:
    """Return the same surface in about `count` faces: all are quartered while there is room, then the largest."""
    while 4 * len(mesh.faces) <= count:
        mesh = quartered(mesh, np.arange(len(mesh.faces)))
    more = (count - len(mesh.faces)) // 3
    if more <= 0:
        return mesh
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return quartered(mesh, np.argpartition(-areas, more)[:more])


def quartered(mesh: TexturedMesh, chosen: NDArray[np.int64]) -> TexturedMesh:
    """Return the mesh with the chosen faces cut into four at the middles of their edges."""
    assert mesh.vertex_colors is None
    faces, uv = mesh.faces[chosen], mesh.uv[chosen]
    middles, vertices = _middles(mesh.vertices, faces)
    uv_middles = (uv + np.roll(uv, -1, axis=1)) / 2  # of the edges 01, 12, 20
    new_faces, new_uv = [], []
    for corner in range(3):
        before = (corner + 2) % 3
        new_faces.append(np.stack([faces[:, corner], middles[:, corner], middles[:, before]], axis=1))
        new_uv.append(np.stack([uv[:, corner], uv_middles[:, corner], uv_middles[:, before]], axis=1))
    keep = np.ones(len(mesh.faces), dtype=np.bool_)
    keep[chosen] = False
    return replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, vertices]),
        faces=np.concatenate([mesh.faces[keep], *new_faces, middles]).astype(np.int32),
        uv=np.concatenate([mesh.uv[keep], *new_uv, uv_middles]).astype(np.float32),
        material=np.concatenate([mesh.material[keep], np.tile(mesh.material[chosen], 4)]),
        derived=None,
    )


def _middles(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return indices (F, 3) of the middles of the edges 01, 12, 20, numbered behind `vertices`, and their positions."""
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1).astype(np.int64)
    # One number an edge: sorting pairs would take several times the memory.
    edges, which = np.unique(ends[:, 0] * len(vertices) + ends[:, 1], return_inverse=True)
    positions = (vertices[edges // len(vertices)] + vertices[edges % len(vertices)]) / 2
    return which.reshape(-1, 3) + len(vertices), positions
