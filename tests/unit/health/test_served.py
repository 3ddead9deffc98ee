from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reloc.errors import ConfigError
from reloc.estimate import Verdict
from reloc.health import HealthSink, HealthState
from reloc.live import CameraState, CameraStatus
from reloc.sinks.queued import QueueStatus
from tests.unit.sinks.estimates import CAMERA, INFO, estimate

PATIENCE_S = 30.0
MOST_AT_ONCE = 16


class Run:
    """A live run of which a test says how it is."""

    def __init__(self) -> None:
        self.camera = CameraStatus(CameraState.STREAMING, 3.0, 10, 1, 2, "", hanging=3, unordered=5, dropped=4)
        self.sink = QueueStatus("viewer", 10, 7, "")
        self._before = set(threading.enumerate())
        self.served = HealthSink(HealthState(lambda: self.camera, lambda: [self.sink]), 0)

    def ask(self, path: str, host: str | None = None) -> tuple[int, str, str]:
        address = urlsplit(self.served.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
        connection.request("GET", path, headers={"Host": host or address.netloc})
        answer = connection.getresponse()
        found = answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
        connection.close()
        return found

    @property
    def threads_of_its_own(self) -> set[threading.Thread]:
        return set(threading.enumerate()) - self._before

    def metrics(self) -> dict[tuple[str, ...], float]:
        """What Prometheus' own parser makes of the text: name and labels → value."""
        families = text_string_to_metric_families(self.ask("/metrics")[2])
        return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def answers(run: Run) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return run.ask("/metrics")[0] == 200
    return False


def eventually(is_so: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + PATIENCE_S
    return any(is_so() for _ in iter(lambda: time.monotonic() < end_s, False))


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    made.served.open(INFO, CAMERA)
    yield made
    made.served.close()


def test_health_is_json_and_200_while_all_is_well(run: Run) -> None:
    run.served.write(estimate(0))
    code, kind, text = run.ask("/health")
    assert (code, kind) == (200, "application/json")
    assert json.loads(text)["ok"] is True


def test_and_503_with_the_reasons_where_something_is_wrong(run: Run) -> None:
    run.camera = replace(run.camera, state=CameraState.SILENT)
    code, _, text = run.ask("/health")
    assert code == 503
    assert json.loads(text)["problems"] == ["the camera is SILENT for 3.0 s"]


def test_metrics_are_what_prometheus_reads(run: Run) -> None:
    for index, (verdict, latency_ms) in enumerate([(Verdict.TRACKED, 12.0), (Verdict.TRACKED, 40.0), (Verdict.LOST, 700.0)]):
        run.served.write(estimate(index, verdict=verdict, milliseconds={"latency": latency_ms}))
    found = run.metrics()
    expected = {
        ("reloc_frames_total", "TRACKED"): 2,
        ("reloc_frames_total", "LIMITED"): 0,
        ("reloc_frames_total", "COASTING"): 0,
        ("reloc_frames_total", "RELOCALISING"): 0,
        ("reloc_frames_total", "LOST"): 1,
        ("reloc_frames_dropped_total",): 4,
        ("reloc_frames_unordered_total",): 5,
        ("reloc_camera_reconnects_total",): 1,
        ("reloc_camera_streaming",): 1,
        ("reloc_camera_hanging_threads",): 3,
        ("reloc_tracked",): 0,
        ("reloc_score",): 0.9,
        ("reloc_latency_seconds_bucket", "0.015"): 1,
        ("reloc_latency_seconds_bucket", "0.05"): 2,
        ("reloc_latency_seconds_bucket", "+Inf"): 3,
        ("reloc_latency_seconds_count",): 3,
        ("reloc_sink_dropped_total", "viewer"): 7,
        ("reloc_sink_failed", "viewer"): 0,
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert found[("reloc_latency_seconds_sum",)] == pytest.approx(0.752)
    assert 0 <= found[("reloc_pose_age_seconds",)] < PATIENCE_S


def test_before_the_first_pose_there_are_metrics_too(run: Run) -> None:
    run.sink = replace(run.sink, failure="gone")
    run.camera = replace(run.camera, state=CameraState.WAITING)
    found = run.metrics()
    assert found[("reloc_sink_failed", "viewer")] == 1
    assert found[("reloc_camera_streaming",)] == 0
    assert ("reloc_score",) not in found


@pytest.mark.parametrize("path", ["/", "/healthz", "/../etc/passwd", "/health/"])
def test_there_is_nothing_else(run: Run, path: str) -> None:
    assert run.ask(path)[0] == 404


@pytest.mark.parametrize(
    ("host", "code"),
    [
        *[(name, 503) for name in ("localhost:1", "127.0.0.1:1", "localhost", "127.0.0.1")],
        *[(name, 403) for name in ("evil.example:8710", "evil.example", "localhost.evil.example:8710", "127.0.0.2:1")],
    ],
)
def test_it_answers_to_names_of_this_machine_only(run: Run, host: str, code: int) -> None:
    assert run.ask("/health", host)[0] == code


def test_it_listens_on_loopback_only(run: Run) -> None:
    assert urlsplit(run.served.url).hostname == "127.0.0.1"
    port = urlsplit(run.served.url).port
    # All of 127.0.0.0/8 is this machine; a server that listens on all addresses would answer on this one as well.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port or 0), timeout=PATIENCE_S)


def test_somebody_who_connects_and_says_nothing_keeps_nobody_waiting(run: Run) -> None:
    address = urlsplit(run.served.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE_S):
        assert run.ask("/health")[0] == 503


def test_many_who_connect_and_say_nothing_take_a_few_threads_only_and_are_forgotten(run: Run) -> None:
    address = urlsplit(run.served.url)
    before = threading.active_count()
    silent = [socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE_S) for _ in range(40)]
    refused = [one for one in silent[MOST_AT_ONCE:] if one.recv(1) == b""]
    assert len(refused) == len(silent) - MOST_AT_ONCE
    assert threading.active_count() - before <= MOST_AT_ONCE
    for one in silent:
        one.close()
    # Whoever has hung up is let go of at once, or else after some seconds.
    assert eventually(lambda: answers(run))


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(run: Run) -> None:
    port = urlsplit(run.served.url).port
    second = HealthSink(HealthState(lambda: run.camera, list), port or 0)
    with pytest.raises(ConfigError, match=f"port {port}.*--health-port"):
        second.open(INFO, CAMERA)
    second.close()


def test_closed_it_is_gone_and_can_be_closed_again(run: Run) -> None:
    address = urlsplit(run.served.url)
    run.served.close()
    run.served.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE_S)
    assert run.threads_of_its_own == set()
    assert run.served.url == ""
