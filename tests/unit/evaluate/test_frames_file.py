from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reloc.errors import TrajectoryError
from reloc.evaluate.frames_file import load_frames
from tests.unit.evaluate.runs import write_run
from tests.unit.sinks.estimates import estimate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [estimate(i) for i in range(5)])


@pytest.mark.parametrize("cut", [1, 2, 50, 500])
def test_a_last_line_that_was_cut_off_is_left_out(folder: Path, cut: int) -> None:
    path = folder / "frames.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(load_frames(path)) == {1: 5}.get(cut, 4)


def test_an_empty_file_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "frames.jsonl").write_text("")
    frames = load_frames(tmp_path / "frames.jsonl")
    assert len(frames) == 0
    assert frames.covariances.shape == (0, 6, 6)
    assert len(frames.poses(frames.has_pose)) == 0


def test_null_and_nothing_are_the_same(tmp_path: Path) -> None:
    """As in files of earlier versions, which lack some keys, and in frames that were not aligned."""
    names = ["index", "name", "reason", "world_from_camera", "covariance", "exposure", "milliseconds", "score", "nis"]
    bare = tmp_path / "bare.jsonl"
    bare.write_text(_changed())
    frames = load_frames(bare)
    assert (frames.indices.tolist(), frames.names, frames.reasons) == ([-1], ("",), ("",))
    assert not frames.has_pose[0]
    spelt_out = tmp_path / "null.jsonl"
    spelt_out.write_text(_changed(**dict.fromkeys(names[3:])))
    for table in (frames, load_frames(spelt_out)):
        assert np.isnan(table.covariances).all()
        assert np.isnan([table.measures["score"], table.measures["nis"], table.exposure["gain"], table.exposure["bias"]]).all()
        assert table.milliseconds == {}


def _changed(**fields: Any) -> str:
    return json.dumps({"timestamp_ns": 5, "verdict": "TRACKED", **fields})


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "5",
        "null",
        '"text"',
        "{}",
        "[" * 50_000,
        "x" * 400_000,
        "\x00\xff",
        _changed(timestamp_ns=1.5),
        _changed(timestamp_ns=10**30),
        _changed(timestamp_ns="now"),
        _changed(index=1e400),
        _changed(world_from_camera=[1, 2, 3]),
        _changed(world_from_camera={"translation": [1, 2], "quaternion_xyzw": [0, 0, 0, 1]}),
        _changed(world_from_camera={"translation": [1, 2, 3], "quaternion_xyzw": [0, 0, 0, 2]}),
        _changed(world_from_camera={"translation": [1, 2, 3], "quaternion_xyzw": [0, 0, 0, 0]}),
        _changed(covariance=[1] * 36),
        _changed(verdict=None),
        _changed(name=5),
        _changed(exposure={"gain": ["1"]}),
        _changed(unknown=float("nan")),
        _changed(score="good"),
        _changed(milliseconds=[1]),
    ],
)
def test_a_line_that_is_no_frame_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(f"{_changed(timestamp_ns=1)}\n{line}\n{_changed(timestamp_ns=9)}\n")
    with pytest.raises(TrajectoryError, match=r"line 2 is not a frame.*frames\.jsonl"):
        load_frames(path)


def test_times_that_go_backwards_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(f"{_changed(timestamp_ns=1)}\n{_changed(timestamp_ns=1)}\n")
    with pytest.raises(TrajectoryError, match="line 2 is not later"):
        load_frames(path)


def test_a_bad_line_is_found_among_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reloc.evaluate.frames_file._BATCH", 8)
    lines = [_changed(timestamp_ns=i, milliseconds={f"stage {i % 20}": i}) for i in range(50)]
    path = tmp_path / "frames.jsonl"
    path.write_text("\n".join(lines))
    frames = load_frames(path)
    assert frames.timestamps_ns.tolist() == list(range(50))
    np.testing.assert_array_equal(frames.milliseconds["stage 7"], [i if i % 20 == 7 else np.nan for i in range(50)])
    path.write_text("\n".join([*lines[:41], _changed(timestamp_ns=41, score=[1]), *lines[42:]]))
    with pytest.raises(TrajectoryError, match="line 42 is not a frame"):
        load_frames(path)


def test_a_file_does_not_decide_how_much_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(
        "\n".join(_changed(timestamp_ns=i, milliseconds={f"stage {i} {j}": 1 for j in range(100)}) for i in range(30))
    )
    assert len(load_frames(path).milliseconds) < 100
