"""What the second pass brings, with the disturbances that make gaps and those that make noise: forward against smoothed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from reloc.build import make_files, make_relocalizer
from reloc.config import RelocConfig
from reloc.evaluate.groundtruth import at_times
from reloc.evaluate.judge import Judged, Rules, judge
from reloc.evaluate.run import load_run
from reloc.evaluate.summary import DEFAULT_TOLERANCE_S
from reloc.geometry.lens import LensCamera
from reloc.geometry.se3 import SE3
from reloc.motion import MotionModel
from reloc.node import run
from reloc.relocalizer import Relocalizer
from reloc.render.renderer import Renderer
from reloc.smooth.files import SmoothCounts, write_smoothed
from reloc.smooth.second_pass import MeasurementSink, second_pass
from reloc.sources.disturb import DISTURBANCES, disturbed
from reloc.sources.every import every_nth
from reloc.sources.source import FrameSource
from tests.benchmarks.common import NO_MESH, Recording, recording, renderer_of, say, warm_up
from tests.benchmarks.report import Cell, Report, Table

NAMES = ("none", "covered", "blurred", "shadow", "noisy_patch", "every_8", "every_16")
COLUMNS = {
    "disturbance": "",
    "pass": "",
    "poses": "",
    "median cm": ".2f",
    "p95 cm": ".2f",
    "max cm": ".2f",
    "median °": ".3f",
    "max °": ".2f",
    "step cm": ".2f",
    "within 5 cm/5°": ".3f",
    "NEES": ".1f",
    "found": "",
    "filled": "",
    "cpu ms a frame": ".1f",
}


def main(*, quick: bool = False) -> Report:
    recorded = recording(60)
    renderer = renderer_of(recorded.map)
    warm_up(renderer, recorded.lens, recorded.truth, recorded.frames)
    rows: list[list[Cell]] = []
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(recorded, renderer, name, Path(folder), every=2 if quick else 1)
        for row in rows[-2:]:
            say("  ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    notes = [f"{name}: {DISTURBANCES[name].description}" for name in NAMES]
    notes.append("each over the frames that the disturbance leaves; a frame without a pose is a miss; NEES of the frames TRACKED")
    return Report(f"Second pass ({recorded.name})", [Table("Forward and smoothed", COLUMNS, rows)], (), notes)


def measure(recorded: Recording, renderer: Renderer, name: str, folder: Path, *, every: int) -> Iterator[list[Cell]]:
    """Track and smooth the disturbed recording; yield the row of each pass."""
    config = RelocConfig()

    def source() -> FrameSource:
        return every_nth(disturbed(recorded.source(), name), every)

    @contextmanager
    def reopen(_: str) -> Iterator[FrameSource]:
        with source() as opened:
            yield opened

    make = partial(_relocalizer_at, config, recorded.lens, renderer)
    measured = MeasurementSink()
    first = recorded.truth.pose(recorded.truth.nearest(recorded.frames[0].timestamp_ns)).inverse()
    clock = time.process_time()
    with source() as opened:
        run(opened, make(first), [*make_files(config, folder, recorded.lens), measured])
    forward_s, clock = time.process_time() - clock, time.process_time()
    known = second_pass(measured.frames, reopen, make, MotionModel(config.motion), config.assess.nis, config.smooth)
    counts = write_smoothed(folder, folder / "smooth", known.found, known.smoothed, config.smooth)
    smooth_s = time.process_time() - clock
    frames = len(measured.frames)
    yield _row(name, "forward", _judged(folder, recorded, folder), SmoothCounts(0, 0), 1e3 * forward_s / frames)
    yield _row(name, "smoothed", _judged(folder / "smooth", recorded, folder), counts, 1e3 * smooth_s / frames)


def _relocalizer_at(config: RelocConfig, lens: LensCamera, renderer: Renderer, start: SE3) -> Relocalizer:
    return make_relocalizer(config, NO_MESH, lens, start.inverse(), renderer=renderer)


def _judged(folder: Path, recorded: Recording, forward: Path) -> Judged:
    """Judge a run by the frames that the forward pass was given."""
    frames = load_run(forward).frames
    assert frames is not None
    truth = at_times(recorded.truth, frames.timestamps_ns, DEFAULT_TOLERANCE_S)
    return judge(load_run(folder), truth, Rules())


def _row(name: str, which: str, found: Judged, counts: SmoothCounts, cpu_ms: float) -> list[Cell]:
    evaluation, trust = found.evaluation, found.trust
    assert trust is not None
    position, rotation = evaluation.position_m, evaluation.rotation_deg
    errors = [100 * position.median, 100 * position.p95, 100 * position.max, rotation.median, rotation.max]
    step, recall = 100 * evaluation.relative["step"].position_m.median, evaluation.recall["5cm_5deg"]
    poses = f"{evaluation.matched} of {evaluation.frames}"
    return [name, which, poses, *errors, step, recall, trust.nees.mean, str(counts.found), str(counts.filled), cpu_ms]
