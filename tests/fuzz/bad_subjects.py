"""Readers that do everything wrong: what the fuzzer must notice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from reloc.errors import MeshError
from tests.fuzz.subject import Subject, sound

GOOD = b"good"


def _make(folder: Path) -> None:
    (folder / "file").write_bytes(GOOD)


def _unless_good(act: Callable[[], object], folder: Path) -> None:
    if (folder / "file").read_bytes() != GOOD:
        act()


def _refuse() -> None:
    raise MeshError("no mesh")


def _raise() -> None:
    raise KeyError("vertices")


def _hide_memory() -> None:
    try:
        np.ones(1 << 31, np.float64)
    except MemoryError as error:
        raise MeshError("the mesh does not fit into memory") from error


def _hang() -> None:
    while True:
        time.sleep(0.1)


SUBJECTS = tuple(
    Subject(name, _make, partial(_unless_good, act))
    for name, act in (
        ("refuses", _refuse),
        ("raises", _raise),
        ("is unsound", partial(sound, False, "no faces")),
        ("takes memory", _hide_memory),
        ("hangs", _hang),
        ("dies", os.abort),
    )
)
