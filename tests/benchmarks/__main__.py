"""`python -m tests.benchmarks [NAME ...] [--quick]`: measures, prints, and keeps out/benchmarks.json and out/benchmarks.md."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from importlib import import_module

NAMES = (
    "frame",
    "growth",
    "busy",
    "start",
    "memory",
    "motion",
    "prediction",
    "disturbances",
    "verdict",
    "castle",
    "silhouette",
    "shapes",
    "localize",
    "batch",
    "evaluate",
    "smooth",
    "gaps",
    "solvers",
)
# As `reloc` sets them for itself, all but OpenCV's: SIFT is measured with the threads that OpenCV likes, we with one.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer frames and repetitions: rougher figures in a minute or two")
    parser.add_argument("--cores", type=int, default=2, help="use only so many cores, 0 for all [default: 2]")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; known are {', '.join(NAMES)}")
    # Before numpy, numba and OpenCV are imported, for they look only once.
    _keep_to(given.cores)
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    for name in given.names or NAMES:
        _measure(name, quick=given.quick)


def _keep_to(cores: int) -> None:
    """Restrict this process and its children to some cores, so that figures of large and small machines can be compared."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _measure(name: str, *, quick: bool) -> None:
    common, report = import_module("tests.benchmarks.common"), import_module("tests.benchmarks.report")
    common.cv2.setNumThreads(1)
    common.say(f"measuring {name}...")
    found = import_module(f"tests.benchmarks.{name}").main(quick=quick)
    found = replace(found, machine=report.machine() | {"quick": quick})
    print(report.as_text(found), flush=True)
    report.save(common.OUT, name, found)


if __name__ == "__main__":
    main()
