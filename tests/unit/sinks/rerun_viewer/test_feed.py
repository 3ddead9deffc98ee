from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reloc.estimate import Exposure, Verdict
from reloc.geometry.se3 import SE3
from reloc.sinks.rerun_viewer.feed import (
    PIECE_POINTS,
    CurveGroup,
    PictureClock,
    Piece,
    Row,
    TrajectoryPieces,
    row_of,
    with_newcomers,
)
from tests.unit.sinks.estimates import estimate


def row(index: int, x: float, verdict: Verdict = Verdict.TRACKED) -> Row:
    return Row(index, index, verdict, "", SE3(np.eye(3), np.array([x, 0.0, 0.0])), {})


def cut(rows: Iterable[Row], shortest_step_m: float = 0.0) -> list[Piece]:
    pieces = TrajectoryPieces(shortest_step_m)
    found = [pieces.add(each) for each in rows] + [pieces.open_piece()]
    return [piece for piece in found if piece is not None]


def steps(piece: Piece) -> list[tuple[float, float, Verdict]]:
    xs = piece.points_in_world[:, 0].tolist()
    return [(a, b, piece.verdict) for a, b in pairwise(xs)]


def test_a_row_keeps_pose_verdict_and_numbers_but_not_the_image() -> None:
    made = estimate(7, verdict=Verdict.COASTING, reason="dark", milliseconds={"align": 4.0, "total": 7.0})
    found = row_of(made)
    assert (found.index, found.timestamp_ns, found.verdict, found.reason) == (7, 7 * 33_333_333, Verdict.COASTING, "dark")
    assert found.world_from_camera == made.world_from_camera
    assert found.plots["trust"] == {"score": 0.9, "inlier share": 0.9, "correlation": 0.8}
    assert list(found.plots["milliseconds"].items()) == [("total", 7.0), ("align", 4.0)]
    assert found.plots["exposure"] == {"gain": 1.1, "bias": 0.02}
    assert list(found.plots["residual"].values()) == [0.03]
    assert list(found.plots["innovation"].values()) == [5.5]


def test_a_row_names_the_channels_of_an_exposure_in_colour() -> None:
    found = row_of(estimate(exposure=Exposure(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]))))
    expected = {"gain red": 1.0, "gain green": 2.0, "gain blue": 3.0, "bias red": 0.1, "bias green": 0.2, "bias blue": 0.3}
    assert found.plots["exposure"] == expected


def test_a_row_has_no_pose_where_it_is_not_finite() -> None:
    assert row_of(estimate(camera_from_world=SE3(np.eye(3), np.array([np.nan, 0, 0])))).world_from_camera is None


def test_curves_that_come_later_form_a_group_of_their_own() -> None:
    first = with_newcomers([], [{"align": 1.0, "total": 2.0}, {"total": 3.0}])
    second = with_newcomers(first, [{"align": 1.0, "render": 9.0}])
    assert [group.names for group in second] == [("align", "total"), ("render",)]
    assert [group.first_color for group in second] == [0, 2]
    assert with_newcomers(second, [{"render": 1.0}]) == second


def test_a_stage_that_did_not_run_took_no_time() -> None:
    group = CurveGroup(("align", "total"), 0)
    np.testing.assert_array_equal(group.values([{"align": 1.0, "total": 2.0}, {"total": 3.0, "render": 5.0}]), [[1, 2], [0, 3]])


@given(st.lists(st.integers(0, 400_000_000), min_size=1, max_size=60), st.sampled_from([0.5, 3.0, 10.0, 30.0]))
def test_at_most_one_picture_a_period_and_one_in_every_period_with_a_frame(gaps_ns: list[int], rate_hz: float) -> None:
    times_ns = np.cumsum(gaps_ns)
    clock = PictureClock(rate_hz)
    due = np.array([clock.due(int(now)) for now in times_ns])
    periods = (times_ns - times_ns[0]) // round(1e9 / rate_hz)
    assert due[0]
    assert due.sum() == len(np.unique(periods))
    assert len(np.unique(periods[due])) == due.sum()


def test_thirty_frames_a_second_give_ten_pictures_a_second() -> None:
    clock = PictureClock(10.0)
    assert sum(clock.due(frame * 33_333_333) for frame in range(3000)) == 1000


def test_a_clock_that_jumps_back_goes_on_giving_pictures() -> None:
    clock = PictureClock(10.0)
    clock.due(10**12)
    assert clock.due(5)


def test_no_picture_is_due_while_the_drawing_rests() -> None:
    clock = PictureClock(10.0)
    assert clock.due(0)
    clock.rest(350_000_000)
    assert [now for now in range(0, 600_000_000, 50_000_000) if clock.due(now)] == [350_000_000, 400_000_000, 500_000_000]


@given(st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=300))
def test_every_step_of_the_way_is_drawn_once_in_the_colour_of_its_end(verdicts: list[Verdict]) -> None:
    rows = [row(i, float(i), verdict) for i, verdict in enumerate(verdicts)]
    found = [step for piece in cut(rows) for step in steps(piece)]
    nowhere = (Verdict.LOST, Verdict.RELOCALISING)
    after_loss = [a.verdict in nowhere and a.verdict != b.verdict for a, b in pairwise(rows)]
    expected = [(i, i + 1, verdicts[i + 1]) for i, lost in enumerate(after_loss) if not lost]
    assert found == expected


def test_no_piece_is_long() -> None:
    assert max(len(piece.points_in_world) for piece in cut(row(i, float(i)) for i in range(1000))) == PIECE_POINTS


def test_what_is_redrawn_while_it_grows_is_never_what_was_finished() -> None:
    pieces = TrajectoryPieces(0.0)
    finished = [pieces.add(row(i, float(i))) for i in range(100)]
    drawn = next(piece for piece in finished if piece is not None)
    growing = pieces.open_piece()
    assert growing is not None
    assert drawn.points_in_world[-1, 0] == growing.points_in_world[0, 0] == PIECE_POINTS - 1


def test_a_camera_that_stands_still_adds_nothing() -> None:
    xs = [0.0, *[1.0 + 1e-4 * np.sin(i) for i in range(500)], 2.0]
    found = cut([row(i, x) for i, x in enumerate(xs)], shortest_step_m=0.01)
    assert [len(piece.points_in_world) for piece in found] == [3]


def test_a_frame_without_a_pose_is_passed_over() -> None:
    nowhere = Row(1, 1, Verdict.TRACKED, "", None, {})
    assert [steps(piece) for piece in cut([row(0, 0.0), nowhere, row(2, 2.0)])] == [[(0.0, 2.0, Verdict.TRACKED)]]


@pytest.mark.parametrize("count", [0, 1])
def test_less_than_two_places_are_no_piece(count: int) -> None:
    assert cut(row(i, float(i)) for i in range(count)) == []
