from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from reloc.commands.kernels import announce_compilation
announce_compilation()
from kernel import twice, thrice
print(twice(2.0), thrice(2.0))
"""
KERNEL = """
from numba import njit
@njit(cache=True)
def twice(x): return 2 * x
@njit(cache=True)
def thrice(x): return 3 * x
"""


def test_the_first_run_says_once_that_it_compiles_and_the_second_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(KERNEL)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    runs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
        )
        for _ in range(2)
    ]
    assert [run.stdout for run in runs] == ["4.0 6.0\n"] * 2
    assert runs[0].stderr.startswith("compiling kernels (once, about ")
    assert runs[0].stderr.count("\n") == 1
    assert runs[1].stderr == ""
