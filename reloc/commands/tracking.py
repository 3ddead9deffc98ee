"""Tracks a recording into a folder: what `reloc track` and `reloc demo` have in common."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reloc import __version__
from reloc.build import (
    SESSION,
    SMOOTH,
    find_lens,
    find_map,
    make_files,
    make_relocalizer,
    make_renderer,
    make_rig_relocalizer,
    make_viewer,
)
from reloc.commands.clicking import beginning
from reloc.commands.kernels import announce_compilation
from reloc.commands.known_views import find_places
from reloc.commands.progress import progress_bar
from reloc.commands.run_folder import begin_folder, check_folder, read_summary, written_files
from reloc.commands.smoothing import smooth_run
from reloc.commands.steps import announce_cost
from reloc.config import RelocConfig
from reloc.errors import ConfigError
from reloc.estimate import Estimate, Verdict
from reloc.evaluate.inputs import RunInputs, absolute
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.rig import Rig
from reloc.geometry.se3 import SE3
from reloc.guesses import Places
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.node import RunResult, StopFlag, Tracker, run, stop_on_signals
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.sinks.sink import Sink
from reloc.smooth.second_pass import MeasurementSink
from reloc.smooth.seen import Seen
from reloc.smooth.walk import MakeRelocalizer
from reloc.sources.open import open_source
from reloc.sources.peek import peeked
from reloc.sources.source import FrameSource, SourceInfo
from reloc.undistort import Undistorter

if TYPE_CHECKING:
    from reloc.sinks.rerun_viewer import RerunSink

LOST_EXIT_CODE = 3
_STAGES_SHOWN = 6


@dataclass(frozen=True)
class Request:
    """What to track, against what, from where, into which folder."""

    source: str
    map: Path | None
    camera: Path | None
    init: str | None
    """None: anywhere in the map."""
    out: Path
    config: RelocConfig
    index: Path | None = None
    """The known views of the map; None: those in the cache."""
    mask: Path | None = None
    every: int = 1
    part: tuple[int, int | None] | None = None
    """From which frame to which, the last one not included; None is all."""
    fps: float | None = None
    smooth: bool = False
    overwrite: bool = False


def track_into_folder(request: Request) -> int:
    """Track, say how it went, and return the exit code. Raises `RelocError` where it cannot begin, or the source breaks off."""
    announce_compilation()
    with _open(request) as source:
        check_rig(request, source.info)
        mesh_file, lens = find_map(request.map, request.source), find_lens(request.camera, source.info)
        if request.smooth and not request.config.output.frames:
            raise ConfigError("--smooth works on frames.jsonl: leave output.frames at true")
        check_folder(request.out, overwrite=request.overwrite)
        raw, frames = peeked(source)
        mesh = load_mesh(mesh_file)
        renderer = make_renderer(request.config, mesh)
        start = beginning(request.init, raw, lens, mesh, renderer)
        announce_cost(request.config, renderer, lens, start)
        places = find_places(request.config, mesh, mesh_file, renderer, request.index, needed=start is None)
        relocalizer = _tracker(request.config, mesh, lens, start, renderer, places, source.info.rig)
        begin_folder(request.out, request.config, header())
        with stop_on_signals() as stop, progress_bar(source.info.length) as progress:
            inputs = _inputs(request, mesh_file, source.info)
            sinks = _make_sinks(request, lens, mesh, renderer, inputs, stop)
            measured = MeasurementSink()
            sinks += [measured] if request.smooth else []
            read_ahead = request.config.input.read_ahead
            result = run(frames, relocalizer, sinks, progress=progress, stop=stop, read_ahead=read_ahead)
    _report(result, request, source.info)
    if request.smooth and not result.stopped and not result.failed_sinks:
        _smooth(request, measured.frames, partial(_relocalizer_at, request.config, mesh, lens, renderer, relocalizer.undistorter))
    return stop.exit_code or _exit_code(result)


def _open(request: Request) -> FrameSource:
    return open_source(request.source, fps=request.fps, mask=request.mask, every=request.every, part=request.part)


def _relocalizer_at(
    config: RelocConfig, mesh: TexturedMesh, lens: LensCamera, renderer: Renderer, undistorter: Undistorter, start: SE3
) -> Relocalizer:
    """Return another relocalizer of the same map and camera, which expects its first frame near camera_from_world `start`."""
    return make_relocalizer(config, mesh, lens, start.inverse(), renderer=renderer, undistorter=undistorter)


def _smooth(request: Request, frames: Sequence[Seen], make: MakeRelocalizer) -> None:
    counts = smooth_run(request.out, frames, lambda: _open(request), make, request.config)
    brought = f"{counts.found} frames aligned in the second pass, {counts.filled} filled in between"
    print(f"{request.out / SMOOTH}: {brought}, all smoothed")


def _tracker(
    config: RelocConfig,
    mesh: TexturedMesh,
    lens: LensCamera,
    start: SE3 | None,
    renderer: Renderer,
    places: Places | None,
    rig: Rig | None,
) -> Tracker:
    """Return what tracks one camera, or the first one of a rig."""
    if rig is None or start is None:
        return make_relocalizer(config, mesh, lens, start, renderer=renderer, places=places)
    return make_rig_relocalizer(config, rig, start, renderer)


def check_rig(request: Request, info: SourceInfo) -> None:
    """Raise `ConfigError` for what only a single camera can do."""
    if info.rig is None:
        return
    if request.init is None:
        raise ConfigError("a rig is not searched in the whole map: tell where its first camera is at first with --init POSE|FILE")
    if request.mask is not None or request.camera is not None:
        raise ConfigError("--camera and --ignore are for a single camera; the cameras of a rig stand in its rig.yaml")
    if request.smooth:
        raise ConfigError("--smooth follows a single camera; track the rig without it")


def header() -> str:
    """Return what to write above the configuration, so that a run can be repeated."""
    return f"reloc {__version__}: all settings of this run, which was started by\n{shlex.join(['reloc', *sys.argv[1:]])}"


def _inputs(request: Request, mesh_file: Path, info: SourceInfo) -> RunInputs:
    """Return what the run is made from, for those who want to look at its images later."""
    return RunInputs(
        source=absolute(request.source),
        map=absolute(str(mesh_file)),
        every=request.every,
        part=request.part,
        fps=request.fps,
        mask=None if request.mask is None else absolute(str(request.mask)),
        groundtruth=None if info.groundtruth is None else absolute(str(info.groundtruth)),
    )


def _make_sinks(
    request: Request, lens: LensCamera, mesh: TexturedMesh, renderer: Renderer, inputs: RunInputs, stop: StopFlag
) -> list[Sink]:
    files = make_files(request.config, request.out, lens, inputs.as_mapping())
    viewer = make_viewer(request.config.viewer, request.out / SESSION, mesh, renderer)
    if viewer is None:
        return files
    return [*files, ServedViewer(viewer, stop) if request.config.viewer.mode == "serve" else viewer]


class ServedViewer:
    """A viewer that is served: says where it is, and stays, where somebody sits at the terminal, until it is stopped."""

    def __init__(self, viewer: RerunSink, stop: Callable[[], bool]) -> None:
        self._viewer, self._stop = viewer, stop

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Open the viewer and say where it is."""
        self._viewer.open(info, camera)
        print(f"the viewer is at {self._viewer.url}", file=sys.stderr)

    def write(self, estimate: Estimate) -> None:
        """Hand on an estimate."""
        self._viewer.write(estimate)

    def close(self) -> None:
        """Wait to be stopped, then close the viewer. The files, which come before it in the list of sinks, are closed by then."""
        if sys.stderr.isatty() and not self._stop():
            print("the recording has ended; the viewer stays until Ctrl-C", file=sys.stderr)
            while not self._stop():
                time.sleep(0.1)
        self._viewer.close()


