"""Files with bytes changed, cut and doubled at random: a reader gives a RelocError or a valid object, never a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reloc.errors import RelocError
from reloc.evaluate.frames_file import load_frames
from reloc.evaluate.groundtruth import load_times
from reloc.evaluate.run import load_run
from reloc.export.selection import select
from reloc.geometry.trajectory import load_tum
from tests.unit.evaluate.runs import write_run
from tests.unit.sinks.estimates import estimate

READERS: list[tuple[str, Callable[[Path], object]]] = [
    ("trajectory.txt", load_tum),
    ("trajectory.txt", load_times),
    ("frames.jsonl", load_frames),
    ("summary.json", lambda path: select(load_run(path.parent))),
]


def _spoilt(content: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
        some = rng.choice(
            [
                b"nan",
                b"-",
                b"1e999",
                b"\n",
                b"\0",
                b"\xff",
                b"[[",
                b"}",
                b'"',
                b"99999999999999999999",
                b" ",
                b",",
                bytes(data[at : at + length]),
            ]
        )
        data[at : at + length * int(rng.integers(2))] = bytes(some)
    return bytes(data[: int(rng.integers(len(data) // 2, len(data) + 1))])


@pytest.mark.parametrize(("name", "reader"), READERS)
def test_spoilt_files_are_refused_or_read(tmp_path: Path, name: str, reader: Callable[[Path], object]) -> None:
    path = write_run(tmp_path, [estimate(i) for i in range(4)]) / name
    good, rng = path.read_bytes(), np.random.default_rng(12)
    for _ in range(150):
        path.write_bytes(_spoilt(good, rng))
        with contextlib.suppress(RelocError):
            reader(path)
