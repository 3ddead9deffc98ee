from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.evaluate.association import associate

TIMES = st.lists(st.integers(0, 200), max_size=30, unique=True).map(lambda times: np.array(sorted(times), dtype=np.int64))


def _pairs(groundtruth: list[int], estimate: list[int], tolerance: int) -> list[tuple[int, int]]:
    frames, poses = associate(np.array(groundtruth, dtype=np.int64), np.array(estimate, dtype=np.int64), tolerance)
    return list(zip(frames.tolist(), poses.tolist(), strict=True))


@pytest.mark.parametrize(
    ("groundtruth", "estimate", "tolerance", "expected"),
    [
        ([0, 10, 20], [0, 10, 20], 0, [(0, 0), (1, 1), (2, 2)]),
        ([0, 10, 20], [11, 19], 1, [(1, 0), (2, 1)]),
        ([0, 10, 20], [12], 1, []),
        ([0, 10, 20], [12], 2, [(1, 0)]),
        ([0, 10], [4, 8], 10, [(0, 0), (1, 1)]),
        ([0, 10], [9, 11], 10, [(1, 0)]),  # both poses lie nearest to the second frame: the earlier has it
        ([5], [4, 6], 10, [(0, 0)]),
        ([4, 6], [5], 10, [(0, 0)]),
        ([], [1], 10, []),
        ([1], [], 10, []),
    ],
)
def test_pairs_are_what_a_person_would_pair(
    groundtruth: list[int], estimate: list[int], tolerance: int, expected: list[tuple[int, int]]
) -> None:
    assert _pairs(groundtruth, estimate, tolerance) == expected


@given(TIMES, TIMES, st.integers(0, 50))
def test_pairs_are_one_to_one_in_order_close_and_mutually_nearest(
    groundtruth: np.ndarray, estimate: np.ndarray, tolerance: int
) -> None:
    frames, poses = associate(groundtruth, estimate, tolerance)
    assert (np.diff(frames) > 0).all()
    assert (np.diff(poses) > 0).all()
    for frame, pose in zip(frames, poses, strict=True):
        distance = abs(groundtruth[frame] - estimate[pose])
        assert distance <= tolerance
        assert distance == np.abs(groundtruth - estimate[pose]).min() == np.abs(estimate - groundtruth[frame]).min()


@given(TIMES, st.integers(-2, 2))
def test_a_small_shift_of_the_clock_loses_nothing(times: np.ndarray, shift: int) -> None:
    spaced = times * 5
    frames, poses = associate(spaced, spaced + shift, 2)
    assert frames.tolist() == poses.tolist() == list(range(len(times)))
