"""How well the second pass bridges gaps: frames that were measured are left out, and what is inferred of them is compared.

With the truth, and with what everybody would try first: the straight way (interpolation on SE(3)) from the last pose before the
gap to the first after it. In kitchen, a hand jerks; in the room that is made up, it walks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reloc.build import find_lens, find_map, make_relocalizer, make_renderer
from reloc.config import RelocConfig
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.frame import NANOSECONDS_PER_SECOND
from reloc.geometry.se3 import SE3
from reloc.mesh.load import load_mesh
from reloc.motion import MotionModel
from reloc.node import run
from reloc.smooth.rts import smooth
from reloc.smooth.second_pass import MeasurementSink
from reloc.smooth.seen import Seen
from reloc.smooth.shake import Shake, shake_of
from reloc.sources.open import open_source
from reloc.synthetic.recording import make_recording
from tests.benchmarks.common import map_of, recording_folder, say
from tests.benchmarks.report import Cell, Check, Report, Table

GAPS_S = (0.5, 1.0, 2.0)
PLACES = 15
# Frames on either side of a gap that are smoothed with it: the others do not matter to it.
_AROUND = 60
# The straight way is what anybody can do.
_WORST_RATIO = 1.0
COLUMNS = {
    "recording": "",
    "gap s": ".1f",
    "smoothed cm": ".2f",
    "°": ".2f",
    "NEES": ".1f",
    "without shake cm": ".2f",
    "straight way cm": ".2f",
    "straight °": ".2f",
}


@dataclass(frozen=True, eq=False)
class Tracked:
    """What was measured of a recording, and where its camera was (camera_from_world)."""

    frames: Sequence[Seen]
    truth: Sequence[SE3]


def main(*, quick: bool = False) -> Report:
    config, places = RelocConfig(), 5 if quick else PLACES
    model, gate = MotionModel(config.motion), config.assess.nis
    rows: list[list[Cell]] = []
    kitchen = recording_folder()
    with tempfile.TemporaryDirectory() as folder:
        say("making a recording...")
        made = make_recording(Path(folder) / "room", frames=200, seed=1)
        tracked = {kitchen.parent.name: track(kitchen, config), "made up": track(made, config)}
    for name, one in tracked.items():
        shake = shake_of(one.frames, model, gate)
        say(f"{name}: {shake}")
        for seconds in GAPS_S:
            rows.append([name, seconds, *measure(one, seconds, places, model, gate, shake)])
    ratios = {f"{row[0]}, {row[1]:.1f} s": float(row[2]) / float(row[6]) for row in rows if float(row[1]) >= 1.0}  # type: ignore[arg-type]
    worst = max(ratios, key=ratios.__getitem__)
    check = Check(
        f"error of the smoother over that of the straight way, gaps of 1 and 2 s, worst: {worst}", ratios[worst], _WORST_RATIO
    )
    notes = [
        f"medians over the frames of {places} gaps each; NEES of these frames is the mean, and 6 where a covariance is honest"
    ]
    return Report("Gaps", [Table("Poses inferred across gaps", COLUMNS, rows)], [check], notes)


def track(folder: Path, config: RelocConfig) -> Tracked:
    """Track a recording with a known first pose."""
    source, truth = open_source(str(folder)), load_groundtruth(folder)
    mesh = load_mesh(find_map(map_of(folder), str(folder)))
    renderer, sink = make_renderer(config, mesh), MeasurementSink()
    with source as opened:
        start = truth.pose(truth.nearest(next(iter(source)).timestamp_ns))
        run(opened, make_relocalizer(config, mesh, find_lens(None, source.info), start, renderer=renderer), [sink])
    poses = [truth.pose(truth.nearest(frame.timestamp_ns)).inverse() for frame in sink.frames]
    return Tracked(sink.frames, poses)


def measure(one: Tracked, seconds: float, places: int, model: MotionModel, gate: float, shake: Shake) -> list[Cell]:
    """Return the medians over gaps of so many seconds, spread over the recording."""
    times = np.array([frame.timestamp_ns for frame in one.frames])
    length = round(seconds * NANOSECONDS_PER_SECOND / float(np.median(np.diff(times))))
    ours, plain, straight, nees = [], [], [], []
    for begin in np.linspace(20, len(one.frames) - length - 20, places).astype(int).tolist():
        gap = range(begin, begin + length)
        window = slice(max(0, begin - _AROUND), begin + length + _AROUND)
        cut = [replace(frame, measurement=None) if i in gap else frame for i, frame in enumerate(one.frames)][window]
        found, without = smooth(cut, model, gate, shake), smooth(cut, model, gate)
        for i in gap:
            inferred, other = found[i - window.start], without[i - window.start]
            if inferred is None or other is None:
                raise RuntimeError(f"a gap of {seconds} s was not bridged at frame {begin}")
            ours.append(_errors(inferred.camera_from_world, one.truth[i]))
            plain.append(_errors(other.camera_from_world, one.truth[i]))
            straight.append(_errors(_between(one.frames[begin - 1], one.frames[begin + length], int(times[i])), one.truth[i]))
            off = (one.truth[i] @ inferred.camera_from_world.inverse()).log()
            nees.append(float(off @ np.linalg.solve(inferred.covariance, off)))
    (cm, deg), (plain_cm, _), (straight_cm, straight_deg) = (np.median(errors, axis=0) for errors in (ours, plain, straight))
    return [float(cm), float(deg), float(np.mean(nees)), float(plain_cm), float(straight_cm), float(straight_deg)]


def _between(before: Seen, after: Seen, timestamp_ns: int) -> SE3:
    """Return the pose on the straight way between two frames that were measured."""
    assert before.measurement is not None
    assert after.measurement is not None
    share = (timestamp_ns - before.timestamp_ns) / (after.timestamp_ns - before.timestamp_ns)
    first = before.measurement.camera_from_world
    return SE3.exp(share * (after.measurement.camera_from_world @ first.inverse()).log()) @ first


def _errors(found: SE3, truth: SE3) -> tuple[float, float]:
    """Return the distance of the cameras in centimetres, and the angle between them in degrees."""
    distance = np.linalg.norm(found.inverse().translation - truth.inverse().translation)
    return 100 * float(distance), float(np.degrees(np.linalg.norm((found @ truth.inverse()).log()[3:])))
