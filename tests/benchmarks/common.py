"""What the benchmarks share: recordings held in memory, trackers, clocks, and errors against the ground truth."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from reloc.build import make_relocalizer, make_renderer
from reloc.config import RelocConfig
from reloc.estimate import Estimate
from reloc.evaluate.errors import absolute_errors
from reloc.frame import RawFrame
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.geometry.trajectory import Trajectory, load_tum
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource
from reloc.synthetic.recording import make_recording

PROJECT = Path(__file__).resolve().parents[2]
OUT = PROJECT / "out"
DATA = PROJECT.parent / "shared" / "data"
WARM_UP = 12
"""Frames that compile the kernels and build the texture levels before the clock runs."""

DEFAULT_CV2_THREADS = cv2.getNumThreads()


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording with its map and its ground truth."""

    name: str
    folder: Path
    map: Path
    lens: LensCamera
    truth: Trajectory
    frames: Sequence[RawFrame]

    def source(self) -> FrameSource:
        """Return the recording as a source, for what changes sources."""
        return open_source(str(self.folder))


def recording(most_frames: int | None = None) -> Recording:
    """Return kitchen, or a made-up room where kitchen is not at hand."""
    folder = recording_folder()
    source = open_source(str(folder))
    assert source.info.camera is not None
    assert source.info.groundtruth is not None
    truth = load_tum(source.info.groundtruth)
    frames = list(islice(source, most_frames))
    return Recording(folder.parent.name, folder, map_of(folder), source.info.camera, truth, frames)


@cache
def recording_folder() -> Path:
    kitchen, room = DATA / "kitchen" / "query", OUT / "benchmark_room" / "recording"
    if kitchen.is_dir():
        return kitchen
    if not (room / "timestamps.txt").is_file():
        say(f"there is no {kitchen}: making a recording in {room}")
        make_recording(room, frames=150)
    return room


def map_of(folder: Path) -> Path:
    """Return the mesh that a recording is tracked against."""
    beside = folder.parent / "map" / "mesh.obj"
    return beside if beside.is_file() else folder / "map" / "mesh.obj"


def say(text: str) -> None:
    """Tell a person what is going on; results go to stdout."""
    print(text, file=sys.stderr, flush=True)


def renderer_of(mesh: TexturedMesh | Path) -> Renderer:
    return make_renderer(RelocConfig(), load_mesh(mesh) if isinstance(mesh, Path) else mesh)


def tracker(
    renderer: Renderer, lens: LensCamera, truth: Trajectory, first: RawFrame, config: RelocConfig | None = None
) -> Relocalizer:
    """Return a relocalizer that is told where the first frame is."""
    start = truth.pose(truth.nearest(first.timestamp_ns))
    return make_relocalizer(config or RelocConfig(), NO_MESH, lens, start, renderer=renderer)


NO_MESH: Any = None
"""What `make_relocalizer` is given where the renderer already holds the mesh."""


def warm_up(renderer: Renderer, lens: LensCamera, truth: Trajectory, frames: Sequence[RawFrame]) -> None:
    """Compile the kernels and build the texture levels."""
    follow = tracker(renderer, lens, truth, frames[0])
    for frame in frames[:WARM_UP]:
        follow.step(frame)


@dataclass(frozen=True, eq=False)
class Step:
    """What is kept of a frame that was tracked: not its image, of which thousands would fill the memory."""

    timestamp_ns: int
    world_from_camera: SE3
    tracked: bool
    renewed: bool
    """Whether the map was rendered anew."""
    iterations: int
    stages_ms: Mapping[str, float]
    wall_ms: float
    cpu_ms: float
    """Of this thread: what a busy machine adds to the wall time is not in it."""

    @classmethod
    def of(cls, estimate: Estimate, wall_s: float, cpu_s: float) -> Step:
        """Keep what counts."""
        return cls(
            timestamp_ns=estimate.frame.timestamp_ns,
            world_from_camera=estimate.world_from_camera,
            tracked=estimate.verdict.is_believed,
            renewed=estimate.keyframe_renewed,
            iterations=estimate.iterations,
            stages_ms=estimate.milliseconds,
            wall_ms=wall_s * 1e3,
            cpu_ms=cpu_s * 1e3,
        )


