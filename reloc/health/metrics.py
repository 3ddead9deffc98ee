"""The state of a live run as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reloc.errors import ConfigError
from reloc.estimate import Estimate
from reloc.health.state import HealthState
from reloc.live import CameraState

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

# Seconds. The frames of a camera at 30 Hz are 0.033 apart.
_BUCKETS = (0.005, 0.01, 0.015, 0.02, 0.025, 0.033, 0.05, 0.067, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """Counts latencies, and writes them with all else that is known. Raises `ConfigError` where the package is missing."""

    def __init__(self, state: HealthState) -> None:
        try:
            from prometheus_client import CollectorRegistry, Histogram
        except ImportError as error:
            raise ConfigError(
                "health and metrics need the package prometheus-client: pip install prometheus-client, or --health-port off"
            ) from error
        self._state = state
        self._registry = CollectorRegistry(auto_describe=False)
        self._latency = Histogram("reloc_latency_seconds", "From exposure to pose.", buckets=_BUCKETS, registry=self._registry)
        self._registry.register(self)

    def take(self, estimate: Estimate) -> None:
        """Count an estimate."""
        latency_ms = estimate.milliseconds.get("latency")
        if latency_ms is not None:
            self._latency.observe(latency_ms / 1e3)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self._registry))

    def collect(self) -> Iterator[Metric]:
        """Yield what is known at the moment; called by the registry."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        camera, latest, sinks = self._state.camera(), self._state.latest, self._state.sinks()
        frames = CounterMetricFamily("reloc_frames", "Frames by verdict.", labels=["verdict"])
        for verdict, count in self._state.verdicts.items():
            frames.add_metric([verdict.value], count)
        yield frames
        yield CounterMetricFamily("reloc_frames_dropped", "Frames that nobody has seen.", value=camera.dropped)
        yield CounterMetricFamily("reloc_frames_unordered", "Frames left out for their time.", value=camera.unordered)
        yield CounterMetricFamily("reloc_camera_reconnects", "How often the camera was opened anew.", value=camera.reconnects)
        streams = camera.state is CameraState.STREAMING
        yield GaugeMetricFamily("reloc_camera_streaming", "1 while frames come.", value=float(streams))
        yield GaugeMetricFamily("reloc_camera_hanging_threads", "Threads that hang in the driver.", value=camera.hanging)
        if latest is not None:
            yield GaugeMetricFamily("reloc_score", "Trust in the latest pose, 0 to 1.", value=latest.score)
            is_believed = latest.verdict.is_believed
            yield GaugeMetricFamily("reloc_tracked", "1 where the latest pose is TRACKED or LIMITED.", value=float(is_believed))
            yield GaugeMetricFamily("reloc_pose_age_seconds", "Since the latest pose.", value=self._state.age_s(latest))
        dropped = CounterMetricFamily("reloc_sink_dropped", "Frames left out of a sink.", labels=["sink"])
        failed = GaugeMetricFamily("reloc_sink_failed", "1 once a sink has failed.", labels=["sink"])
        for sink in sinks:
            dropped.add_metric([sink.name], sink.dropped)
            failed.add_metric([sink.name], float(bool(sink.failure)))
        yield dropped
        yield failed
