"""Tracks a live camera into a folder: what `reloc live` does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reloc.build import (
    SESSION,
    SUMMARY,
    find_lens,
    find_map,
    make_consumers,
    make_relocalizer,
    make_renderer,
    make_text_files,
    make_undistorter,
    make_viewer,
)
from reloc.commands.clicking import refuse_click
from reloc.commands.kernels import announce_compilation
from reloc.commands.known_views import find_places
from reloc.commands.live_line import live_line
from reloc.commands.run_folder import begin_folder, check_folder, read_summary, written_files
from reloc.commands.stopping import StopRequest, stop_request
from reloc.commands.tracking import LOST_EXIT_CODE, header, next_steps, timing
from reloc.config import RelocConfig
from reloc.estimate import Estimate, Verdict
from reloc.first_pose import first_pose, some_pose
from reloc.frame import RawFrame
from reloc.geometry.camera import PinholeCamera
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.health import HealthSink, HealthState
from reloc.live import LiveCamera
from reloc.live_node import run_live, warm_up
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.node import RunResult
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.sinks.queued import QueuedSink, QueueStatus
from reloc.sinks.sink import Sink
from reloc.sinks.summary import SummarySink
from reloc.sources.live import open_camera
from reloc.sources.options import CameraOptions
from reloc.sources.source import SourceInfo

if TYPE_CHECKING:
    from reloc.sinks.rerun_viewer import RerunSink

# The recorder and the viewer give up by themselves before this.
_CLOSE_TIMEOUT_S = 70.0


@dataclass(frozen=True)
class LiveRequest:
    """What to track, against what, from where, into which folder, and for how long."""

    camera: str
    options: CameraOptions
    map: Path | None
    calibration: Path | None
    init: str | None
    """None: anywhere in the map."""
    out: Path
    config: RelocConfig
    index: Path | None = None
    """The known views of the map; None: those in the cache."""
    duration_s: float | None = None
    overwrite: bool = False


def track_live(request: LiveRequest) -> int:
    """Track until the end, say how it went, and return the exit code. Raises `RelocError` where it cannot begin."""
    announce_compilation()
    refuse_click(request.init)
    with stop_request() as stop:
        open_again = partial(open_camera, request.camera, request.options)
        source = open_again()
        # Whatever is wrong comes out before the camera is started.
        lens = find_lens(request.calibration, source.info, "--calibration")
        mesh_file = find_map(request.map, request.camera)
        pose = None if request.init is None else some_pose(request.init)
        check_folder(request.out, overwrite=request.overwrite)
        mesh = load_mesh(mesh_file)
        begin_folder(request.out, request.config, header())
        camera = LiveCamera(source, None if source.info.replayed else open_again, request.config.live)
        room = _Room(request, mesh, mesh_file, lens)
        outputs = _make_outputs(request, room, camera)
        with live_line(camera.status) as show:
            result = run_live(
                camera,
                lambda raw: room.relocalizer(_first_pose(request.init, raw)),
                outputs.sinks,
                room.undistorter.full_camera,
                ready=lambda: warm_up(lambda: room.relocalizer(pose), room.renderer, lens, room.some_pose(pose)),
                progress=show,
                idle=outputs.summary.refresh,
                stop=_until(stop, request.duration_s),
            )
    _report(result, request, camera)
    return 0 if stop() else _exit_code(result)


class _Room:
    """What relocalizers share."""

    def __init__(self, request: LiveRequest, mesh: TexturedMesh, mesh_file: Path, lens: LensCamera) -> None:
        self.mesh, self.lens = mesh, lens
        self.renderer: Renderer = make_renderer(request.config, mesh)
        self.undistorter = make_undistorter(request.config, lens)
        self._config = request.config
        self._places = find_places(request.config, mesh, mesh_file, self.renderer, request.index, needed=request.init is None)

    def relocalizer(self, world_from_camera: SE3 | None) -> Relocalizer:
        return make_relocalizer(
            self._config,
            self.mesh,
            self.lens,
            world_from_camera,
            renderer=self.renderer,
            undistorter=self.undistorter,
            places=self._places,
        )

    def some_pose(self, world_from_camera: SE3 | None) -> SE3:
        """Return a pose from which something is seen: the one given, or a known view's."""
        if world_from_camera is not None:
            return world_from_camera
        assert self._places is not None
        return self._places.index.pose(0).inverse()


