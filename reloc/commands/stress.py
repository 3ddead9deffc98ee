"""`reloc stress`: what light, lens, sensor and people can do to a recording, and how tracking bears it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reloc.build import find_lens, find_map, make_relocalizer, make_renderer, make_undistorter
from reloc.commands.clicking import beginning
from reloc.commands.kernels import announce_compilation
from reloc.commands.known_views import find_places
from reloc.commands.options import CameraOption, ConfigOption, IndexOption, InitOption, MapOption, SetOption, configuration
from reloc.commands.progress import counting_bar
from reloc.commands.stress_table import print_table
from reloc.commands.tracking import LOST_EXIT_CODE
from reloc.config import RelocConfig
from reloc.errors import ConfigError
from reloc.estimate import Estimate, Weakness
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.evaluate.stress import Phase, StressFrame, stress_result
from reloc.files import json_document, json_line, write_atomically
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3, rotation_angle
from reloc.geometry.trajectory import Trajectory
from reloc.guesses import Places
from reloc.mesh.load import load_mesh
from reloc.mesh.textured_mesh import TexturedMesh
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.sinks.frames_jsonl import frame_record
from reloc.sources.disturb import DISTURBANCES, Disturbance, Incident, disturbed
from reloc.sources.open import open_source
from reloc.sources.peek import peeked
from reloc.undistort import Undistorter

EXAMPLES = """
reloc stress recordings/desk --map desk.obj --init recordings/desk
reloc stress recordings/desk --map desk.obj --init recordings/desk --only covered --only kidnapped --trials 5
reloc stress recordings/desk --map desk.obj --init recordings/desk --every 3 --json --out out/stress
"""
# A frame of the ground truth belongs to an image if their times agree to this.
_TOLERANCE_NS = 10_000_000


@dataclass(frozen=True, eq=False)
class _Room:
    """What all runs share."""

    source: str
    every: int
    config: RelocConfig
    mesh: TexturedMesh
    lens: LensCamera
    renderer: Renderer
    undistorter: Undistorter
    places: Places | None
    start: SE3 | None
    times_ns: Mapping[str, int]
    """When the picture of each name was taken."""
    truth: Trajectory | None

    def relocalizer(self) -> Relocalizer:
        """Return one that has seen nothing yet."""
        return make_relocalizer(
            self.config,
            self.mesh,
            self.lens,
            self.start,
            renderer=self.renderer,
            undistorter=self.undistorter,
            places=self.places,
        )


def stress(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A recording, as for `reloc track`.")],
    map_: MapOption = None,
    camera: CameraOption = None,
    init: InitOption = None,
    index: IndexOption = None,
    groundtruth: Annotated[
        Path | None, typer.Option("--groundtruth", "-g", help="The true poses. Default: the recording's own, if it has some.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this disturbance. May be given several times.")
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="How often each incident happens, at another time each: a covered lens, a jump, ...")
    ] = 1,
    every: Annotated[int, typer.Option(min=1, help="Use only each N-th frame, to be quick.")] = 1,
    config: ConfigOption = None,
    settings: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write stress.json there, and all that is known of every frame.")
    ] = None,
) -> None:
    """Track a recording under every disturbance there is, and print how it went.

    Light that changes, shadows, blur, noise, occluders, a covered lens, a frozen image, a camera that is carried elsewhere,
    frames that do not come. A camera that is carried elsewhere is looked for among known views of the map; without an index of
    them one is made, once (places.use=never: it is only looked for where it was). Errors need true poses; without them only the
    verdicts are counted. Ends with 3 if a frame was called TRACKED that is off by more than 10 cm or 10°.
    """
    names = _wanted(only)
    announce_compilation()
    carried = any(DISTURBANCES[name].carries for name in names)
    room = _enter(source, map_, camera, init, index, groundtruth, every, configuration(config, settings), carried=carried)
    results = []
    with counting_bar(sum(_trials(name, trials) for name in names), "disturbances") as show:
        done = 0
        for name in names:
            runs = []
            for seed in range(_trials(name, trials)):
                runs.append(_run(room, name, seed, None if out is None else out / f"{name}_{seed}.jsonl"))
                done += 1
                show(done)
            results.append(stress_result(name, runs))
    figures = json_document([result.as_mapping() for result in results])
    if out is not None:
        write_atomically(out / "stress.json", figures)
    if as_json:
        print(figures, end="")
    else:
        print_table(results, {name: DISTURBANCES[name].description for name in names})
    raise typer.Exit(LOST_EXIT_CODE if any(result.bluffs for result in results) else 0)


def _wanted(only: Sequence[str] | None) -> list[str]:
    """Return the disturbances that are asked for; raises `ConfigError` for one that is not known."""
    unknown = sorted(set(only or ()) - set(DISTURBANCES))
    if unknown:
        raise ConfigError(f"there is no disturbance {', '.join(unknown)}; known are {', '.join(DISTURBANCES)}")
    return list(DISTURBANCES) if not only else list(dict.fromkeys(only))


def _trials(name: str, trials: int) -> int:
    """Return how often a disturbance is tried: one that always lasts is the same every time."""
    return trials if DISTURBANCES[name].repeats else 1


def _enter(
    source: str,
    map_: Path | None,
    camera: Path | None,
    init: str | None,
    index: Path | None,
    groundtruth: Path | None,
    every: int,
    config: RelocConfig,
    *,
    carried: bool,
) -> _Room:
    """Read and prepare what all runs share, with known views of the map if the camera is `carried` somewhere."""
    with open_source(source, every=every) as recorded:
        if recorded.info.live:
            raise ConfigError("a live camera cannot be tracked twice: give a recording")
        lens, mesh_file = find_lens(camera, recorded.info), find_map(map_, source)
        brought = recorded.info.groundtruth if groundtruth is None else groundtruth
        wanted = init if init is not None or brought is None else str(brought)
        raw, frames = peeked(recorded)
        times_ns = {frame.name: frame.timestamp_ns for frame in frames}
    mesh = load_mesh(mesh_file)
    renderer = make_renderer(config, mesh)
    start = beginning(wanted, raw, lens, mesh, renderer)
    return _Room(
        source,
        every,
        config,
        mesh,
        lens,
        renderer,
        make_undistorter(config, lens),
        find_places(config, mesh, mesh_file, renderer, index, needed=start is None or (carried and config.places.use != "never")),
        start,
        times_ns,
        None if brought is None else load_groundtruth(brought),
    )


def _run(room: _Room, name: str, seed: int, file: Path | None) -> list[StressFrame]:
    """Track the recording under one disturbance; write all that is known of every frame to `file`, if there is one."""
    relocalizer, disturbance, when = room.relocalizer(), DISTURBANCES[name], Incident.of(seed)
    frames: list[StressFrame] = []
    records: list[str] = []
    first_ns: int | None = None
    with disturbed(open_source(room.source, every=room.every), name, seed) as source:
        for raw in source:
            first_ns = raw.timestamp_ns if first_ns is None else first_ns
            phase = _phase(room, raw, disturbance, when.holds_at((raw.timestamp_ns - first_ns) / NANOSECONDS_PER_SECOND))
            estimate = relocalizer.step(raw)
            frames.append(_judged(room, raw, estimate, phase))
            if file is not None:
                records.append(json_line(frame_record(estimate)) + "\n")
    if file is not None:
        write_atomically(file, "".join(records))
    return frames


def _phase(room: _Room, raw: RawFrame, disturbance: Disturbance, happening: bool) -> Phase:
    """Return what the camera sees: a picture keeps its name wherever it is shown."""
    if disturbance.blinds and happening:
        return Phase.BLIND
    taken_ns = room.times_ns.get(raw.name, raw.timestamp_ns)
    return Phase.USUAL if taken_ns == raw.timestamp_ns else Phase.ELSEWHERE


def _judged(room: _Room, raw: RawFrame, estimate: Estimate, phase: Phase) -> StressFrame:
    """Return how far the pose of a frame is off: from where its picture was taken if the camera was carried there."""
    unknown = StressFrame(estimate.verdict, np.nan, np.nan, phase, is_frozen=Weakness.FROZEN in estimate.weaknesses)
    if room.truth is None:
        return unknown
    time_ns = room.times_ns.get(raw.name, raw.timestamp_ns) if phase is Phase.ELSEWHERE else raw.timestamp_ns
    nearest = room.truth.nearest(time_ns)
    if abs(int(room.truth.timestamps_ns[nearest]) - time_ns) > _TOLERANCE_NS:
        return unknown
    true, found = room.truth.pose(nearest), estimate.world_from_camera
    metres = float(np.linalg.norm(found.translation - true.translation))
    return replace(unknown, position_m=metres, rotation_deg=float(np.degrees(rotation_angle(found, true))))
