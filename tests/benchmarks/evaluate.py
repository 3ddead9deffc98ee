"""How long the evaluation of a long trajectory takes, from its files to its figures."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reloc.evaluate.errors import absolute_errors
from reloc.evaluate.groundtruth import load_groundtruth
from reloc.evaluate.judge import Rules, judge
from reloc.evaluate.run import load_run
from reloc.evaluate.summary import evaluate
from reloc.geometry.trajectory import Trajectory, save_tum
from tests.benchmarks.report import Cell, Check, Report, Table
from tests.unit.evaluate.trajectories import disturbed, walk

FRAMES = 100_000
LIMIT_S = 5.0


def main(*, quick: bool = False) -> Report:
    frames = FRAMES // 10 if quick else FRAMES
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), frames)
    rows: list[list[Cell]] = [[name, wall, cpu] for name, (wall, cpu) in times.items()]
    table = Table(f"{frames} frames", {"step": "", "wall s": ".2f", "processor s": ".2f"}, rows)
    processor_s = sum(cpu for _, cpu in times.values())
    return Report("Evaluation", [table], [Check(f"from two TUM files to all figures, {frames} frames, s", processor_s, LIMIT_S)])


def measure(folder: Path, frames: int) -> dict[str, tuple[float, float]]:
    """Return wall and processor seconds of each step."""
    truth = walk(frames)
    save_tum(folder / "groundtruth.txt", truth)
    save_tum(folder / "estimate.txt", disturbed(truth))
    # What is loaded and compiled once does not grow with the trajectory.
    evaluate(truth.selected(np.arange(9)), truth.selected(np.arange(9)), alignment="sim3")
    absolute_errors(truth.selected(np.arange(2)), truth.selected(np.arange(2)))
    times: dict[str, tuple[float, float]] = {}
    loaded: dict[str, Trajectory] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times[name] = time.perf_counter() - wall, time.process_time() - cpu

    timed("read the ground truth", lambda: loaded.update(truth=load_groundtruth(folder / "groundtruth.txt")))
    timed("read the trajectory and judge it", lambda: judge(load_run(folder / "estimate.txt"), loaded["truth"], Rules()))
    return times
