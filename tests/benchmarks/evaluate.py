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
from reloc.files import json_line
from reloc.geometry.se3 import xyzw_from_wxyz
from reloc.geometry.trajectory import Trajectory, save_tum
from reloc.sinks.frames_jsonl import frame_record
from tests.benchmarks.report import Cell, Check, Report, Table
from tests.unit.evaluate.trajectories import disturbed, walk
from tests.unit.sinks.estimates import estimate as estimate_of_a_frame

FRAMES = 100_000
_LONG = ("score", "inlier_share", "correlation", "coverage", "visible_share", "condition", "residual", "nis", "sharpness")
_STAGES = ("undistort", "pyramid", "predict", "render", "align", "assess", "filter", "total")
LIMIT_S = 5.0


def main(*, quick: bool = False) -> Report:
    frames = FRAMES // 10 if quick else FRAMES
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), frames)
    rows: list[list[Cell]] = [[name, wall, cpu] for name, (wall, cpu) in times.items()]
    table = Table(f"{frames} frames", {"step": "", "wall s": ".2f", "processor s": ".2f"}, rows)
    truth, bare, folder_of_run = (cpu for _, cpu in times.values())
    checks = [
        Check(f"from two TUM files to all figures, {frames} frames, s", truth + bare, LIMIT_S),
        Check(f"from a run with frames.jsonl to all figures, NEES too, {frames} frames, s", truth + folder_of_run, LIMIT_S),
    ]
    return Report("Evaluation", [table], checks)


def measure(folder: Path, frames: int) -> dict[str, tuple[float, float]]:
    """Return wall and processor seconds of each step."""
    truth = walk(frames)
    estimate = disturbed(truth)
    save_tum(folder / "groundtruth.txt", truth)
    save_tum(folder / "estimate.txt", estimate)
    save_tum(folder / "run" / "trajectory.txt", estimate)
    write_frames(folder / "run" / "frames.jsonl", estimate)
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
    size_mb = (folder / "run" / "frames.jsonl").stat().st_size / 1e6
    timed(
        f"read the folder of a run (frames.jsonl of {size_mb:.0f} MB) and judge it",
        lambda: judge(load_run(folder / "run"), loaded["truth"], Rules()),
    )
    return times


def write_frames(path: Path, trajectory: Trajectory) -> None:
    """Write a frames.jsonl whose lines are as long as those of `reloc track`: all numbers have all their digits."""
    seeded = np.random.default_rng(0)
    record = frame_record(estimate_of_a_frame(0))
    with path.open("w", encoding="utf-8") as stream:
        for index, (time_ns, translation, wxyz) in enumerate(
            zip(trajectory.timestamps_ns, trajectory.translations, trajectory.quaternions, strict=True)
        ):
            jacobian = seeded.normal(size=(6, 6))
            numbers = {name: float(value) for name, value in zip(_LONG, seeded.random(len(_LONG)), strict=True)}
            changed = {
                "index": index,
                "timestamp_ns": time_ns,
                "world_from_camera": {"translation": translation, "quaternion_xyzw": xyzw_from_wxyz(wxyz)},
                "covariance": 1e-5 * (jacobian @ jacobian.T),
                "milliseconds": dict(zip(_STAGES, seeded.random(len(_STAGES)), strict=True)),
            }
            stream.write(json_line({**record, **numbers, **changed}) + "\n")
