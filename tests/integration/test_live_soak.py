"""A few seconds of what `python -m tests.benchmarks.soak` does for half an hour."""

from __future__ import annotations

import pytest

from reloc.live import LiveConfig
from tests.benchmarks.soak import soak
from tests.faulty_camera import Fault

# Everything in a fraction of the time.
QUICK = LiveConfig(silence_s=0.25, hang_s=0.5, first_frame_s=2.0, shortest_wait_s=0.05, longest_wait_s=0.2, steady_s=0.3)


def test_a_live_run_outlives_all_that_can_go_wrong(caplog: pytest.LogCaptureFixture) -> None:
    report = soak(4.0, fault_every=16, config=QUICK, pictures=12, sample_s=0.2)
    # Nothing here asks how fast this machine is. Memory is for the long run to judge: in seconds it only settles.
    assert report.complaints(memory=False) == [], report
    for said in ("it hangs", "no such device", "clock has started anew"):
        assert said in caplog.text
    assert set(report.faults) == {fault.value for fault in Fault}
    assert report.reconnects >= 5
    assert report.unordered >= 1
    assert report.sinks[0]["dropped"] > 0  # type: ignore[operator]
    assert report.sinks[2]["failure"] == "OSError: disk full"
    assert report.sinks[3]["failure"] == ""
