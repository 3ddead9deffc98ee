"""How much faster a batch is with two workers than with one, and what cutting a long recording costs and brings.

The recordings are made up, so that anybody can run it. Every batch is a process of its own, started as a user would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
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
# The error of the tracker itself on these recordings is 1 to 2 mm: a cut must not be seen beside it.
MOST_APART_MM, MOST_APART_DEG = 5.0, 0.15


def main(*, quick: bool = False) -> Report:
    frames, order = (30, (1, 2)) if quick else (300, (1, 2, 2, 1))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recordings").mkdir()
        for seed in range(DIFFERENT):
            say(f"making recording {seed + 1} of {DIFFERENT}...")
            make_recording(folder / f"made{seed}", frames=frames, seed=seed)
        for number in range(SEQUENCES):
            (folder / "recordings" / f"walk{number}").symlink_to(folder / f"made{number % DIFFERENT}", target_is_directory=True)
        _batch(folder, "warm", "recordings/walk0")  # fills the caches
        rows, seconds = [], {}
        for workers in order:  # forth and back, so that a load that grows or falls does not speak for one of them
            took = _batch(folder, f"{workers}-{len(rows)}", "recordings/*", "--workers", str(workers))
            seconds[workers] = min(took, seconds.get(workers, took))
            rows.append([f"{workers} at a time", took, SEQUENCES * frames / took])
        cut, apart_mm, apart_deg = _cut(folder, frames)
    speed_up = seconds[1] / seconds[2]
    checks = [
        Check("speed-up of two workers over one, fastest run of each", speed_up, LEAST_SPEED_UP, "at least"),
        Check("millimetres between the trajectory of a cut recording and of the whole, at most", apart_mm, MOST_APART_MM),
        Check("degrees between the trajectory of a cut recording and of the whole, at most", apart_deg, MOST_APART_DEG),
    ]
    columns = {f"{SEQUENCES} recordings of {frames} frames, 640 × 480": "", "s": ".1f", "frames a second": ".1f"}
    note = f"load before the batches began: {os.getloadavg()[0]:.1f}; figures of speed mean something on a quiet machine only"
    return Report("Batch", [Table("Wall seconds of `reloc batch`", columns, rows), cut], checks, [note])


def _batch(folder: Path, out: str, *arguments: str) -> float:
    """Return the wall seconds of a batch; raises if it does not end well."""
    command = [sys.executable, "-m", "reloc", "batch", *arguments, "--init", "groundtruth", "--out", str(folder / out)]
    begin = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True)
    return time.perf_counter() - begin


def _cut(folder: Path, frames: int) -> tuple[Table, float, float]:
    """Return errors whole and cut in three, and how far the two are apart at most, in millimetres and degrees."""
    chunk = ("--chunk", str(frames // 3), "--overlap", str(min(10, frames // 6)), "--workers", "2")
    took = _batch(folder, "cut", "recordings/walk0", *chunk)
    truth = load_groundtruth(folder / "recordings" / "walk0")
    runs = {"whole": load_run(folder / "1-0" / "walk0"), "cut in three": load_run(folder / "cut" / "walk0")}
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
