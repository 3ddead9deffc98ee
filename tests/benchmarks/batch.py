"""How much faster a batch is on two cores than on one, and what cutting a long recording costs and brings.

Three ways, forth and back, so that a load that grows or falls does not speak for one of them: two workers; one worker, which may
use the second core for what it likes; and one core, to which the batch with all of its processes is held. The recordings are made
up, so that anybody can run it. Every batch is a process of its own, started as a user would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reloc.evaluate.errors import absolute_errors
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.evaluate.run import load_run
from reloc.synthetic.recording import make_recording
from tests.benchmarks.common import PROJECT, say
from tests.benchmarks.report import Cell, Check, Report, Table

SEQUENCES = 8
# Of which the sequences are made: rendering takes longer than tracking.
DIFFERENT = 2
LEAST_SPEED_UP = 1.7


@dataclass(frozen=True)
class _Way:
    """How a batch is run."""

    name: str
    workers: int
    cores: int | None = None


_WAYS = (_Way("two workers", 2), _Way("one worker", 1), _Way("one worker, held to one core", 1, cores=1))
# The error of the tracker itself on these recordings is 1 to 2 mm: a cut must not be seen beside it.
MOST_APART_MM, MOST_APART_DEG = 5.0, 0.15


def main(*, quick: bool = False) -> Report:
    frames, rounds = (30, 1) if quick else (300, 2)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recordings").mkdir()
        for seed in range(DIFFERENT):
            say(f"making recording {seed + 1} of {DIFFERENT}...")
            make_recording(folder / f"made{seed}", frames=frames, seed=seed)
        for number in range(SEQUENCES):
            (folder / "recordings" / f"walk{number}").symlink_to(folder / f"made{number % DIFFERENT}", target_is_directory=True)
        _batch(folder, "warm", "recordings/walk0")  # fills the caches
        took: dict[_Way, list[tuple[float, float]]] = {way: [] for way in _WAYS}
        for number in range(rounds):
            for way in _WAYS[:: (-1) ** number]:
                out = f"{_WAYS.index(way)}-{number}"
                took[way].append(_batch(folder, out, "recordings/*", "--workers", str(way.workers), cores=way.cores))
                say(f"{way.name}: {took[way][-1][0]:.1f} s, load {os.getloadavg()[0]:.1f}")
        cut, apart_mm, apart_deg = _cut(folder, frames, whole=folder / "0-0" / "walk0")
    fastest = {way: min(wall for wall, _ in times) for way, times in took.items()}
    two, one, pinned = (fastest[way] for way in _WAYS)
    rows = [
        [way.name, fastest[way], max(wall for wall, _ in times), min(cpu for _, cpu in times), SEQUENCES * frames / fastest[way]]
        for way, times in took.items()
    ]
    checks = [
        Check("speed-up of two cores over one core, fastest run of each", pinned / two, LEAST_SPEED_UP, "at least"),
        Check("speed-up of two workers over one worker, fastest run of each", one / two, LEAST_SPEED_UP, "at least"),
        Check("millimetres between the trajectory of a cut recording and of the whole, at most", apart_mm, MOST_APART_MM),
        Check("degrees between the trajectory of a cut recording and of the whole, at most", apart_deg, MOST_APART_DEG),
    ]
    columns = {
        f"{SEQUENCES} recordings of {frames} frames, 640 × 480": "",
        "s fastest": ".1f",
        "s slowest": ".1f",
        "s of processor": ".1f",
        "frames a second": ".1f",
    }
    note = f"load before the batches began: {os.getloadavg()[0]:.1f}; figures of speed mean something on a quiet machine only"
    return Report("Batch", [Table("`reloc batch`", columns, rows), cut], checks, [note])


def _batch(folder: Path, out: str, *arguments: str, cores: int | None = None) -> tuple[float, float]:
    """Return the seconds that a batch took, by the clock and of the processor; raises if it does not end well.

    `cores` are as many as the batch, with all of its processes, is held to; None: all.
    """
    command = [sys.executable, "-m", "reloc", "batch", *arguments, "--init", "groundtruth", "--out", str(folder / out)]
    held = set(sorted(os.sched_getaffinity(0))[:cores])
    begin, before = time.perf_counter(), os.times()
    subprocess.run(
        command,
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, held),
    )
    after = os.times()
    processor_s = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return time.perf_counter() - begin, processor_s


def _cut(folder: Path, frames: int, whole: Path) -> tuple[Table, float, float]:
    """Return errors whole and cut in three, and how far the two are apart at most, in millimetres and degrees."""
    chunk = ("--chunk", str(frames // 3), "--overlap", str(min(10, frames // 6)), "--workers", "2")
    took, _ = _batch(folder, "cut", "recordings/walk0", *chunk)
    truth = load_groundtruth(folder / "recordings" / "walk0")
    runs = {"whole": load_run(whole), "cut in three": load_run(folder / "cut" / "walk0")}
    rows: list[list[Cell]] = []
    for name, run in runs.items():
        errors = absolute_errors(run.trajectory, truth)
        figures = (1e3 * errors.position_m, np.degrees(errors.rotation_rad))
        rows.append([name, *(float(value) for one in figures for value in (np.median(one), np.percentile(one, 95), one.max()))])
    apart = absolute_errors(runs["cut in three"].trajectory, runs["whole"].trajectory)
    seams = json.loads((folder / "cut" / "walk0" / "summary.json").read_text(encoding="utf-8"))["seams"]
    columns = {
        "": "",
        **dict.fromkeys(("mm median", "mm p95", "mm max"), ".2f"),
        **dict.fromkeys(("° median", "° p95", "° max"), ".3f"),
    }
    worst = max(seam["worst_chi2"] for seam in seams)
    title = f"Errors of one recording; cut, {took:.1f} s with two workers, {len(seams)} seams, χ² at most {worst:.2f}"
    return Table(title, columns, rows), 1e3 * float(apart.position_m.max()), float(np.degrees(apart.rotation_rad.max()))
