from __future__ import annotations

import math
from dataclasses import replace

import pytest

from reloc.estimate import Verdict
from reloc.evaluate.stress import Phase, StressFrame, stress_result

T, N, C, R, L = Verdict.TRACKED, Verdict.LIMITED, Verdict.COASTING, Verdict.RELOCALISING, Verdict.LOST
USUAL, ELSEWHERE, BLIND = Phase.USUAL, Phase.ELSEWHERE, Phase.BLIND


def _frames(verdicts: list[Verdict], phase: Phase = USUAL, metres: float = 0.01, degrees: float = 0.1) -> list[StressFrame]:
    return [StressFrame(verdict, metres, degrees, phase) for verdict in verdicts]


def test_a_run_without_incident_is_counted() -> None:
    far = [*_frames([T], metres=0.11), replace(_frames([N], metres=0.2)[0], is_frozen=True)]
    found = stress_result("none", [_frames([T, T, N, C]) + far])
    assert (found.trials, found.frames) == (1, 6)
    assert (found.tracked, found.limited) == (0.5, pytest.approx(1 / 3))
    assert found.within == 0.5
    assert (found.bluffs, found.frozen_far) == (1, 1)
    # Of 1, 1, 1, 11 and 20 cm.
    assert found.median_m == pytest.approx(0.01)
    assert (found.detected_after, found.recovered_after) == ((), ())
    assert math.isnan(found.soon)


@pytest.mark.parametrize("verdict", [T, N])
def test_a_turned_pose_and_one_with_a_weakness_are_bluffs_too(verdict: Verdict) -> None:
    assert stress_result("none", [_frames([verdict], degrees=10.5)]).bluffs == 1


@pytest.mark.parametrize("verdict", [C, R, L])
def test_what_is_not_believed_is_no_bluff(verdict: Verdict) -> None:
    assert stress_result("none", [_frames([verdict], degrees=10.5)]).bluffs == 0


def test_a_covered_lens_is_noticed_and_overcome() -> None:
    run = [
        *_frames([T] * 4),
        *_frames([T, T, C, C, L], BLIND),
        *_frames([L], metres=1.0),
        *_frames([T], metres=0.2),
        *_frames([N, T]),
    ]
    found = stress_result("covered", [run])
    assert found.detected_after == (2,)
    # The first frame with sight is lost, the second wrong, the third right.
    assert found.recovered_after == (3,)
    assert found.soon == 1.0
    # Blind frames need not be right: of the eight others, six are.
    assert found.within == pytest.approx(6 / 8)


def test_a_jump_is_noticed_where_the_pose_is_admitted_to_be_lost_or_right() -> None:
    there = [*_frames([T, T, T], ELSEWHERE, metres=2.0), *_frames([L] * 3, ELSEWHERE, metres=2.0), *_frames([T] * 4, ELSEWHERE)]
    run = [*_frames([T] * 4), *there, *_frames([T] * 5)]
    found = stress_result("kidnapped", [run])
    assert found.detected_after == (3, 0)
    assert found.recovered_after == (7, 1)
    assert found.soon == 0.5
    assert found.bluffs == 3


def test_what_never_comes_back_is_never() -> None:
    run = [*_frames([T] * 4), *_frames([T] * 3, BLIND), *_frames([L, L, L], metres=1.0)]
    found = stress_result("covered", [run, run])
    assert found.detected_after == (3, 3)
    assert found.recovered_after == (None, None)
    assert found.soon == 0.0
    assert found.as_mapping()["recovered_after"] == (None, None)


def test_a_run_that_ends_or_begins_in_the_dark_has_nothing_to_return_to() -> None:
    found = stress_result("covered", [[*_frames([T] * 3), *_frames([C, C], BLIND)], [*_frames([L], BLIND), *_frames([T])]])
    assert found.detected_after == (0,)
    assert found.recovered_after == (1,)


def test_without_a_ground_truth_only_verdicts_are_counted() -> None:
    unknown = math.nan
    found = stress_result("covered", [[*_frames([T], USUAL, unknown, unknown), *_frames([T], BLIND, unknown, unknown)]])
    assert (found.tracked, found.bluffs) == (1.0, 0)
    assert (found.detected_after, found.recovered_after) == ((), ())
    assert math.isnan(found.within)
    assert math.isnan(found.median_m)
