"""How much memory a run takes, and whether it stays flat when it goes on for long."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from reloc.build import make_files, make_relocalizer, make_renderer
from reloc.config import RelocConfig
from reloc.estimate import Estimate
from reloc.first_pose import first_pose
from reloc.frame import NANOSECONDS_PER_SECOND, RawFrame
from reloc.mesh.load import load_mesh
from reloc.node import run
from reloc.sources.decode import read_image
from reloc.sources.derived import DerivedSource
from reloc.sources.open import open_source
from reloc.sources.source import FrameSource
from tests.benchmarks.common import map_of, recording_folder
from tests.benchmarks.report import Cell, Check, Report, Table
from tests.benchmarks.start import environment, track_command

PEAK_LIMIT_MIB = 1024
GROWTH_LIMIT_MIB = 10
"""From the first quarter to the last; the allocator's own ups and downs stay below that."""
FRAMES = 10_000
_SAMPLE_EVERY = 50
# Prints, when the command line is done, the largest resident size that Linux has counted for this program.
_PEAK = """
import sys
from pathlib import Path
from reloc.cli import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
"""


def main(*, quick: bool = False) -> Report:
    frames = 1_000 if quick else FRAMES
    peak = peak_mib()
    sampled = long_run(frames)
    mib = np.array([size for _, size in sampled])
    quarter = len(mib) // 4
    growth = float(np.median(mib[-quarter:]) - np.median(mib[quarter : 2 * quarter]))
    slope = float(np.polyfit([index for index, _ in sampled[quarter:]], mib[quarter:], 1)[0]) * 1000
    rows: list[list[Cell]] = [[f"{index}", size] for index, size in sampled[:: max(1, len(sampled) // 10)]]
    table = Table("Resident memory while the recording is tracked back and forth", {"frame": "", "MiB": ".1f"}, rows)
    checks = [
        Check("peak of `reloc track` on the recording, MiB", peak, PEAK_LIMIT_MIB),
        Check(f"growth from the second to the last quarter of {frames} frames, MiB", growth, GROWTH_LIMIT_MIB),
    ]
    return Report("Memory", [table], checks, [f"slope over the last three quarters: {slope:+.2f} MiB in 1000 frames"])


def peak_mib() -> float:
    """Return the peak of a process that runs `reloc track` without a viewer."""
    with tempfile.TemporaryDirectory() as folder:
        command = track_command(Path(folder))
        command[command.index("-c") + 1] = _PEAK
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return int(done.stdout.splitlines()[-1]) / 1024


def long_run(frames: int) -> list[tuple[int, float]]:
    """Return (frame, MiB) pairs of a process that tracks the recording back and forth."""
    program = f"from tests.benchmarks.memory import track_back_and_forth; track_back_and_forth({frames})"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, env=environment())
    return [(index, size) for index, size in json.loads(done.stdout.splitlines()[-1])]


def track_back_and_forth(frames: int) -> None:
    """Track, with the files that a run writes, and print the resident size every now and then."""
    folder = recording_folder()
    config, source = RelocConfig(), open_source(str(folder))
    lens = source.info.camera
    assert lens is not None
    mesh = load_mesh(map_of(folder))
    start = first_pose(str(folder / "groundtruth.txt"), 0)
    relocalizer = make_relocalizer(config, mesh, lens, start, renderer=make_renderer(config, mesh))
    sizes: list[tuple[int, float]] = []

    def note(estimate: Estimate) -> None:
        if estimate.frame.index % _SAMPLE_EVERY == 0:
            sizes.append((estimate.frame.index, resident_mib()))

    with tempfile.TemporaryDirectory() as out:
        sinks = make_files(config, Path(out), lens)
        result = run(back_and_forth(source, folder / "images", frames), relocalizer, sinks, progress=note)
    assert not result.is_lost, result
    print(json.dumps(sizes))


def back_and_forth(source: FrameSource, images: Path, frames: int) -> FrameSource:
    """Return a source that plays a folder forwards, backwards, forwards, ... at an even rate: the motion has no jumps."""
    files = sorted(images.iterdir())
    there_and_back = files + files[-2:0:-1]

    def played(_: FrameSource) -> Iterator[RawFrame]:
        for index, file in enumerate(islice(cycle(there_and_back), frames)):
            yield RawFrame(index, round(index * NANOSECONDS_PER_SECOND / Fraction(30)), read_image(file), file.name)

    return DerivedSource(source, played, replace(source.info, length=frames))


def resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20
