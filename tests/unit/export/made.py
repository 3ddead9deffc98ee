"""Poses to export, and programs of others to read them with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reloc.export.selection import ExportedPoses
from reloc.geometry.se3 import SE3
from tests.unit.evaluate.trajectories import walk
from tests.unit.sinks.estimates import CAMERA, LENS

COUNT = 30


def made(count: int = COUNT) -> ExportedPoses:
    """Return poses of a walk far from the origin and turned far from the identity, with everything known."""
    trajectory = walk(count, seed=3).moved(SE3.exp([10.0, -20.0, 5.0, 1.0, -0.7, 0.5]))
    roots = np.random.default_rng(6).normal(size=(count, 6, 6)) * 1e-3
    return ExportedPoses(
        name="made",
        trajectory=trajectory,
        indices=np.arange(count) * 2,
        names=tuple(f"{2 * i:06d}.jpg" for i in range(count)),
        verdicts=("TRACKED",) * (count - 1) + ("COASTING",),
        scores=np.linspace(0.5, 1.0, count),
        covariances=roots @ np.swapaxes(roots, 1, 2),
        camera=CAMERA,
        lens=LENS,
    )


def nameless(poses: ExportedPoses) -> ExportedPoses:
    return replace(poses, names=("",) * len(poses))


def program(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(folder: Path, *command: str) -> str:
    """Run a program in a folder that is also its home, and return what it printed."""
    environment = {**os.environ, "HOME": str(folder), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [program(command[0]), *command[1:]], cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
