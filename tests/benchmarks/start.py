"""From launch to the first pose, in fresh processes, with the map and the kernels in their caches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.common import PROJECT, map_of, recording_folder
from tests.benchmarks.report import Cell, Check, Report, Table

LIMIT_S = 3.0
_RUN = "from reloc.cli import main; main()"
_ONE_FRAME = ("--every", "1000000")
_POLL_S = 0.005
_LONGEST_S = 300.0
_WORST = 16
_PROGRAMS = {
    "python alone": "pass",
    "import reloc": "import reloc",
    "import numpy": "import numpy",
    "import cv2": "import cv2",
    "import numba": "import numba",
    "import reloc.commands.track": "import reloc.commands.track",
    "import filterpy.kalman (second frame)": "import filterpy.kalman",
}


def main(*, quick: bool = False) -> Report:
    times = 2 if quick else 5
    first_pose_s()  # fills the caches
    poses = [first_pose_s() for _ in range(times)]
    cheapest = min(one_frame_processor_s() for _ in range(times))
    rows: list[list[Cell]] = [["reloc track: launch to the first pose", float(np.median(poses)), min(poses), cheapest]]
    rows += [[name, *program_s(code, times)] for name, code in _PROGRAMS.items()]
    timing = Table("Seconds", {"": "", "median s": ".2f", "fastest s": ".2f", "processor s": ".2f"}, rows)
    columns = {"module": "", "with all it brings ms": ".0f", "itself ms": ".0f"}
    imports = Table("Slowest imports of a run up to its first frame, by Python's own account", columns, slowest_imports())
    checks = [
        Check("seconds to the first pose, fastest", min(poses), LIMIT_S),
        Check("seconds to the first pose, median", float(np.median(poses)), LIMIT_S),
        Check("seconds of processor time to the first pose and a clean end", cheapest, LIMIT_S),
    ]
    bytecode = "PYTHONDONTWRITEBYTECODE is set, so every start compiles the modules of reloc that have no bytecode yet"
    return Report("Start", [timing, imports], checks, [bytecode] * sys.dont_write_bytecode)


def track_command(out: Path, *flags: str) -> list[str]:
    """Return the command line that tracks the recording into a folder."""
    folder = recording_folder()
    arguments = [str(folder), "--map", str(map_of(folder)), "--init", str(folder / "groundtruth.txt"), "--out", str(out)]
    return [sys.executable, *flags, "-c", _RUN, "track", *arguments, "--viewer", "none"]


def first_pose_s() -> float:
    """Return the seconds from launching `reloc track` to the first pose in its trajectory."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said.txt").open("w+") as said:
        trajectory = Path(folder) / "out" / "trajectory.txt"
        begin = time.perf_counter()
        command = track_command(trajectory.parent)
        with subprocess.Popen(command, stdout=said, stderr=said, env=environment()) as process:
            try:
                while _lines(trajectory) < 2:  # the first is the header
                    if process.poll() is not None or time.perf_counter() - begin > _LONGEST_S:
                        said.seek(0)
                        raise RuntimeError(f"no pose came: {said.read()}")
                    time.sleep(_POLL_S)
                return time.perf_counter() - begin
            finally:
                process.kill()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def one_frame_processor_s() -> float:
    """Return the processor seconds of tracking one frame."""
    with tempfile.TemporaryDirectory() as folder:
        return processor_s([*track_command(Path(folder)), *_ONE_FRAME])


def program_s(code: str, times: int) -> tuple[float, float, float]:
    """Return median and fastest wall seconds of a Python program, and the processor seconds of the cheapest run."""
    wall, processor = [], []
    for _ in range(times):
        begin = time.perf_counter()
        processor.append(processor_s([sys.executable, "-c", code]))
        wall.append(time.perf_counter() - begin)
    return float(np.median(wall)), min(wall), min(processor)


def processor_s(command: Sequence[str]) -> float:
    """Return the processor seconds of a program from its launch to its end."""
    before = os.times()
    subprocess.run(command, capture_output=True, check=True, env=environment())
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


def slowest_imports() -> list[list[Cell]]:
    """Return the modules that take longest to import in a run, with and without what they import in turn."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*track_command(Path(folder), "-X", "importtime"), *_ONE_FRAME]
        lines = subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stderr.splitlines()
    entries = [
        line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:") and "[us]" not in line
    ]
    modules = [(name.strip(), int(total) / 1e3, int(alone) / 1e3) for alone, total, name in entries]
    return [list(module) for module in sorted(modules, key=lambda module: -module[1])[:_WORST]]
