from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from reloc.errors import TrajectoryError
from reloc.geometry.se3 import SE3, interpolate
from reloc.geometry.trajectory import Trajectory, format_seconds, format_tum_line, load_tum, parse_seconds, save_tum
from tests.tolerances import ALGEBRA, TUM_DECIMALS

GOOD = "1.5 1 2 3 0.5 -0.5 0.5 0.5"


def _random(count: int, start_ns: int = 0) -> Trajectory:
    rng = np.random.default_rng(count)
    quaternions = np.roll(Rotation.random(count, random_state=3).as_quat(), 1, axis=1)
    times = start_ns + np.cumsum(rng.integers(1_000_000, 60_000_000, count))
    return Trajectory(times.astype(np.int64), rng.normal(size=(count, 3)), quaternions)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "poses.txt"
    path.write_bytes(text.encode())
    return path


def test_a_line_has_seconds_position_and_the_real_part_last() -> None:
    # A quarter turn about z: w = z = sqrt(1/2).
    pose = SE3(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([1.0, -2.0, 0.25]))
    expected = "1700000000.000000007 1.000000000 -2.000000000 0.250000000 0.000000000 0.000000000 0.707106781 0.707106781"
    assert format_tum_line(1_700_000_000_000_000_007, pose) == expected


def test_the_columns_of_a_file_are_read_in_their_order(tmp_path: Path) -> None:
    loaded = load_tum(_file(tmp_path, GOOD))
    assert loaded.timestamps_ns.tolist() == [1_500_000_000]
    np.testing.assert_array_equal(loaded.translations, [[1, 2, 3]])
    np.testing.assert_array_equal(loaded.quaternions, [[0.5, 0.5, -0.5, 0.5]])
    np.testing.assert_allclose(loaded.pose(0).rotation, Rotation.from_quat([0.5, -0.5, 0.5, 0.5]).as_matrix(), atol=ALGEBRA)


@given(st.integers(min_value=-(2**62), max_value=2**62))
def test_times_survive_text_to_the_nanosecond(timestamp_ns: int) -> None:
    assert parse_seconds(format_seconds(timestamp_ns)) == timestamp_ns


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("1.403636579763555527e+09", 1_403_636_579_763_555_527),
        ("0.0333333333", 33_333_333),
        ("-0.5", -500_000_000),
        ("7", 7_000_000_000),
        (".5", 500_000_000),
    ],
)
def test_times_are_read_in_every_notation(token: str, expected: int) -> None:
    assert parse_seconds(token) == expected


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    written = _random(500, start_ns=1_700_000_000_123_456_789)
    save_tum(tmp_path / "poses.txt", written)
    read = load_tum(tmp_path / "poses.txt")
    np.testing.assert_array_equal(read.timestamps_ns, written.timestamps_ns)
    np.testing.assert_allclose(read.translations, written.translations, atol=TUM_DECIMALS)
    np.testing.assert_allclose(read.quaternions, written.quaternions, atol=TUM_DECIMALS)
    lines = (tmp_path / "poses.txt").read_text().splitlines()
    assert lines[0].startswith("# timestamp tx ty tz qx qy qz qw")
    values = [written.pose(i) for i in (0, 499)]
    assert load_tum(_file(tmp_path, format_tum_line(1, values[1]))).pose(0).translation == pytest.approx(
        values[1].translation, abs=TUM_DECIMALS
    )


