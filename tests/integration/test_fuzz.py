"""Some hundred of the ten thousand mutated files of `python -m tests.benchmarks.fuzz`, others than its first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.campaign import Request, campaign
from tests.fuzz.mutations import mutated

FILES = 250
FIRST = 1_000_000
HURRY_S = 5.0


def test_mutated_files_are_refused_or_come_out_sound(tmp_path: Path) -> None:
    found = campaign(Request(tmp_path), files=FILES, first=FIRST)
    assert found.failures == []
    assert found.files == FILES
    # Neither is everything refused, which would test nothing behind the first check, nor nothing.
    assert found.count("valid") > FILES / 20
    assert found.count("refused") > FILES / 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refuses", "refused"),
        ("raises", "traceback"),
        ("is unsound", "unsound"),
        ("takes memory", "memory"),
        ("hangs", "hang"),
        ("dies", "crash"),
    ],
)
def test_what_readers_must_not_do_is_noticed_and_outlived(tmp_path: Path, name: str, said: str) -> None:
    request = Request(tmp_path, subjects="tests.fuzz.bad_subjects", name=name, patience_s=HURRY_S)
    found = campaign(request, files=1)
    assert found.outcomes == {name: Counter({said: 1})}
    assert [one.said for one in found.failures] == [said] * (said != "refused")


def test_a_number_and_a_seed_always_give_the_same_bytes() -> None:
    data = bytes(range(200))
    once, again, other = (mutated(data, np.random.default_rng([0, case])) for case in (1, 1, 2))
    assert once == again
    assert len({once, other, data}) == 3