def _exit_code(result: RunResult) -> int:
    if result.failed_sinks:
        return 1
    return LOST_EXIT_CODE if result.is_lost else 0


def _report(result: RunResult, request: Request, info: SourceInfo) -> None:
    """Print what a person wants to know after a run."""
    counts = ", ".join(f"{result.verdicts.get(verdict, 0)} {verdict}" for verdict in Verdict)
    print(f"{result.frames} frames: {counts}{' (stopped before the end)' if result.stopped else ''}")
    print(timing(read_summary(request.out).get("milliseconds")))
    print(f"{request.out}: {', '.join(written_files(request.out))}")
    for hint in next_steps(request.out, info, request.every):
        print(f"next: {hint}")
    if result.failed_sinks:
        print(f"error: {', '.join(result.failed_sinks)} failed on the way, see above; its file ends there", file=sys.stderr)
    elif result.is_lost:
        print(
            "lost: the run ended without a pose or fewer than half of its frames were tracked; frames.jsonl says why",
            file=sys.stderr,
        )


def timing(stages: object) -> str:
    """Return in words how long a frame took, from the `milliseconds` of a summary."""
    if not isinstance(stages, Mapping) or "total" not in stages:
        return "no timings"
    slowest = sorted((name for name in stages if name not in ("total", "latency")), key=lambda name: -stages[name]["median"])
    shares = ", ".join(f"{name} {stages[name]['median']:.1f}" for name in slowest[:_STAGES_SHOWN])
    latency = "" if "latency" not in stages else f"; from exposure to pose {_milliseconds(stages['latency'])}"
    return f"{_milliseconds(stages['total'], ' a frame')} ({shares}){latency}"


def _milliseconds(figures: Mapping[str, float], of: str = "") -> str:
    return f"{figures['median']:.1f} ms{of} in the median, {figures['p95']:.1f} ms for 95 of 100"


def next_steps(out: Path, info: SourceInfo, every: int = 1) -> list[str]:
    """Return the commands that a person may want to give after a run."""
    steps = []
    if info.groundtruth is not None:
        more = "" if every == 1 else f" --every {every}"
        steps.append(f"reloc evaluate {shlex.quote(str(out))} --groundtruth {shlex.quote(str(info.groundtruth))}{more}")
    if (out / SESSION).is_file():
        steps.append(f"rerun {shlex.quote(str(out / SESSION))}")
    return steps