def test_comments_blank_lines_commas_line_ends_and_order_do_not_matter(tmp_path: Path) -> None:
    text = "\ufeff# made by hand\r\n\r\n2,1,2,3,0,0,0,1\r\n   \n  # more\n1.0\t4 5 6  0 0 0 -1.002 # tail\n2 1 2 3 0 0 0 1"
    loaded = load_tum(_file(tmp_path, text))
    assert loaded.timestamps_ns.tolist() == [1_000_000_000, 2_000_000_000]
    np.testing.assert_array_equal(loaded.translations, [[4, 5, 6], [1, 2, 3]])
    np.testing.assert_array_equal(loaded.quaternions, [[-1, 0, 0, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize("text", ["", "# only a header\n", "\n\n"])
def test_a_file_without_a_pose_is_an_empty_trajectory(tmp_path: Path, text: str) -> None:
    assert len(load_tum(_file(tmp_path, text))) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 1 2 3 0 0 nan 1", "line 3 is no pose: it holds NaN"),
        ("2 1 2 inf 0 0 0 1", "line 3 is no pose: it holds NaN or infinity"),
        ("2 1 2 3 0 0 0 0", "line 3 .*length 0 instead of 1"),
        ("2 1 2 3 0 0 0 0.9", "line 3 .*length 0.9 instead of 1; the order is tx ty tz qx qy qz qw"),
        ("2 1 2 3 1e300 0 0 1e300", "line 3 .*length"),
        ("2 1 2 3 0 0 1", "line 3 .*found 7 values"),
        ("2 1 2 3 0 0 0 1 5", "line 3 .*found 9 values"),
        ("2 1 2 x 0 0 0 1", "line 3 .*not a number; comments begin with #"),
        ("timestamp tx ty tz qx qy qz qw", "line 3 .*not a number"),
        ("nan 1 2 3 0 0 0 1", "line 3 .*not a number"),
        ("1403636579763555584 1 2 3 0 0 0 1", "line 3 .*not in seconds: divide nanoseconds by 1e9"),
        ("1.5 1 2 4 0.5 -0.5 0.5 0.5", "two different poses have the timestamp 1.500000000"),
        ("1e-999999999999999999999 1 2 3 0 0 0 1", "line 3"),
        ("0" * 70 + "1 1 2 3 0 0 0 1", "line 3"),
        ("1_0 1 2 3 0 0 0 1", "line 3"),
        ("10 1_0 2 3 0 0 0 1", "decimal numbers"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    path = _file(tmp_path, f"# head\n{GOOD}\n{line}\n9 1 2 3 0 0 0 1\n")
    with pytest.raises(TrajectoryError, match=f"(?s){message}.*poses.txt"):
        load_tum(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\xff\xfe 1 2", "not a text file"),
        (b"1" * 5_000_000, "too long for a pose"),
        (b"\0" * 100, "line 1 is no pose"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "poses.txt").write_bytes(content)
    with pytest.raises(TrajectoryError, match=message):
        load_tum(tmp_path / "poses.txt")


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="No such file"):
        load_tum(tmp_path / "absent.txt")
    with pytest.raises(TrajectoryError, match="Is a directory"):
        load_tum(tmp_path)


def test_lines_are_joined_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = _random(40)
    save_tum(tmp_path / "poses.txt", written)
    monkeypatch.setattr("reloc.geometry.trajectory._BLOCK_BYTES", 37)
    read = load_tum(tmp_path / "poses.txt")
    np.testing.assert_array_equal(read.timestamps_ns, written.timestamps_ns)
    (tmp_path / "poses.txt").write_text((tmp_path / "poses.txt").read_text() + "99 nan 0 0 0 0 0 1")
    with pytest.raises(TrajectoryError, match="line 42 is no pose"):
        load_tum(tmp_path / "poses.txt")


def test_a_hundred_thousand_lines_are_read_quickly(tmp_path: Path) -> None:
    save_tum(tmp_path / "poses.txt", _random(100_000))
    start = time.process_time()
    assert len(load_tum(tmp_path / "poses.txt")) == 100_000
    assert time.process_time() - start < 2.0  # 0.3 s measured; a loop with a parser per line takes longer than this


def test_the_nearest_pose_in_time_is_found_at_the_ends_and_between() -> None:
    trajectory = Trajectory.from_poses([10, 20, 40], [SE3.identity()] * 3)
    assert [trajectory.nearest(t) for t in (-5, 10, 14, 15, 16, 30, 31, 99)] == [0, 0, 0, 0, 1, 1, 2, 2]
    with pytest.raises(TrajectoryError, match="holds no pose"):
        Trajectory.from_poses([], []).nearest(0)


def test_interpolation_follows_the_geodesic_and_meets_the_poses() -> None:
    trajectory = _random(20)
    times = trajectory.timestamps_ns[:-1] + np.diff(trajectory.timestamps_ns) // 3
    between = trajectory.interpolated(times)
    for i, moment in enumerate(times):
        a, b = trajectory.timestamps_ns[i : i + 2]
        expected = interpolate(trajectory.pose(i), trajectory.pose(i + 1), (moment - a) / (b - a))
        np.testing.assert_allclose(between.pose(i).matrix, expected.matrix, atol=ALGEBRA)
    again = trajectory.interpolated(trajectory.timestamps_ns)
    np.testing.assert_allclose(again.translations, trajectory.translations, atol=ALGEBRA)
    for i in range(20):
        np.testing.assert_allclose(again.pose(i).rotation, trajectory.pose(i).rotation, atol=ALGEBRA)


def test_nothing_is_extrapolated() -> None:
    trajectory = _random(5)
    assert len(trajectory.interpolated([])) == 0
    for moment in (trajectory.timestamps_ns[0] - 1, trajectory.timestamps_ns[-1] + 1):
        with pytest.raises(TrajectoryError, match="between the first and the last"):
            trajectory.interpolated([moment])


def test_moving_to_another_frame_is_composition_with_scaled_positions() -> None:
    trajectory = _random(6)
    target_from_world = SE3.exp([0.1, -2.0, 3.0, 0.5, 0.2, -1.0])
    moved = trajectory.moved(target_from_world, scale=2.5)
    for i in range(6):
        pose = trajectory.pose(i)
        expected = target_from_world @ SE3(pose.rotation, 2.5 * pose.translation)
        np.testing.assert_allclose(moved.pose(i).matrix, expected.matrix, atol=ALGEBRA)


@pytest.mark.parametrize(
    ("times", "translation", "message"),
    [([2, 1], 0.0, "must increase"), ([1, 1], 0.0, "must increase"), ([1, 2], np.nan, "NaN"), ([1, 2, 3], 0.0, r"found \(3,\)")],
)
def test_arrays_that_are_no_trajectory_are_refused(times: list[int], translation: float, message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        Trajectory(np.array(times), np.full((2, 3), translation), np.tile([1.0, 0, 0, 0], (2, 1)))


def test_the_real_ground_truth_is_read(kitchen: Path) -> None:
    trajectory = load_tum(kitchen / "query" / "groundtruth.txt")
    assert len(trajectory) == 300
    # Line 3 of the file, typed in by hand.
    assert trajectory.timestamps_ns[1] == 33_333_000
    np.testing.assert_allclose(trajectory.translations[1], [0.327830, -0.372556, 0.669347], atol=ALGEBRA)
    np.testing.assert_allclose(trajectory.quaternions[1], [0.9699336, 0.0730445, -0.1688770, -0.1592920], atol=1e-6)