@dataclass(frozen=True, eq=False)
class _Outputs:
    sinks: list[Sink]
    summary: SummarySink


def _make_outputs(request: LiveRequest, room: _Room, camera: LiveCamera) -> _Outputs:
    """Return the sinks: small files at once, whatever may be slow behind a queue of its own."""
    consumers = make_consumers(request.config, request.out, room.lens)
    viewer = make_viewer(request.config.viewer, request.out / SESSION, room.mesh, room.renderer)
    queued = [QueuedSink(sink, close_timeout_s=_CLOSE_TIMEOUT_S) for sink in consumers]
    if viewer is not None:
        shown: Sink = _Announced("the viewer", viewer) if request.config.viewer.mode == "serve" else viewer
        queued.append(QueuedSink(shown, name="viewer", close_timeout_s=_CLOSE_TIMEOUT_S))

    def statuses() -> list[QueueStatus]:
        return [sink.status for sink in queued]

    def figures() -> Mapping[str, Any]:
        status = camera.status()
        return {"dropped": status.dropped, "camera_state": asdict(status), "sinks": [asdict(one) for one in statuses()]}

    summary = SummarySink(request.out / SUMMARY, lens=room.lens, figures=figures)
    files = make_text_files(request.config, request.out, summary)
    live = request.config.live
    health: list[Sink] = []
    if live.health:
        served = HealthSink(HealthState(camera.status, statuses), live.health_port)
        health.append(_Announced("health", served, ("/health", "/metrics")))
    return _Outputs([*files, *health, *queued], summary)


class _Announced:
    """A sink that can be visited, and says where.

    Args:
        what: Its name for people.
        sink: The sink.
        paths: What there is below its address; nothing for the address itself.
    """

    def __init__(self, what: str, sink: RerunSink | HealthSink, paths: Sequence[str] = ("",)) -> None:
        self._what, self._sink, self._paths = what, sink, paths

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        self._sink.open(info, camera)
        print(f"{self._what} is at {' and '.join(f'{self._sink.url}{path}' for path in self._paths)}", file=sys.stderr)

    def write(self, estimate: Estimate) -> None:
        self._sink.write(estimate)

    def close(self) -> None:
        self._sink.close()


def _first_pose(init: str | None, raw: RawFrame) -> SE3 | None:
    return None if init is None else first_pose(init, raw.timestamp_ns, raw.name)


def _until(stop: StopRequest, duration_s: float | None, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Return what says whether to stop: because somebody asked to, or because the time, counted from its first call, is over."""
    if duration_s is None:
        return stop
    begun_s: list[float] = []

    def is_over() -> bool:
        if not begun_s:
            begun_s.append(clock())
        return stop() or clock() - begun_s[0] >= duration_s

    return is_over


def _exit_code(result: RunResult) -> int:
    if result.failed_sinks:
        return 1
    return LOST_EXIT_CODE if result.is_lost else 0


def _report(result: RunResult, request: LiveRequest, camera: LiveCamera) -> None:
    """Print what a person wants to know after a run."""
    summary = read_summary(request.out)
    counts = ", ".join(f"{result.verdicts.get(verdict, 0)} {verdict}" for verdict in Verdict)
    print(f"{result.frames} frames: {counts}; {summary.get('dropped', 0)} dropped")
    print(timing(summary.get("milliseconds")))
    print(f"{request.out}: {', '.join(written_files(request.out))}")
    for hint in next_steps(request.out, camera.info) if result.frames else ():
        print(f"next: {hint}")
    if result.failed_sinks:
        print(f"error: {', '.join(result.failed_sinks)} failed on the way, see above", file=sys.stderr)
    elif result.frames == 0:
        cause = camera.status().last_error
        print(f"lost: the camera gave no frame{f': {cause}' if cause else ''}", file=sys.stderr)
    elif result.is_lost:
        print(
            "lost: the run ended without a pose or fewer than half of its frames were tracked; frames.jsonl says why",
            file=sys.stderr,
        )
