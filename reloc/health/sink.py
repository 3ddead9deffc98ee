"""The sink that tells other programs how a live run is doing."""

from __future__ import annotations

import logging

from reloc.estimate import Estimate
from reloc.geometry.camera import PinholeCamera
from reloc.health.metrics import Metrics
from reloc.health.server import HealthServer
from reloc.health.state import HealthState
from reloc.sources.source import SourceInfo

_log = logging.getLogger(__name__)


class HealthSink:
    """Serves what `state` knows while the run goes on; costs microseconds a frame, whoever asks."""

    def __init__(self, state: HealthState, port: int) -> None:
        """Listen on `port`, any free one where that is 0. Raises `ConfigError` where a package is missing."""
        self._state, self._port, self._metrics = state, port, Metrics(state)
        self._server: HealthServer | None = None

    @property
    def url(self) -> str:
        """Where it answers; empty unless it is open."""
        return "" if self._server is None else self._server.url

    def open(self, info: SourceInfo, camera: PinholeCamera) -> None:
        """Begin to answer. Raises `ConfigError` where the port is taken."""
        self._server = HealthServer(self._port, self._state.report, self._metrics.text)
        _log.info("health is at %s/health, metrics are at %s/metrics", self.url, self.url)

    def write(self, estimate: Estimate) -> None:
        """Note an estimate."""
        self._state.take(estimate)
        self._metrics.take(estimate)

    def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            self._server = None
