from __future__ import annotations

from dataclasses import replace

import pytest

from reloc.estimate import Verdict
from reloc.health import HealthState
from reloc.live import CameraState, CameraStatus
from reloc.sinks.queued import QueueStatus
from tests.unit.live.scripted import Clock
from tests.unit.sinks.estimates import estimate

STREAMING = CameraStatus(CameraState.STREAMING, 3.0, 10, 1, 2, "unplugged", dropped=4)
FINE = QueueStatus("RecorderSink", 10, 0, "")


def _state(camera: CameraStatus = STREAMING, sink: QueueStatus = FINE) -> tuple[HealthState, Clock]:
    clock = Clock()
    return HealthState(lambda: camera, lambda: [sink], clock), clock


def test_while_it_tracks_all_is_well() -> None:
    state, clock = _state()
    state.take(estimate(3, milliseconds={"total": 7.0, "latency": 12.5}))
    clock.now_s += 0.25
    report = state.report()
    assert (report["ok"], report["problems"], report["frames"], report["uptime_s"]) == (True, [], 1, 0.25)
    assert report["verdicts"] == {"TRACKED": 1, "LIMITED": 0, "COASTING": 0, "RELOCALISING": 0, "LOST": 0}
    assert report["latest"] == {
        "index": 3,
        "timestamp_ns": 99_999_999,
        "verdict": "TRACKED",
        "reason": "",
        "score": 0.9,
        "latency_ms": 12.5,
        "age_s": 0.25,
    }
    assert (report["camera"]["state"], report["camera"]["dropped"]) == ("STREAMING", 4)
    assert report["sinks"] == [{"name": "RecorderSink", "written": 10, "dropped": 0, "failure": ""}]


def test_before_the_first_pose_it_is_not_well() -> None:
    state, _ = _state()
    assert state.problems() == ["there is no pose yet"]
    assert state.report()["latest"] is None


@pytest.mark.parametrize("camera", [CameraState.STARTING, CameraState.SILENT, CameraState.ENDED])
def test_a_camera_that_gives_nothing_is_a_problem(camera: CameraState) -> None:
    state, _ = _state(replace(STREAMING, state=camera, state_s=4.25))
    state.take(estimate(0))
    assert state.problems() == [f"the camera is {camera} for 4.2 s"]


def test_one_that_failed_is_a_problem_with_its_cause() -> None:
    state, _ = _state(replace(STREAMING, state=CameraState.WAITING, state_s=1.0))
    state.take(estimate(0))
    assert state.problems() == ["the camera is WAITING for 1.0 s: unplugged"]


@pytest.mark.parametrize("verdict", [Verdict.LOST, Verdict.RELOCALISING])
@pytest.mark.parametrize("after", [Verdict.COASTING, Verdict.LIMITED])
def test_lost_is_a_problem_and_what_has_a_pose_is_not(verdict: Verdict, after: Verdict) -> None:
    state, _ = _state()
    state.take(estimate(0, verdict=verdict, reason="too dark"))
    assert state.problems() == ["the camera is lost: too dark"]
    state.take(estimate(1, verdict=after, reason="too dark"))
    assert state.problems() == []


def test_frames_without_poses_are_a_problem() -> None:
    state, clock = _state()
    state.take(estimate(0))
    clock.now_s += 5.0
    assert state.problems() == []
    clock.now_s += 1.0
    assert state.problems() == ["tracking hangs: frames come, but the latest pose is 6.0 s old"]


def test_a_sink_that_failed_is_a_problem() -> None:
    state, _ = _state(sink=replace(FINE, failure="OSError: disk full"))
    state.take(estimate(0))
    assert state.problems() == ["RecorderSink failed: OSError: disk full"]
