from __future__ import annotations

import json
import tracemalloc
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reloc.errors import OutputError
from reloc.estimate import Verdict
from reloc.sinks.histogram import DurationHistogram
from reloc.sinks.sink import Sink
from reloc.sinks.summary import SummarySink
from tests.tolerances import HISTOGRAM
from tests.unit.sinks.estimates import CAMERA, INFO, LENS, estimate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    "values",
    [np.random.default_rng(1).lognormal(2, 1, 5000), np.array([5.0, 300.0]), np.array([7.0]), np.array([0.5] * 9 + [900.0])],
)
def test_percentiles_are_those_of_numpy_within_the_width_of_a_bin(values: np.ndarray) -> None:
    histogram = DurationHistogram()
    for value in values:
        histogram.add(float(value))
    for percent in (0, 5, 50, 95, 99, 100):
        assert histogram.percentile(percent) == pytest.approx(np.percentile(values, percent), rel=HISTOGRAM)
    assert histogram.total_ms == pytest.approx(values.sum())


def test_durations_at_and_beyond_the_ends_do_no_harm() -> None:
    histogram = DurationHistogram()
    assert np.isnan(histogram.percentile(50))
    for value in (np.nan, np.inf, -1.0):
        histogram.add(value)
    assert histogram.count == 0
    histogram.add(0.0)
    assert histogram.percentile(50) < 0.002
    histogram.add(1e12)
    assert histogram.percentile(100) > 1e6


def test_the_summary_counts_what_happened(tmp_path: Path) -> None:
    path, clock = tmp_path / "summary.json", Clock()
    sink = SummarySink(path, clock=clock, figures=lambda: {"dropped": 4})
    assert isinstance(sink, Sink)
    LENS.project(np.array([[0.0, 0.0, 1.0]]))  # keeps what it computed for the next time, which is no number to be written down
    sink.open(INFO, CAMERA)
    for index in range(100):
        verdict = [Verdict.TRACKED, Verdict.TRACKED, Verdict.TRACKED, Verdict.LOST][index % 4]
        sink.write(
            estimate(index, verdict=verdict, keyframe_renewed=index % 10 == 0, milliseconds={"total": 1.0 + index, "align": 3.0})
        )
    clock.now = 112.5
    sink.close()
    found = _read(path)
    assert found["frames"] == 100
    assert found["verdicts"] == {"TRACKED": 75, "LIMITED": 0, "COASTING": 0, "RELOCALISING": 0, "LOST": 25}
    assert found["keyframes"] == 10
    assert found["dropped"] == 4
    assert found["wall_s"] == 12.5
    assert found["milliseconds"]["total"] == pytest.approx({"median": 50.5, "p95": 95.05}, rel=HISTOGRAM)
    assert found["milliseconds"]["align"] == pytest.approx({"median": 3.0, "p95": 3.0}, rel=HISTOGRAM)
    assert found["source"] == "kitchen"
    assert found["versions"]["numpy"] == np.__version__
    assert set(found["versions"]) >= {"reloc", "python", "numpy", "numba", "opencv"}
    assert found["camera"] == asdict(CAMERA)
    assert found["lens"] == {**asdict(LENS), "distortion": list(LENS.distortion)}
    assert found["complete"] is True


def test_a_crash_leaves_a_summary_that_is_a_few_seconds_old(tmp_path: Path) -> None:
    path, clock = tmp_path / "summary.json", Clock()
    sink = SummarySink(path, clock=clock, interval_s=5.0)
    sink.open(INFO, CAMERA)
    assert (_read(path)["frames"], _read(path)["complete"], "dropped" in _read(path)) == (0, False, False)
    seen = []
    for index in range(12):
        clock.now += 1.0
        sink.write(estimate(index))
        seen.append(_read(path)["frames"])
    assert seen == [0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10, 10]


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    sink = SummarySink(tmp_path / "summary.json", clock=Clock())
    sink.open(INFO, CAMERA)
    one = estimate()
    for _ in range(10):
        sink.write(one)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(10_000):
        sink.write(one)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 10_000


def test_a_folder_that_cannot_be_written_to_is_said_on_opening(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write the file"):
        SummarySink(tmp_path / "file" / "summary.json").open(INFO, CAMERA)
