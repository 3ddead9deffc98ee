from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reloc.report.worst import frame_errors, worst_frames
from tests.unit.report.made import TRUTH, estimates, run


def test_the_worst_are_the_believed_ones_with_the_largest_errors_and_some_that_failed(tmp_path: Path) -> None:
    frames = run(tmp_path / "run", estimates(bad=[7, 30], lost=range(45, 60))).frames
    assert frames is not None
    found = worst_frames(frames, TRUTH, 0.01, 6)
    tracked = [frame for frame in found if "of those believed" in frame.why]
    failed = [frame for frame in found if "not believed" in frame.why]
    assert [frame.row for frame in tracked[:2]] == [7, 30]
    assert (len(tracked), len(failed)) == (4, 2)
    assert all(frame.row >= 45 for frame in failed)
    assert tracked[0].position_m == pytest.approx(0.2)
    assert failed[0].position_m == pytest.approx(1.0)


def test_without_a_ground_truth_the_score_decides(tmp_path: Path) -> None:
    frames = run(tmp_path / "run", estimates()).frames
    assert frames is not None
    found = worst_frames(frames, None, 0.01, 3)
    assert found[0].row == 59
    assert all(np.isnan(frame.position_m) and "lowest scores" in frame.why for frame in found)


def test_neighbours_of_one_mishap_are_shown_once(tmp_path: Path) -> None:
    truth = TRUTH.selected(np.arange(60))
    frames = run(tmp_path / "run", estimates(truth, bad=range(10, 30))).frames
    assert frames is not None
    rows = sorted(frame.row for frame in worst_frames(frames, truth, 0.01, 60))
    assert min(np.diff(rows)) >= 1
    many = worst_frames(frames, truth, 0.01, 0)
    assert many == ()


def test_all_lost_still_shows_as_many_as_asked_for(tmp_path: Path) -> None:
    frames = run(tmp_path / "run", estimates(lost=range(60))).frames
    assert frames is not None
    assert len(worst_frames(frames, TRUTH, 0.01, 6)) == 6


def test_errors_are_known_of_all_frames_whatever_their_verdict(tmp_path: Path) -> None:
    frames = run(tmp_path / "run", estimates(lost=[3, 4])).frames
    assert frames is not None
    metres, degrees = frame_errors(frames, TRUTH.selected(np.arange(0, 60, 2)), 0.01)
    np.testing.assert_allclose(metres[:6], [0.01, np.nan, 0.01, np.nan, 1.0, np.nan], atol=1e-8)
    np.testing.assert_allclose(degrees[::2], 0.0, atol=1e-5)