def timed(follow: Relocalizer, frame: RawFrame) -> Step:
    wall, cpu = time.perf_counter(), time.thread_time()
    estimate = follow.step(frame)
    cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
    return Step.of(estimate, wall, cpu)


Steps = list[Step]
Name = TypeVar("Name", bound=str | int)


def in_turns(trackers: Mapping[Name, tuple[Relocalizer, Iterator[RawFrame]]], block: int = 20) -> dict[Name, Steps]:
    """Track with several trackers, `block` frames each in turn, so that all of them meet the same other load."""
    steps: dict[Name, Steps] = {name: [] for name in trackers}
    open_ = dict(trackers)
    while open_:
        for name, (follow, frames) in list(open_.items()):
            batch = list(islice(frames, block))  # made before the clock runs
            steps[name] += [timed(follow, frame) for frame in batch]
            if len(batch) < block:
                del open_[name]
    return steps


@dataclass(frozen=True)
class Times:
    """Milliseconds a frame."""

    median: float
    mean: float
    p95: float
    keyframe: float
    """Median of the frames that rendered the map anew; NaN where none did."""

    @classmethod
    def of(cls, steps: Steps, clock: Callable[[Step], float] = lambda step: step.wall_ms) -> Times:
        # The first frame is a search, which happens once a recording.
        values = np.array([clock(step) for step in steps[1:]])
        renewed = values[[step.renewed for step in steps[1:]]]
        keyframe = float(np.median(renewed)) if renewed.size else float("nan")
        return cls(float(np.median(values)), float(values.mean()), float(np.percentile(values, 95)), keyframe)

    @classmethod
    def of_cpu(cls, steps: Steps) -> Times:
        return cls.of(steps, lambda step: step.cpu_ms)


@dataclass(frozen=True)
class Accuracy:
    """Errors of the poses that are believed, against all frames."""

    median_cm: float
    p95_cm: float
    worst_cm: float
    median_deg: float
    p95_deg: float
    tracked: float
    """Share 0..1 of the frames."""
    within_2cm_1deg: float
    within_2cm_2deg: float
    beyond_5cm_5deg: int
    """How many frames are believed, and further off than that."""

    @classmethod
    def of(cls, steps: Sequence[Step], truth: Trajectory) -> Accuracy:
        believed = [step for step in steps if step.tracked]
        if not believed:
            nothing = float("nan")
            return cls(nothing, nothing, nothing, nothing, nothing, 0.0, 0.0, 0.0, 0)
        centimetres, degrees = errors(believed, truth)

        def within(most_cm: float, most_deg: float) -> float:
            return int(((centimetres <= most_cm) & (degrees <= most_deg)).sum()) / len(steps)

        median_cm, p95_cm, worst_cm = np.percentile(centimetres, [50, 95, 100]).tolist()
        median_deg, p95_deg = np.percentile(degrees, [50, 95]).tolist()
        tracked = len(believed) / len(steps)
        beyond = int(((centimetres > 5) | (degrees > 5)).sum())
        return cls(median_cm, p95_cm, worst_cm, median_deg, p95_deg, tracked, within(2, 1), within(2, 2), beyond)


def errors(steps: Sequence[Step], truth: Trajectory) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centimetres (N,) and degrees (N,) between poses and ground truth."""
    found = Trajectory.from_poses((s.timestamp_ns for s in steps), (s.world_from_camera for s in steps))
    known = truth.selected(np.array([truth.nearest(int(t)) for t in found.timestamps_ns]))
    off = absolute_errors(found, known)
    return 100 * off.position_m, np.degrees(off.rotation_rad)


def sift_ms(frame: RawFrame, threads: int = DEFAULT_CV2_THREADS) -> tuple[float, float]:
    """Return wall and processor milliseconds of SIFT on a frame, by default with as many threads as OpenCV likes."""
    grey = frame.image if frame.image.ndim == 2 else cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
    cv2.setNumThreads(threads)
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        cv2.SIFT_create().detectAndCompute(grey, None)  # type: ignore[attr-defined]  # OpenCV's own types lack it
        return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
    finally:
        cv2.setNumThreads(1)
